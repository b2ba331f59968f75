"""Outputs of this journal whose input is gone: found, and removed where that is asked for.

Nothing else is ever removed: not an output that was changed after us, not one whose name another input has by now, not
one whose input is still there and only left out by the globs or by another folder of inputs, and nothing while a folder
of inputs may be another one, or not mounted. A run looks at its beginning and once more when it is through.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from ..contracts.stage import Reader
from ..errors import EnvironmentRefusal, UsageError
from .ownership import claims_of, on_disk
from .verdict import OnDisk

MOST_SHARE = 0.5  # of the items; more than that are hardly deleted inputs


class Gone(NamedTuple):
    """An item whose input is gone.

    Attributes:
        folders: of inputs that do not hold it any more: the one of now and the one that it came from.
        outputs: of it that are there as we left them: below the output folder, with size and time.
        kept: outputs that somebody changed after us, or that are those of another input by now; they stay.
        away: the folder that it came from, where that is not there; its outputs stay unless forced.
    """

    key: bytes
    folders: tuple[bytes, ...]
    outputs: list[tuple[bytes, OnDisk]]
    kept: list[bytes]
    away: bytes = b""


def gone(db: sqlite3.Connection, job: int, reader: Reader, output_root: str, *, force: bool) -> list[Gone]:
    """The items of a job whose input is gone.

    Raises:
        UsageError: the input has no folder, so nothing says that a file is gone.
        EnvironmentRefusal: the folder of the inputs is not there, is empty, or lies on another disk than before.
    """
    if reader.root is None:
        raise UsageError(
            "--prune needs a folder of inputs: of a list nobody can say that a file is gone from it",
            remedy="give the reader a `base`",
        )
    _must_be_the_same(db, reader.root, force=force)
    found = _missing(db, job, reader, os.fsencode(os.path.realpath(reader.root)), force=force)
    return [_gone(db, job, *one, output_root) for one in found]


def refuse_too_many(db: sqlite3.Connection, job: int, found: list[Gone]) -> None:
    """Raises UsageError where so many inputs are gone that it looks like a mistake."""
    known = db.execute("SELECT count(*) FROM items WHERE job = ?", (job,)).fetchone()[0]
    going = sum(not one.away for one in found)
    if going > MOST_SHARE * known:
        raise UsageError(
            f"--prune would remove the outputs of {going:,} of {known:,} items; nothing was removed",
            limit="it removes at most half without --force",
            remedy="see that the folder of the inputs is the right one; --prune --dry-run lists them",
        )


class Pruning:
    """Outputs whose input is gone, found now, to be removed when the run is through.

    Raises:
        EnvironmentRefusal: the folder of the inputs is not there, or is not the one it was.
        UsageError: they are more than half of all, and that was not asked for.
    """

    def __init__(self, db: sqlite3.Connection, job: int, reader: Reader, output_root: str, *, force: bool) -> None:
        self._db, self._job, self._root = db, job, output_root
        self._reader = reader
        self._found = gone(db, job, reader, output_root, force=force)
        if not force:
            refuse_too_many(db, job, self._found)

    def carry_out(self) -> list[str]:
        """Remove them; in words what went, and what stays and why. Raises OSError where one cannot be removed."""
        removed = remove(self._db, self._job, self._reader, self._found, self._root)
        return in_words(removed, self._found)


def remove(db: sqlite3.Connection, job: int, reader: Reader, found: list[Gone], output_root: str) -> int:
    """Remove what is still as it was found, and forget the items; how many files were removed."""
    removed = 0
    db.execute("BEGIN IMMEDIATE")
    try:
        for one in found:
            if not one.away and _is_gone(reader, one.folders, one.key):
                removed += _remove(db, job, one, output_root)
    finally:  # what was unlinked is told also where something else could not be
        db.execute("COMMIT")
    return removed


def in_words(removed: int, found: list[Gone]) -> list[str]:
    """What went, and what stays and why, in words."""
    told = [f"{removed:,} outputs of inputs that are gone were removed"]
    if kept := sum(len(one.kept) for one in found):
        told.append(f"{kept:,} outputs of inputs that are gone stay: they were changed, or are those of others now")
    if away := [one for one in found if one.away]:
        folder = os.fsdecode(away[0].away)
        told.append(f"outputs of {len(away):,} inputs stay: their folder {folder!r} is not there; else --force")
    return told


def _remove(db: sqlite3.Connection, job: int, one: Gone, output_root: str) -> int:
    removed = 0
    claims = claims_of(db, [output for output, _ in one.outputs])
    for output, left in one.outputs:
        claim, path = claims.get(output), path_of(output_root, output)
        if claim is None or claim[:2] != (job, one.key) or path is None or on_disk(path) != left:
            continue  # another input has the name by now, or somebody changed it
        os.unlink(path)
        removed += 1
        db.execute("DELETE FROM claims WHERE output = ?", (output,))
    db.execute("DELETE FROM parts WHERE job = ? AND item = ?", (job, one.key))
    db.execute("DELETE FROM items WHERE job = ? AND item = ?", (job, one.key))
    return removed


def path_of(output_root: str, output: bytes) -> str | None:
    """Where an output lies; None where its name, or a link on the way, leads out of the output folder."""
    name, root = os.fsdecode(output), os.path.realpath(output_root)
    if name.startswith("/") or ".." in name.split("/"):
        return None
    path = os.path.join(output_root, name)
    folder = os.path.realpath(os.path.dirname(path) or ".")
    return path if folder == root or folder.startswith(root.rstrip("/") + "/") else None


def _must_be_the_same(db: sqlite3.Connection, root: str, *, force: bool) -> None:
    try:
        device, empty = os.stat(root).st_dev, False
        if not os.path.isfile(root):  # else an archive
            with os.scandir(root) as entries:
                empty = next(entries, None) is None
    except OSError as error:
        raise EnvironmentRefusal(
            f"the folder of the inputs cannot be looked at: {error.strerror}", where=root, remedy="is it mounted?"
        ) from error
    known = db.execute("SELECT device FROM roots WHERE path = ?", (os.fsencode(os.path.realpath(root)),)).fetchone()
    if empty and not force:
        raise EnvironmentRefusal("the folder of the inputs is empty", where=root, remedy="is it mounted? else --force")
    if known is not None and known[0] != device and not force:
        raise EnvironmentRefusal(
            "the folder of the inputs lies on another disk than before",
            where=root,
            remedy="is it mounted? else --force",
        )


def _is_the_same(db: sqlite3.Connection, root: bytes) -> bool:
    """Whether another folder of inputs is there, with something in it, on the disk where it was."""
    try:
        _must_be_the_same(db, os.fsdecode(root), force=False)
    except EnvironmentRefusal:
        return False
    return True


def _missing(
    db: sqlite3.Connection, job: int, reader: Reader, root: bytes, *, force: bool
) -> Iterator[tuple[bytes, tuple[bytes, ...], bytes]]:
    """Items that neither the folder of now nor the one they came from holds; the latter where that is not there."""
    roots = dict(db.execute("SELECT id, path FROM roots").fetchall())
    there = {path: path == root or _is_the_same(db, path) for path in roots.values()}
    query = "SELECT item, root FROM items WHERE job = ? ORDER BY item"
    for key, number in db.execute(query, (job,)).fetchall():
        own = roots.get(number, root)
        folders = tuple(dict.fromkeys((root, own)))
        if _is_gone(reader, folders, key):
            yield key, folders, b"" if force or there.get(own, True) else own


def _is_gone(reader: Reader, folders: tuple[bytes, ...], key: bytes) -> bool:
    return all(reader.is_gone(os.fsdecode(os.path.join(folder, key))) for folder in folders)


def _gone(
    db: sqlite3.Connection, job: int, key: bytes, folders: tuple[bytes, ...], away: bytes, output_root: str
) -> Gone:
    query = "SELECT output, output_size, output_mtime_ns FROM items WHERE job = ? AND item = ? AND output IS NOT NULL"
    left = db.execute(query, (job, key)).fetchall()
    left += db.execute("SELECT output, size, mtime_ns FROM parts WHERE job = ? AND item = ?", (job, key)).fetchall()
    claims = claims_of(db, [output for output, _, _ in left])
    ours: list[tuple[bytes, OnDisk]] = []
    kept: list[bytes] = []
    for output, nbytes, time_ns in left:
        path, claim = path_of(output_root, output), claims.get(output)
        there = on_disk(path) if path is not None else None
        if path is None or there is None:
            continue
        as_left = tuple(there) == (nbytes, time_ns) and claim is not None and claim.made(there)
        if as_left and claim is not None and claim[:2] == (job, key):
            ours.append((output, there))
        else:
            kept.append(output)
    return Gone(key, folders, ours, kept, away)
