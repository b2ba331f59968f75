"""What the journal knows of items that are found, looked up many at a time, and what follows for each of them.

Called by the intake in the discovery thread, with a connection of its own; `stat` and the journal are all it asks.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from ..contracts.frame import Item
from ..contracts.stage import Reader
from ..contracts.stamp import Stamp
from ..contracts.template import Template
from .fingerprint import Step, differences
from .run_options import Options
from .tables import DONE, ItemRow
from .verdict import (
    CHAIN,
    FRESH,
    IGNORED,
    LEAVE,
    REASON_OF,
    REFUSE,
    UNSURE,
    OnDisk,
    Verdict,
    is_racy,
    judge,
    may_replace,
)  # fmt: skip

if TYPE_CHECKING:
    import sqlite3

EXISTS = "there is a file of this name that this journal did not make; name another, or `overwrite: always`"
ADOPTED = Verdict("up_to_date", "adopted")
Claim = tuple[int, bytes, int]  # job, item, run


class Looked(NamedTuple):
    """An item after the journal was asked.

    Attributes:
        key: what it is called in the journal. output: below the output folder; None where frames decide it.
        stamp: of its input; None where it cannot be told.
        verdict: an outcome where nothing is to be done with it.
        kind: of the failure that `verdict` is; "" for none.
        adopted: how the output lies there that is taken as ours.
    """

    item: Item
    target: str
    key: bytes
    output: bytes | None
    stamp: Stamp | None
    verdict: Verdict
    kind: str = ""
    adopted: OnDisk | None = None


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
        self._policy = policy
        self._options = options
        self._job, self._chain, self._root = job, chain, root
        self._folder = template.root
        head = template.text.partition("{")[0]
        self._prefix = head[: head.rfind("/") + 1]
        self._steps = steps
        self._roots: dict[int, str] = {}
        self._chains: dict[int, str] = {}

    def look(self, found: Sequence[tuple[Item, str]]) -> list[Looked]:
        """What follows for items with their output names, "" where frames decide them."""
        keys = [os.fsencode(self._reader.key(item)) for item, _ in found]
        rows = self._rows(keys)
        looked = [self._judged(*each, key, rows.get(key)) for each, key in zip(found, keys, strict=True)]
        todo = [n for n, one in enumerate(looked) if not one.verdict.outcome and one.output is not None]
        if todo:
            claims = self._claims([looked[n].output for n in todo])
            for n in todo:
                looked[n] = self._against_claims(looked[n], claims)
        return looked

    def output_of(self, target: str) -> bytes:
        """A target as the journal names it: below the output folder."""
        return os.fsencode(target.removeprefix(self._prefix))

    def path_of(self, output: bytes) -> str:
        """Where an output of the journal lies."""
        return f"{self._folder}/{os.fsdecode(output)}"

    def refusal(self, target: str, item: Item) -> str:
        """Why a name that only a frame decided may not be written; "" where it may. Called by the journal's writer."""
        there = on_disk(target)
        if there is None:
            return ""
        key, output = os.fsencode(self._reader.key(item)), self.output_of(target)
        verdict, _ = self._over(there, self._claims([output]).get(output), key, self._reader.stamp(item))
        return f"{target!r}: {verdict.reason}" if verdict is not None else ""

    def outputs_of(self, row: ItemRow) -> tuple[list[bytes], tuple[OnDisk, ...]]:
        """The outputs of an item that has several, and how they were left."""
        query = "SELECT output, size, mtime_ns FROM parts WHERE job = ? AND item = ? ORDER BY output"
        rows = self._db.execute(query, (row.job, row.item)).fetchall()
        return [output for output, _, _ in rows], tuple(OnDisk(size, mtime) for _, size, mtime in rows)

    # ---- one item ----------------------------------------------------------------------------------------------

    def _judged(self, item: Item, target: str, key: bytes, row: ItemRow | None) -> Looked:
        output = self.output_of(target) if target else None
        if self._options.retry:
            lost = row is not None and row.outcome in REASON_OF
            verdict = Verdict("", REASON_OF[row.outcome]) if row is not None and lost else IGNORED
            return Looked(item, target, key, output, self._stamp(item) if lost else None, verdict)
        stamp = self._stamp(item)
        if row is not None and row.root != self._root and (other := self._elsewhere(row, item)):
            why = f"its output is that of {other!r}, which lies in another input folder"
            return Looked(item, target, key, output, stamp, Verdict("failed", why), "collision")
        verdict = FRESH if self._options.fresh and row is not None else self._verdict(row, stamp, target, output)
        if verdict is CHAIN and row is not None:
            verdict = Verdict("", f"{CHAIN.reason}: {self.chain_words(row.chain)}")
        return Looked(item, target, key, output, stamp, verdict)

    def _verdict(self, row: ItemRow | None, stamp: Stamp | None, target: str, output: bytes | None) -> Verdict:
        content = self._options.checksum
        if row is None or row.outcome != DONE or row.chain != self._chain:
            return judge(row, stamp, self._chain, None, content=content)
        if row.parts < 0:
            if row.output != output:  # the template changed, or letters of another case
                return Verdict("", "the output has another name")
            return judge(row, stamp, self._chain, (on_disk(target),), content=content)
        outputs, left = self.outputs_of(row)
        now = tuple(on_disk(self.path_of(each)) for each in outputs)
        return judge(row, stamp, self._chain, now, left, content=content)

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
            return stamp._replace(digest=digest_of(item.source))
        return stamp

    def _elsewhere(self, row: ItemRow, item: Item) -> str:
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

    def _against_claims(self, one: Looked, claims: Mapping[bytes, Claim]) -> Looked:
        """An item that is to be done, once it is known whether its output name is free."""
        there = on_disk(one.target)
        if there is None or one.output is None:
            return one
        verdict, adopted = self._over(there, claims.get(one.output), one.key, one.stamp)
        if verdict is not None:
            kind = "exists" if verdict.outcome == "failed" else ""
            return one._replace(verdict=verdict, kind=kind, adopted=adopted)
        return one

    def _over(
        self, there: OnDisk, claim: Claim | None, key: bytes, stamp: Stamp | None
    ) -> tuple[Verdict | None, OnDisk | None]:
        """What forbids to replace an output that is there; for one that is adopted, how it lies there."""
        own = claim is not None
        input_ns = stamp.mtime_ns if stamp is not None else None
        if claim is not None and claim[:2] != (self._job, key) and self._policy != "always":
            other = self._still(claim)
            if other:
                return Verdict("failed", f"its output is that of {other!r}"), None
        if not own and self._options.adopt:
            current = input_ns is not None and there.mtime_ns >= input_ns
            return (ADOPTED, there) if current else (None, None)
        what = may_replace(self._policy, own=own, output_ns=there.mtime_ns, input_ns=input_ns)
        if what == LEAVE:
            why = "there is an output already" + (", not older than the input" if self._policy == "older" else "")
            return Verdict("skipped", f"{why} (`overwrite: {self._policy}`)"), None
        return (Verdict("failed", EXISTS), None) if what == REFUSE else (None, None)

    def _still(self, claim: Claim) -> str:
        """The input that another item's claim is for; "" where it is gone, and the name with it."""
        job, item, _ = claim
        query = "SELECT path FROM roots JOIN items ON roots.id = items.root WHERE job = ? AND item = ?"
        known = self._db.execute(query, (job, item)).fetchone()
        path = os.path.join(os.fsdecode(known[0]) if known else self._reader.root or "", os.fsdecode(item))
        return path if os.path.lexists(path) else ""

    # ---- queries -----------------------------------------------------------------------------------------------

    def _rows(self, keys: Sequence[bytes]) -> dict[bytes, ItemRow]:
        query = f"SELECT * FROM items WHERE job = ? AND item IN ({_marks(keys)})"  # noqa: S608 - marks only
        return {row[1]: ItemRow(*row) for row in self._db.execute(query, (self._job, *keys))}

    def _claims(self, outputs: Sequence[bytes | None]) -> dict[bytes, Claim]:
        query = f"SELECT output, job, item, run FROM claims WHERE output IN ({_marks(outputs)})"  # noqa: S608 - marks
        return {row[0]: row[1:] for row in self._db.execute(query, outputs)}


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def on_disk(path: str) -> OnDisk | None:
    """How a file lies there; None where there is none. A link counts as what it is: it is what a rename replaces."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return None
    return OnDisk(status.st_size, status.st_mtime_ns)


def digest_of(path: str) -> bytes:
    """BLAKE2b of a file's bytes, 16 bytes of it; b"" where it cannot be read."""
    digest = blake2b(digest_size=16)
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return b""
    return digest.digest()


def recorded(stamp: Stamp | None) -> tuple[int, int, bytes | None]:
    """Size, time and digest of an input as a row keeps them: unsure where it may change without a sign of it."""
    if stamp is None:
        return UNSURE, 0, None
    unsure = stamp.mtime_ns and is_racy(stamp.mtime_ns, time.time_ns())
    return (UNSURE if unsure else stamp.size), stamp.mtime_ns, stamp.digest or None
