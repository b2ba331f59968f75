"""What happened, as rows: put into the database of a journal and, of a shard, into its segment too.

Used by the thread that writes the journal, within its transactions.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ..errors import EnvironmentRefusal
from .ended import Cells, Ended
from .ownership import on_disk
from .segment import GONE, SEVERAL, ShardSegment
from .tables import CLAIMS, DONE, FAILURES, ITEMS, PARTS, Statement
from .verdict import OnDisk

AT_ONCE = (64, 16, 4, 1)  # rows in one statement: few texts, each compiled once; few hand-overs of the interpreter
FORGET = "DELETE FROM items WHERE job = ? AND item = ? AND run = ?"
LEARN = "UPDATE items SET digest = ? WHERE job = ? AND item = ? AND digest IS NULL"
NOTHING = OnDisk(0, 0)  # of an item that has no output of its own


class RowWriter:
    """Puts rows into a database, within a transaction of the caller.

    Args:
        run: number of the run.
        after_done: statements that are carried out for each item that is done, with job, item and run.
        segment: of a shard.
    """

    def __init__(
        self, db: sqlite3.Connection, run: int, after_done: Sequence[str] = (), segment: ShardSegment | None = None
    ) -> None:
        self._db, self._run, self._after_done, self._segment = db, run, after_done, segment
        self._lines: list[Sequence[object]] = []

    def settle(self) -> None:
        """What was put in since the last time stands in the segment. To be called before the transaction ends.

        Raises:
            EnvironmentRefusal: it cannot be written.
        """
        if self._segment is None:
            return
        lines, self._lines = self._lines, []
        try:
            self._segment.write(lines)
        except OSError as error:
            raise EnvironmentRefusal(
                f"the segment of the shard cannot be written: {error.strerror}", where=self._segment.path,
                remedy="free space and run again",
            ) from error  # fmt: skip

    def forget(self, items: Sequence[Cells]) -> None:
        """What this run has said of these items (job, item, run) is taken back."""
        if items:
            self._db.executemany(FORGET, items)

    def learn(self, digests: Sequence[Cells]) -> None:
        """Digest, job and item of inputs whose rows have none. A segment need not tell: it would be learned again."""
        if digests:
            self._db.executemany(LEARN, digests)

    def claims(self, rows: Sequence[Cells]) -> None:
        """Names that are claimed."""
        self._insert(CLAIMS, rows)

    def kept(self, kept: Sequence[tuple[Statement, Cells]]) -> None:
        """Rows of other tables."""
        for each in {statement for statement, _ in kept}:
            self._insert(each, [row for statement, row in kept if statement is each])

    def ended(self, ended: Sequence[Ended]) -> None:
        """Items that ended, with how their outputs lie there now."""
        items, parts, failures = list[Cells](), list[Cells](), list[Cells]()
        for one in ended:
            if one.failed is not None:
                failures.append((self._run, *one.failed))
            if not one.row:
                continue
            there, count = on_disk(one.target) if one.target else NOTHING, -1
            if one.parts is not None:
                left = self._parts_of(one)
                parts += left
                there, count = NOTHING if len(left) == len(one.parts) else None, len(left)
            if there is None and one.outcome == DONE:  # gone already: without a row the item is done again
                self._db.execute("DELETE FROM items WHERE job = ? AND item = ?", one.head[:2])
                self._tell(GONE, one)
                continue
            there = there or NOTHING
            items.append((*one.head, one.outcome, self._run, count, one.output, *there, one.busy_us, one.cause))
        for statement, rows in ((PARTS, parts), (ITEMS, items), (FAILURES, failures)):
            self._insert(statement, rows)
        for text in self._after_done:
            self._db.executemany(text, ((*one.head[:2], self._run) for one in ended if one.outcome == DONE))

    def _parts_of(self, one: Ended) -> list[Cells]:
        """New rows of an item's outputs that lie there, in place of those that it had."""
        self._db.execute("DELETE FROM parts WHERE job = ? AND item = ?", one.head[:2])
        self._tell(SEVERAL, one)
        lie = [(output, on_disk(target)) for target, output in one.parts or ()]
        return [(*one.head[:2], output, *there) for output, there in lie if there is not None]

    def _tell(self, word: str, one: Ended) -> None:
        if self._segment is not None:
            self._lines.append((word, one.head[1]))

    def _insert(self, statement: Statement, rows: Sequence[Cells]) -> None:
        values = f"({','.join('?' * statement.columns)})"
        first = 0
        for size in AT_ONCE:
            while len(rows) - first >= size:
                cells = [cell for row in rows[first : first + size] for cell in row]
                self._db.execute(f"{statement.text} {','.join([values] * size)}", cells)
                first += size
        if self._segment is not None:
            self._lines += ((statement.table, *row) for row in rows)
