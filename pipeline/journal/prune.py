"""Outputs of this journal whose input is gone: found, and removed where that is asked for.

Nothing else is ever removed: not an output that was changed after us, not one whose input is still there and only left
out by the globs, and nothing while the folder of the inputs may be another one, or not mounted.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from ..contracts.stage import Reader
from ..errors import EnvironmentRefusal, UsageError
from .ownership import on_disk
from .tables import DONE

MOST_SHARE = 0.5  # of the items; more than that are hardly deleted inputs


class Gone(NamedTuple):
    """An item whose input is gone.

    Attributes:
        outputs: of it that are there as we left them: below the output folder.
        kept: outputs that somebody changed after us, and that stay.
    """

    key: bytes
    outputs: list[bytes]
    kept: list[bytes]


def gone(db: sqlite3.Connection, job: int, reader: Reader, output_root: str, *, force: bool) -> list[Gone]:
    """The items of a job whose input is gone.

    Raises:
        UsageError: the input has no folder, so nothing says that a file is gone; or more than half would go.
        EnvironmentRefusal: the folder of the inputs is not there, is empty, or lies on another disk than before.
    """
    root = reader.root
    if root is None:
        raise UsageError(
            "--prune needs a folder of inputs: of a list nobody can say that a file is gone from it",
            remedy="give the reader a `base`",
        )
    _must_be_the_same(db, root, force=force)
    known = db.execute("SELECT count(*) FROM items WHERE job = ?", (job,)).fetchone()[0]
    found = [_gone(db, job, key, output_root) for key in _missing(db, job, root)]
    if len(found) > MOST_SHARE * known and not force:
        raise UsageError(
            f"--prune would remove the outputs of {len(found):,} of {known:,} items; nothing was removed",
            limit="it removes at most half without --force",
            remedy="see that the folder of the inputs is the right one; --prune --dry-run lists them",
        )
    return found


def remove(db: sqlite3.Connection, job: int, found: list[Gone], output_root: str) -> int:
    """Remove the outputs of these items, and forget the items; how many files were removed."""
    removed = 0
    db.execute("BEGIN IMMEDIATE")
    for one in found:
        for output in one.outputs:
            try:
                os.unlink(os.path.join(output_root, os.fsdecode(output)))
                removed += 1
            except FileNotFoundError:
                pass
        db.execute("DELETE FROM parts WHERE job = ? AND item = ?", (job, one.key))
        db.execute("DELETE FROM items WHERE job = ? AND item = ?", (job, one.key))
        for output in one.outputs:
            db.execute("DELETE FROM claims WHERE output = ?", (output,))
    db.execute("COMMIT")
    return removed


def _must_be_the_same(db: sqlite3.Connection, root: str, *, force: bool) -> None:
    try:
        device = os.stat(root).st_dev
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


def _missing(db: sqlite3.Connection, job: int, root: str) -> Iterator[bytes]:
    folder = os.fsencode(root)
    for (key,) in db.execute("SELECT item FROM items WHERE job = ? ORDER BY item", (job,)).fetchall():
        if not os.path.lexists(os.path.join(folder, key)):
            yield key


def _gone(db: sqlite3.Connection, job: int, key: bytes, output_root: str) -> Gone:
    query = "SELECT outcome, output, output_size, output_mtime_ns FROM items WHERE job = ? AND item = ?"
    outcome, output, size, mtime_ns = db.execute(query, (job, key)).fetchone()
    left = db.execute("SELECT output, size, mtime_ns FROM parts WHERE job = ? AND item = ?", (job, key)).fetchall()
    if outcome == DONE and output is not None:
        left.append((output, size, mtime_ns))
    ours: list[bytes] = []
    changed: list[bytes] = []
    for name, nbytes, time_ns in left:
        there = on_disk(os.path.join(output_root, os.fsdecode(name)))
        if there is not None:
            (ours if there == (nbytes, time_ns) else changed).append(name)
    return Gone(key, ours, changed)
