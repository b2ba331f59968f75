"""What the last group gives of each item beside its outputs, on its way into the journal: partials, and members."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable

from ..contracts.frame import Item
from ..contracts.template import Template
from ..errors import EnvironmentRefusal, ItemError, StopRun
from ..plan.model import Plan
from ..transport.partial_code import FILE, MEMBER
from . import packed, partials
from .ended import Cells
from .tables import Statement


def prepare(db: sqlite3.Connection, plan: Plan, job: int) -> None:
    """Tables and folders; what workers of a run that was killed left in them goes, and what was lost is noted."""
    assert plan.partials_dir is not None
    partials.make_tables(db, plan.partials_dir)
    if plan.staging_dir is not None and plan.output_root is not None:
        packed.make_tables(db)
        os.makedirs(plan.staging_dir, exist_ok=True)
        if plan.overwrite != "always":
            packed.refuse_changed(db, job, plan.output_root)
        packed.sweep_unfinished(db, job, plan.output_root)
        packed.note_lost(db, job, plan.staging_dir, plan.output_root)


def superseded(plan: Plan) -> tuple[str, ...]:
    """What is carried out for each item that is done: what other runs gave of it goes."""
    found = [partials.SUPERSEDED] if plan.reducing else []
    return (*found, packed.SUPERSEDED) if plan.archives is not None else tuple(found)


class GivenRows:
    """What is written down while the run goes.

    Args:
        keep: takes a row for the database; no item that ends after it is committed before it.
        job, run: numbers in the journal.
    """

    def __init__(self, keep: Callable[[Statement, Cells], None], plan: Plan, job: int, run: int) -> None:
        self._keep, self._job, self._run = keep, job, run
        self._folder, self._staging = plan.partials_dir or "", plan.staging_dir or ""
        self._root = plan.output_root or ""
        self._archives = Template(plan.archives, of_archives=True) if plan.archives is not None else None
        self._names = Template(plan.destination) if plan.destination else None
        self._staged: dict[int, set[str]] = {}

    def met(self, number: int, key: bytes) -> None:
        """The discovery thread: an item is in the input, at this place."""
        self._keep(partials.MEMBERS, (self._job, key, number, self._run))

    def given(self, key: bytes, item: Item, part: int, data: bytes) -> None:
        """The loop: what reducers gave and which members were saved, or where the file with it is."""
        if data.startswith(FILE):
            data = self._taken(os.path.basename(os.fsdecode(data[len(FILE) :])))
        if self._archives is not None:
            lines = data.split(b"\n")
            for line in lines:
                if line.startswith(MEMBER):
                    self._member(key, item, line[len(MEMBER) :])
            data = b"\n".join(line for line in lines if not line.startswith(MEMBER))
        if data:
            self._keep(partials.PARTIALS, (self._job, key, self._run, part, data))

    def name_of(self, target: str, item: Item) -> bytes | None:
        """What the journal calls a member whose name a frame decided; None where outputs are files."""
        if self._archives is None:
            return None
        return packed.below_root(self._archives.render(item), self._root) + b":" + os.fsencode(target)

    def staged(self, item: Item) -> tuple[str, ...]:
        """The staging files that hold members of an item that ends."""
        return tuple(self._staged.pop(item.number, ()))

    def _member(self, key: bytes, item: Item, note: bytes) -> None:
        assert self._archives is not None
        try:
            row = packed.row_of(note, item, self._archives, self._root, (self._job, key, self._run))
            if self._names is not None and self._names.known_at_intake and row.name != self._names.render(item):
                raise ValueError(f"a worker says that it saved {row.name!r} for it")
        except (ItemError, ValueError, TypeError, RecursionError) as error:
            raise StopRun(f"{item.source}: {error}") from error
        self._staged.setdefault(item.number, set()).add(packed.path_of(row.file, self._staging, self._root))
        self._keep(packed.PACKED, row.cells)

    def _taken(self, name: str) -> bytes:
        path = os.path.join(self._folder, name)
        try:
            with open(path, "rb") as file:
                data = file.read()
            os.unlink(path)
        except OSError as error:
            what = f"what a reducer gave cannot be read again: {error.strerror}"
            raise EnvironmentRefusal(what, where=path) from error
        return data
