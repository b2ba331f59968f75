"""The intake: items as they are found, each with its output name claimed before anything is read."""

from __future__ import annotations

import os
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from ..contracts.frame import Item
from ..contracts.stage import Reader
from ..contracts.template import Template
from ..errors import ItemError
from ..plan.model import Plan
from .claims import Claims


class Found(NamedTuple):
    """An item at the intake.

    Attributes:
        target: its output path; "" where none is written or the frame decides it.
        refused: why it is not let in (its output name is taken); "" lets it in.
        skipped: why it is left out on purpose.
    """

    item: Item
    target: str
    refused: str = ""
    skipped: str = ""


class Intake:
    """Discovers the items of a plan, one at a time.

    Args:
        plan: names the reader and the template of the outputs.
        limit: the most items let in.
        claims: kept by the caller where frames claim names too.
        probe: whether a file may be made for a moment in the output folder, to see what it takes for one name.
    """

    def __init__(
        self, plan: Plan, *, limit: int | None = None, claims: Claims | None = None, probe: bool = True
    ) -> None:
        self.reader: Reader = plan.reader.build()
        self.template = Template(plan.destination) if plan.destination else None
        self.limit = limit
        self.claims = claims or Claims()
        self.without = plan.output_root
        self._here = os.getcwd() + "/"
        self._root = None if self.without is None else os.path.abspath(self.without) + "/"
        self._folds = self.without is not None and folds_case(self.without, probe=probe)

    def entries(self) -> Iterator[Found]:
        """What is found, in input order. A file that this run writes is not found again."""
        for count, item in enumerate(self.reader.discover(self.without)):
            if count == self.limit:
                return
            if item.skip:
                yield Found(item, "", skipped=item.skip)
            elif not self._is_output(item):
                yield self.admit(item)

    def _is_output(self, item: Item) -> bool:
        """Whether this run has named the file as an output; only where outputs may lie among the inputs."""
        if self._root is None:
            return False
        source = self._absolute(item.source)
        return source.startswith(self._root) and self.claims.has(self._key(source))

    def admit(self, item: Item) -> Found:
        """The item with its output name claimed, or with the reason why it is not let in."""
        if self.template is None or not self.template.known_at_intake:
            return Found(item, "")
        try:
            target = self.template.render(item)
        except ItemError as error:
            return Found(item, "", refused=str(error))
        return Found(item, target, refused=self.claim(target, item))

    def claim(self, target: str, item: Item, index: int = -1) -> str:
        """Claim a name for an item, or for one of its frames; "" or why it is refused.

        Called by discovery, or (for names that only the frame decides) from the loop. A retry claims its own again.
        """
        owner = self.claims.claim(self._key(self._absolute(target)), f"{item.number}:{index}:{item.source}")
        if not owner:
            return ""
        number, _, source = owner.split(":", 2)
        other = "another frame of itself" if int(number) == item.number else repr(source)
        fold = ", on a disk that does not tell A from a" if self._folds else ""
        return f"collides with {other}: both would be {target!r}{fold}"

    def _key(self, path: str) -> str:
        """What the file system takes for this name: letters of one case, and on macOS accents in one spelling."""
        if not self._folds:
            return path
        return (unicodedata.normalize("NFC", path) if sys.platform == "darwin" else path).lower()

    def _absolute(self, path: str) -> str:
        return path if path.startswith("/") else self._here + path


def folds_case(folder: str, *, probe: bool = True) -> bool:
    """Whether the file system takes `A.jpg` and `a.jpg` for one name (exFAT, shares of Windows, macOS).

    Asks a name that is there already, else makes a file for a moment where `probe` allows it. Where the folder is
    missing, the nearest one above it answers. False where nothing can be learned.
    """
    while not os.path.isdir(folder):
        folder = os.path.dirname(os.path.abspath(folder))
    try:
        with os.scandir(folder) as entries:
            known = next((e.path for e in entries if e.name.isascii() and e.name != e.name.swapcase()), None)
        if known is not None:
            return _same(known)
        if not probe:
            return False
        with tempfile.NamedTemporaryFile(prefix=".pipeline-case-", dir=folder) as file:
            return _same(file.name)
    except OSError:
        return False


def _same(path: str) -> bool:
    head, name = os.path.split(path)
    other = os.path.join(head, name.swapcase())
    return os.path.lexists(other) and os.path.samestat(os.lstat(path), os.lstat(other))
