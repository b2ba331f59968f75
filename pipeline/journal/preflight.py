"""Whether outputs stand already where a journal is to begin: asked once, before anything is started."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from itertools import islice

from ..contracts.stage import Reader
from ..contracts.template import Template
from ..errors import ItemError, PipelineError, UsageError
from ..plan.model import Plan
from .tables import FOLDER

LOOKED_AT = 2000  # inputs, or files of the output folder; what stands beyond them fails its item one by one


def refuse_new_journal(plan: Plan, reader: Reader, db: sqlite3.Connection, path: str) -> None:
    """A journal that was made just now knows nothing: outputs of an older version are not taken for foreign.

    Raises UsageError where outputs stand already, and removes the journal: its database and what belongs to it.
    """
    try:
        refuse_standing(plan, reader)
    except UsageError:
        db.close()
        for name in (path, path + "-wal", path + "-shm"):
            if os.path.exists(name):
                os.unlink(name)
        raise


def refuse_standing(plan: Plan, reader: Reader) -> None:
    """Raises UsageError where outputs stand already that a new journal does not know."""
    standing = standing_output(plan, reader)
    if standing is not None:
        raise UsageError(
            f"there are outputs already, such as {standing!r}, and no journal that knows them; nothing was started",
            remedy="`--adopt` takes them as ours, `--set writer.overwrite=always` replaces them",
        )


def standing_output(plan: Plan, reader: Reader) -> str | None:
    """An output that is there already; None where there is none among the first ones.

    Names that the items decide are asked one by one; where frames decide them, any file counts that could be one.
    """
    assert plan.job is not None
    if plan.archives is not None:
        return _standing_archive(plan.archives)
    template = Template(plan.job)
    if not _has_files(template.root):
        return None
    if not template.known_at_intake:
        could_be = re.compile(_pattern(template))
        return next((path for path in islice(_files(template.root), LOOKED_AT) if could_be.fullmatch(path)), None)
    if reader.waits:
        return None  # what it names can be asked for once only
    return next((target for target in _targets(template, reader) if os.path.lexists(target)), None)


def _standing_archive(archives: str) -> str | None:
    template = Template(archives, of_archives=True)
    could_be = re.compile(_pattern(template))
    if not _has_files(template.root):
        return None
    return next((path for path in islice(_files(template.root), LOOKED_AT) if could_be.fullmatch(path)), None)


def _targets(template: Template, reader: Reader) -> Iterator[str]:
    try:
        for item in islice(reader.discover(template.root), LOOKED_AT):
            try:
                yield template.render(item)
            except ItemError:
                continue
    except (PipelineError, OSError):
        return  # the run meets the same, and says it


def _pattern(template: Template) -> str:
    parts = re.split(r"(\{[^{}]*\})", template.text)
    return "".join(".*" if part.startswith("{") else re.escape(part) for part in parts)


def _has_files(root: str) -> bool:
    try:
        with os.scandir(root) as entries:
            return any(entry.name != FOLDER for entry in entries)
    except OSError:
        return False


def _files(root: str) -> Iterator[str]:
    """The files below a folder, as the template would name them."""
    for folder, folders, names in os.walk(root):
        if folder == root and FOLDER in folders:
            folders.remove(FOLDER)
        for name in names:
            path = f"{folder}/{name}"
            yield path.removeprefix("./") if root == "." else path
