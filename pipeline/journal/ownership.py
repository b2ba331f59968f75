"""Whose an output is that lies there already: what the journal has claimed, and for which input."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..contracts.cause import Cause
from ..contracts.frame import Item
from ..contracts.stage import Reader
from ..contracts.stamp import Stamp
from .tables import ItemRow
from .verdict import LEAVE, REFUSE, OnDisk, may_replace

if TYPE_CHECKING:
    import sqlite3

EXISTS = "a file that no run of this journal made has the name of its output"
INSTEAD = "name another, or say `overwrite: always`"
Claim = tuple[int, bytes, int]  # job, item, run


class Owners:
    """Asks the journal who has claimed an output.

    Args:
        db: a connection that only reads.
        policy: `overwrite` of the writer. adopt: whether outputs that nobody claimed are taken as ours.
        job: number in the journal.
    """

    def __init__(self, db: sqlite3.Connection, reader: Reader, policy: str, *, adopt: bool, job: int) -> None:
        self._db = db
        self._reader = reader
        self._policy = policy
        self._adopt = adopt
        self._job = job
        self._roots: dict[int, str] = {}

    def elsewhere(self, row: ItemRow, item: Item) -> str:
        """The input of the same name below the folder that the journal knows it from; "" where that was moved."""
        if row.root not in self._roots:
            known = self._db.execute("SELECT path FROM roots WHERE id = ?", (row.root,)).fetchone()
            self._roots[row.root] = os.fsdecode(known[0]) if known else ""
        root = self._roots[row.root]
        other = os.path.join(root, os.fsdecode(row.item))
        try:
            return other if root and not os.path.samefile(other, item.source) else ""
        except OSError:
            return ""

    def over(self, there: OnDisk, claim: Claim | None, key: bytes, stamp: Stamp | None) -> tuple[Cause | None, bool]:
        """What forbids to replace an output that is there; whether it is adopted instead."""
        input_ns = stamp.mtime_ns if stamp is not None else None
        if claim is not None and claim[:2] != (self._job, key) and self._policy != "always":
            other = self._still(claim)
            if other:
                return Cause("", "collision", f"its output is that of {other!r}"), False
        if claim is None and self._adopt:
            return None, input_ns is not None and there.mtime_ns >= input_ns
        what = may_replace(self._policy, own=claim is not None, output_ns=there.mtime_ns, input_ns=input_ns)
        if what == LEAVE:
            why = "there is an output already" + (", not older than the input" if self._policy == "older" else "")
            return Cause("", "skip", f"{why} (`overwrite: {self._policy}`)"), False
        return (Cause("", "exists", EXISTS, remedy=INSTEAD) if what == REFUSE else None), False

    def _still(self, claim: Claim) -> str:
        """The input that another item's claim is for; "" where it is gone, and the name with it."""
        job, item, _ = claim
        query = "SELECT path FROM roots JOIN items ON roots.id = items.root WHERE job = ? AND item = ?"
        known = self._db.execute(query, (job, item)).fetchone()
        path = os.path.join(os.fsdecode(known[0]) if known else self._reader.root or "", os.fsdecode(item))
        return path if os.path.lexists(path) else ""

    def claims(self, outputs: Sequence[bytes | None]) -> dict[bytes, Claim]:
        query = f"SELECT output, job, item, run FROM claims WHERE output IN ({marks(outputs)})"  # noqa: S608 - marks
        return {row[0]: row[1:] for row in self._db.execute(query, outputs)}


def marks(values: Sequence[object]) -> str:
    """As many marks of a query as there are values."""
    return ",".join("?" * len(values))


def on_disk(path: str) -> OnDisk | None:
    """How a file lies there; None where there is none. A link counts as what it is: it is what a rename replaces."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return None
    return OnDisk(status.st_size, status.st_mtime_ns)
