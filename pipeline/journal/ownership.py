"""Whose an output is that lies there already: what the journal has claimed, and for which input."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..contracts.cause import Cause
from ..contracts.frame import Item
from ..contracts.stage import Reader
from ..contracts.stamp import Stamp
from .tables import DONE, LARGEST, ItemRow
from .verdict import BATCH, LEAVE, REFUSE, OnDisk, may_replace

if TYPE_CHECKING:
    import sqlite3

EXISTS = "a file that no run of this journal made has the name of its output"
INSTEAD = "`--adopt` takes it as ours, `overwrite: always` replaces it"
CLAIMED = (
    "SELECT c.output, c.job, c.item, c.run, c.foreign_size, c.foreign_mtime_ns, i.run, i.outcome,"
    " coalesce(p.size, iif(i.output = c.output, i.output_size, 0)),"
    " coalesce(p.mtime_ns, iif(i.output = c.output, i.output_mtime_ns, 0)) FROM claims AS c"
    " LEFT JOIN items AS i ON i.job = c.job AND i.item = c.item"
    " LEFT JOIN parts AS p ON p.job = c.job AND p.item = c.item AND p.output = c.output WHERE c.output IN"
)


class Claim(NamedTuple):
    """The last claim of an output, and how the item ended that it was claimed for.

    Attributes:
        job, item, run: of the claim.
        foreign_size, foreign_mtime_ns: how a file lay there that was not ours; None where there was none.
        ended, outcome: the run in which the item ended last, and how; None where no run said so.
        size, mtime_ns: how the output lay there when the item ended; 0 where it did not.
    """

    job: int
    item: bytes
    run: int
    foreign_size: int | None
    foreign_mtime_ns: int | None
    ended: int | None
    outcome: int | None
    size: int
    mtime_ns: int

    def made(self, there: OnDisk) -> bool:
        """Whether what lies there is ours: written, or left by a run that did not come to say so."""
        if there == (self.foreign_size, self.foreign_mtime_ns):
            return False
        return self.ended != self.run or self.outcome == DONE or there == (self.size, self.mtime_ns)


class Over(NamedTuple):
    """What follows from a file that lies where an output is to be.

    Attributes:
        cause: what forbids to replace it; None where it may be.
        adopted: whether it is taken as the output.
        foreign: whether it is not ours and will be replaced.
    """

    cause: Cause | None
    adopted: bool = False
    foreign: bool = False


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
        except OSError:  # a member of an archive has no file of its own
            return other if root and not self._reader.is_gone(other) and other != item.source else ""

    def over(self, there: OnDisk, claim: Claim | None, item: Item, key: bytes, stamp: Stamp | None) -> Over:
        """What follows from an output that is there."""
        input_ns = stamp.mtime_ns if stamp is not None else None
        if claim is not None and claim[:2] != (self._job, key):
            other = self._still(claim, item) if self._policy != "always" or claim.job == self._job else ""
            if other:
                return Over(Cause("", "collision", f"its output is that of {other!r}"))
        own = claim is not None and claim.made(there)
        if self._adopt and not own:
            return Over(None, adopted=input_ns is not None and there.mtime_ns >= input_ns)
        what = may_replace(self._policy, own=own, output_ns=there.mtime_ns, input_ns=input_ns)
        if what == LEAVE:
            why = "there is an output already" + (", not older than the input" if self._policy == "older" else "")
            return Over(Cause("", "skip", f"{why} (`overwrite: {self._policy}`)"))
        return Over(Cause("", "exists", EXISTS, remedy=INSTEAD)) if what == REFUSE else Over(None, foreign=not own)

    def of_member(self, member: bytes, key: bytes, item: Item) -> Cause | None:
        """Why a name in an archive is not to be had: another item that is done has it."""
        claim = self.claims([member]).get(member)
        if claim is None or claim[:2] == (self._job, key) or claim.outcome != DONE:
            return None
        other = self._still(claim, item)
        return Cause("", "collision", f"its name in the archive is that of {other!r}") if other else None

    def _still(self, claim: Claim, by: Item) -> str:
        """The input that another item's claim is for; "" where it is gone, and the name with it, or is this one."""
        job, item = claim[:2]
        query = "SELECT path FROM roots JOIN items ON roots.id = items.root WHERE job = ? AND item = ?"
        known = self._db.execute(query, (job, item)).fetchone()
        path = os.path.join(os.fsdecode(known[0]) if known else self._reader.root or "", os.fsdecode(item))
        try:
            return "" if self._reader.is_gone(path) or os.path.samefile(path, by.source) else path
        except OSError:
            return path

    def claims(self, outputs: Sequence[bytes | None]) -> dict[bytes, Claim]:
        """The claims of these outputs."""
        return claims_of(self._db, outputs)


def claims_of(db: sqlite3.Connection, outputs: Sequence[bytes | None]) -> dict[bytes, Claim]:
    """The claims of these outputs."""
    found: dict[bytes, Claim] = {}
    for first in range(0, len(outputs), BATCH):
        some = outputs[first : first + BATCH]
        found |= {row[0]: Claim(*row[1:]) for row in db.execute(f"{CLAIMED} ({marks(some)})", some)}
    return found


def marks(values: Sequence[object]) -> str:
    """As many marks of a query as there are values."""
    return ",".join("?" * len(values))


def on_disk(path: str) -> OnDisk | None:
    """How a file lies there; None where there is none. A link counts as what it is: it is what a rename replaces."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return None
    return OnDisk(status.st_size, min(max(status.st_mtime_ns, -LARGEST), LARGEST))
