"""What the journal knows of items that are found, looked up many at a time, and what follows for each of them.

Called by the intake in the discovery thread, with a connection of its own; `stat` and the journal are all it asks.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from ..contracts.cause import Cause
from ..contracts.frame import Item
from ..contracts.stage import Reader
from ..contracts.stamp import Stamp
from ..contracts.template import Template
from .fingerprint import Step, differences
from .ownership import Claim, Owners, marks, on_disk
from .registering import shards_of
from .run_options import Options
from .tables import DONE, LARGEST, QUARANTINED, ItemRow
from .verdict import (
    CHAIN,
    FRESH,
    IGNORED,
    NEW,
    REASON_OF,
    UNSURE,
    UP_TO_DATE,
    OnDisk,
    Outputs,
    Verdict,
    changes,
    is_racy,
    judge,
)  # fmt: skip

if TYPE_CHECKING:
    import sqlite3


FAILED_HERE = Verdict("failed", "refused at the intake")
ADOPTED = Verdict("up_to_date", "adopted")


class Looked(NamedTuple):
    """An item after the journal was asked.

    Attributes:
        key: what it is called in the journal. output: below the output folder; None where frames decide it.
        stamp: of its input; None where it cannot be told.
        verdict: an outcome where nothing is to be done with it.
        cause: why it is not let in; None for one that is, or is up to date.
        adopted: whether an output that is there is taken as ours. foreign: one that is not ours and will be replaced.
        learned: the digest of an input that is up to date and whose row has none.
    """

    item: Item
    target: str
    key: bytes
    output: bytes | None
    stamp: Stamp | None
    verdict: Verdict
    cause: Cause | None = None
    adopted: bool = False
    foreign: OnDisk | None = None
    learned: bytes = b""


class Lookup:
    """Looks items up.

    Args:
        db: a connection that only reads.
        template: of the outputs.
        policy: `overwrite` of the writer.
        steps: of the resolved chain.
        job, chain, root: numbers in the journal; `root` is 0 where the input has no folder, and one that the journal
            does not know yet is -1.
    """

    def __init__(
        self, db: sqlite3.Connection, reader: Reader, template: Template, policy: str, options: Options,
        steps: Sequence[Step], *, job: int, chain: int, root: int,
    ) -> None:  # fmt: skip
        self._db = db
        self._reader = reader
        self._options = options
        self._job, self._chain, self._root = job, chain, root
        self._folder = template.root
        head = template.text.partition("{")[0]
        self._prefix = head[: head.rfind("/") + 1]
        self._steps = steps
        self._retry = _not_done(db, options.retry) if options.retry else None
        self.owners = Owners(db, reader, policy, adopt=options.adopt, job=job)
        self._chains: dict[int, str] = {}
        self.repeats = False
        self.lost: frozenset[bytes] = frozenset()  # items of a job with archives whose members are not there
        self._empty = db.execute("SELECT 1 FROM items WHERE job = ? LIMIT 1", (job,)).fetchone() is None

    def expect_repeats(self) -> None:
        """The same item may come more than once in this run, so what is written meanwhile counts too."""
        self.repeats, self._empty = True, False

    def look(self, found: Sequence[tuple[Item, str]]) -> list[Looked]:
        """What follows for items with their output names, "" where frames decide them."""
        keys = [os.fsencode(self._reader.key(item)) for item, _ in found]
        rows = {} if self._empty else self._rows(keys)
        looked = [self._judged(*each, key, rows.get(key)) for each, key in zip(found, keys, strict=True)]
        todo = [n for n, one in enumerate(looked) if not one.verdict.outcome and one.output is not None]
        there = {n: lies for n in todo if (lies := _lies(looked[n].target)) is not None}
        if there:
            claims = self.owners.claims([looked[n].output for n in there])
            for n, lies in there.items():
                looked[n] = self._against_claims(looked[n], lies, claims)
        return looked

    def output_of(self, target: str) -> bytes:
        """A target as the journal names it: below the output folder."""
        return os.fsencode(target.removeprefix(self._prefix))

    def path_of(self, output: bytes) -> str:
        """Where an output of the journal lies."""
        return f"{self._folder}/{os.fsdecode(output)}"

    def of_part(self, target: str, item: Item, member: bytes | None = None) -> tuple[Cause | None, OnDisk | None]:
        """Of a name that only a frame decided: why it may not be written, or a foreign file that will be replaced.

        `member` is what the journal calls a name in an archive. Called by the journal's writer.
        """
        if member is not None:
            return self.owners.of_member(member, os.fsencode(self._reader.key(item)), item), None
        there = on_disk(target)
        if there is None:
            return None, None
        key, output = os.fsencode(self._reader.key(item)), self.output_of(target)
        claim = self.owners.claims([output]).get(output)
        over = self.owners.over(there, claim, item, key, self._reader.stamp(item))
        ours = claim is not None and claim[:2] == (self._job, key) and claim.made(there)
        if over.cause is not None and not (over.cause.kind == "skip" and ours):  # what was begun may be finished
            return replace(over.cause, what=f"{target!r}: {over.cause.what}"), None
        return None, there if over.foreign else None

    def outputs_of(self, row: ItemRow) -> tuple[list[bytes], tuple[OnDisk, ...]]:
        """The outputs of an item that has several, and how they were left."""
        query = "SELECT output, size, mtime_ns FROM parts WHERE job = ? AND item = ? ORDER BY output"
        rows = self._db.execute(query, (row.job, row.item)).fetchall()
        return [output for output, _, _ in rows], tuple(OnDisk(size, mtime) for _, size, mtime in rows)

    # ---- one item ----------------------------------------------------------------------------------------------

    def _judged(self, item: Item, target: str, key: bytes, row: ItemRow | None) -> Looked:
        output = self.output_of(target) if target else None
        if self._retry is not None:
            return self._retried(item, target, key, output, row)
        stamp = self._stamp(item)
        if row is not None and row.root != self._root and (other := self.owners.elsewhere(row, item)):
            taken = Cause("", "collision", f"its output is that of {other!r}, which lies in another input folder")
            return Looked(item, target, key, output, stamp, FAILED_HERE, taken)
        verdict = FRESH if self._options.fresh and row is not None else self._verdict(row, stamp, target, output)
        if verdict is CHAIN and row is not None:
            verdict = Verdict("", f"{CHAIN.reason}: {self.chain_words(row.chain)}")
        cause = remembered(row) if verdict.outcome in ("skipped", "quarantined") and row is not None else None
        learns = verdict is UP_TO_DATE and stamp is not None and row is not None and not row.digest
        learned = stamp.digest if learns and stamp is not None else b""
        return Looked(item, target, key, output, stamp, verdict, cause, learned=learned)

    def _retried(self, item: Item, target: str, key: bytes, output: bytes | None, row: ItemRow | None) -> Looked:
        """Only what failed in the run that is tried again, and was not done since."""
        assert self._retry is not None
        failed = self._retry.get(key)
        if failed is None or (row is not None and row.outcome == DONE and row.run > failed):
            return Looked(item, target, key, output, None, IGNORED)
        reason = f"not done in run {self._options.retry}"
        return Looked(item, target, key, output, self._stamp(item), Verdict("", reason))

    def _verdict(self, row: ItemRow | None, stamp: Stamp | None, target: str, output: bytes | None) -> Verdict:
        if row is None:
            return NEW
        if row.outcome == DONE and row.parts < 0 and row.output != output:  # or letters of another case
            return Verdict("", "the output has another name")
        if row.item in self.lost:
            return Verdict("", "the output is missing")
        left, now = self.left_and_now(row, target)
        return judge(row, stamp, self._chain, now, left, content=self._options.checksum)

    def left_and_now(self, row: ItemRow, target: str) -> tuple[tuple[OnDisk, ...], Outputs | None]:
        """How the outputs of a row were left, where they are several, and how they lie now."""
        if row.outcome != DONE:
            return (), None
        if row.parts < 0:
            return (), (on_disk(target),)
        outputs, left = self.outputs_of(row)
        return left, tuple(on_disk(self.path_of(each)) for each in outputs)

    def changes(self, row: ItemRow, looked: Looked) -> list[Verdict]:
        """All that is not as it was the last time, in words."""
        left, now = self.left_and_now(row, looked.target)
        found = changes(row, looked.stamp, self._chain, now, left, content=self._options.checksum)
        return [Verdict("", each.reason, self.chain_words(row.chain)) if each is CHAIN else each for each in found]

    def row_of(self, key: bytes) -> ItemRow | None:
        """What the journal knows of one item."""
        return self._rows([key]).get(key)

    def saw(self, item: Item, stamp: Stamp) -> bool:
        """Whether the input was the same, by size and time, when this item last ended."""
        row = self.row_of(os.fsencode(self._reader.key(item)))
        return row is not None and (row.size, row.mtime_ns) == (stamp.size, stamp.mtime_ns)

    def chain_words(self, chain: int) -> str:
        """What differs from a chain of the journal to that of now, old -> new."""
        if chain not in self._chains:
            known = self._db.execute("SELECT steps FROM chains WHERE id = ?", (chain,)).fetchone()
            told = differences(json.loads(known[0]), self._steps) if known else []
            self._chains[chain] = "; ".join(told) or "how it is written down"
        return self._chains[chain]

    def _stamp(self, item: Item) -> Stamp | None:
        stamp = self._reader.stamp(item)
        if stamp is not None and self._options.checksum and not stamp.digest:
            return stamp._replace(digest=digest_of(self._reader, item))
        return stamp

    def _against_claims(self, one: Looked, there: OnDisk, claims: Mapping[bytes, Claim]) -> Looked:
        """An item that is to be done, and whose output is there already: whether it may be replaced."""
        assert one.output is not None
        over = self.owners.over(there, claims.get(one.output), one.item, one.key, one.stamp)
        if (cause := over.cause) is not None:
            verdict = Verdict("skipped", cause.what) if cause.kind == "skip" else FAILED_HERE
            return one._replace(verdict=verdict, cause=cause)
        if over.adopted:
            return one._replace(verdict=ADOPTED, adopted=True)
        return one._replace(foreign=there) if over.foreign else one

    # ---- queries -----------------------------------------------------------------------------------------------

    def _rows(self, keys: Sequence[bytes]) -> dict[bytes, ItemRow]:
        query = f"SELECT * FROM items WHERE job = ? AND item IN ({marks(keys)})"  # noqa: S608 - marks only
        return {row[1]: ItemRow(*row) for row in self._db.execute(query, (self._job, *keys))}


def remembered(row: ItemRow) -> Cause:
    """Why an item was not done the last time, as its row keeps it."""
    kept = json.loads(row.cause or "{}").get("cause") or ("", "", REASON_OF.get(row.outcome, ""))
    cause = Cause.of_parts(kept)
    if row.outcome != QUARANTINED:
        return cause
    return replace(cause, what=f"{cause.what}, in run {row.run}", remedy="`pipeline retry` tries it again")


def _not_done(db: sqlite3.Connection, run: int) -> dict[bytes, int]:
    """Items that failed in a run, were quarantined in it or refused, and the run; of one shard, those of all shards."""
    runs = shards_of(db, run)
    return dict(db.execute(f"SELECT item, run FROM failures WHERE run IN ({marks(runs)}) ORDER BY run", runs))  # noqa: S608 - marks only


def _lies(target: str) -> OnDisk | None:
    """As `on_disk`, in less time where there is none: in a first run that is so for every item."""
    return on_disk(target) if os.access(target, os.F_OK, follow_symlinks=False) else None


def digest_of(reader: Reader, item: Item) -> bytes:
    """BLAKE2b of the bytes of an item's file, 16 bytes of it; b"" where they cannot be read."""
    digest = blake2b(digest_size=16)
    try:
        with reader.open_source(item) as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return b""
    return digest.digest()


def recorded(stamp: Stamp | None) -> tuple[int, int, bytes | None]:
    """Size, time and digest of an input as a row keeps them: unsure where it may change without a sign of it."""
    if stamp is None or abs(stamp.mtime_ns) > LARGEST:
        return UNSURE, 0, None
    unsure = stamp.mtime_ns and is_racy(stamp.mtime_ns, time.time_ns())
    return (UNSURE if unsure else stamp.size), stamp.mtime_ns, stamp.digest or None
