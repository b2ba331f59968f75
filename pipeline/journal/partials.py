"""What reducers gave of each item, kept in the journal, and which items belong to the job now.

`members` says what the last whole look through the input has found, in its order; `partials` what the frames of an item
gave in the run that did it; `results` the files that came of it. The tables are made when a job with reducers begins.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Final

from .ended import Cells
from .ownership import marks
from .tables import DONE, Statement
from .verdict import OnDisk

TABLES: Final = """
CREATE TABLE IF NOT EXISTS members (
    job INTEGER NOT NULL, item BLOB NOT NULL, number INTEGER NOT NULL, run INTEGER NOT NULL, PRIMARY KEY (job, item)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS members_in_order ON members (job, number);
CREATE TABLE IF NOT EXISTS partials (
    job INTEGER NOT NULL, item BLOB NOT NULL, run INTEGER NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL,
    UNIQUE (job, item, run, part)
);
CREATE TABLE IF NOT EXISTS results (
    job INTEGER NOT NULL, path BLOB NOT NULL, digest BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    PRIMARY KEY (job, path)
) WITHOUT ROWID;
"""
MEMBERS: Final = Statement("members", 4, (("job", 0), ("run", 3)))
PARTIALS: Final = Statement("partials", 5, (("job", 0), ("run", 2)))
CLAIMED: Final = OnDisk(-1, 0)  # how a file lies that a run was about to write
SUPERSEDED = "DELETE FROM partials WHERE job = ? AND item = ? AND run != ?"
# Items that are done, as the chain of now does them; the run of a row says which partials are those of its outputs.
_DONE = (
    "FROM members m CROSS JOIN items i ON i.job = m.job AND i.item = m.item"
    " WHERE m.job = ? AND i.outcome = ? AND i.chain = ? ORDER BY m.number"
)
_GIVEN = (
    "SELECT p.data FROM members m CROSS JOIN items i ON i.job = m.job AND i.item = m.item"
    " CROSS JOIN partials p ON p.job = m.job AND p.item = m.item AND p.run = i.run"
    " WHERE m.job = ? AND i.outcome = ? AND i.chain = ? ORDER BY m.number, p.part"
)


def make_tables(db: sqlite3.Connection, folder: str) -> None:
    """Tables, and the folder of what workers hand over in files; what a run that was killed left there goes."""
    db.executescript(TABLES)
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))


class Partials:
    """Partials and results of one job, asked for when its run is through and everything is written.

    Args:
        db: the connection that writes; nobody else uses it any more.
        job, chain: numbers in the journal. runs: which together have looked through the input.
    """

    def __init__(self, db: sqlite3.Connection, job: int, chain: int, runs: Sequence[int]) -> None:
        self._db, self._job, self._chain, self._runs = db, job, chain, runs

    def forget_others(self) -> None:
        """All inputs were looked through: what was not met is not in the input any more."""
        query = f"DELETE FROM members WHERE job = ? AND run NOT IN ({marks(self._runs)})"  # noqa: S608 - marks only
        self._db.execute(query, (self._job, *self._runs))

    def digest(self) -> bytes:
        """Tells one set of done items from another: which they are, in which order, and the runs that did them."""
        digest = blake2b(str(self._chain).encode(), digest_size=16)
        for item, run in self._db.execute(f"SELECT m.item, i.run {_DONE}", self._asked):
            digest.update(b"%d:%d:" % (len(item), run) + item)
        return digest.digest()

    def given(self) -> Iterator[bytes]:
        """What reducers gave, packed, in item order; an item at a time."""
        for (data,) in self._db.execute(_GIVEN, self._asked):
            yield data

    def results(self) -> dict[bytes, tuple[bytes, OnDisk]]:
        """Digest, and how it was left, of each file that this job's reducers wrote, by its path."""
        rows = self._db.execute("SELECT path, digest, size, mtime_ns FROM results WHERE job = ?", (self._job,))
        return {path: (digest, OnDisk(size, mtime_ns)) for path, digest, size, mtime_ns in rows}

    def claim(self, path: bytes) -> None:
        """A file is about to be written there: what lies there after a kill is ours."""
        row = (self._job, path, b"", *CLAIMED)
        self._db.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?)", row)

    def wrote(self, digest: bytes, files: Sequence[tuple[bytes, OnDisk]]) -> None:
        """These files are the results now."""
        rows: list[Cells] = [(self._job, path, digest, *there) for path, there in files]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("DELETE FROM results WHERE job = ?", (self._job,))
        self._db.executemany("INSERT INTO results VALUES (?, ?, ?, ?, ?)", rows)
        self._db.execute("COMMIT")

    @property
    def _asked(self) -> tuple[int, int, int]:
        return self._job, DONE, self._chain
