"""The tables of a journal, and the number that says which form they have.

Paths are bytes as the system gives them, relative: items below the input's root, outputs below the output folder. So a
folder that was moved with its journal is known again, and a name that is not UTF-8 is a name like any other.

A claim keeps how a file lay there that was not ours when the name was claimed, and the row of an item that failed how
its output lies after it: so what a run left is told from what somebody put there, and no clock has a say in it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

FOLDER: Final = ".pipeline"  # in the folder of the outputs
LARGEST: Final = 2**63 - 1  # of a number in the database; a time beyond it, after the year 2262, counts as this
FORM: Final = 2  # `PRAGMA user_version`; raised when the tables change
APPLICATION: Final = 0x7069_7065  # `PRAGMA application_id`, "pipe": no other program's database is taken for ours

DONE, SKIPPED, FAILED, QUARANTINED = range(4)
OUTCOMES: Final = ("done", "skipped", "failed", "quarantined")  # what `items.outcome` stands for

TABLES: Final = """
CREATE TABLE jobs (id INTEGER PRIMARY KEY, template TEXT NOT NULL UNIQUE);
CREATE TABLE outputs (path BLOB NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL);
CREATE TABLE roots (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, device INTEGER NOT NULL);
CREATE TABLE chains (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, steps TEXT NOT NULL);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL, chain INTEGER NOT NULL, token TEXT NOT NULL,
    began_ns INTEGER NOT NULL, ended_ns INTEGER, pid INTEGER NOT NULL, host TEXT NOT NULL, command TEXT NOT NULL,
    config TEXT NOT NULL, versions TEXT NOT NULL, exit_code INTEGER, report TEXT
);
CREATE TABLE claims (
    output BLOB PRIMARY KEY, job INTEGER NOT NULL, item BLOB NOT NULL, run INTEGER NOT NULL,
    foreign_size INTEGER, foreign_mtime_ns INTEGER
) WITHOUT ROWID;
CREATE TABLE items (
    job INTEGER NOT NULL, item BLOB NOT NULL, root INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    digest BLOB, chain INTEGER NOT NULL, outcome INTEGER NOT NULL, run INTEGER NOT NULL, parts INTEGER NOT NULL,
    output BLOB, output_size INTEGER NOT NULL, output_mtime_ns INTEGER NOT NULL, busy_us INTEGER NOT NULL, cause TEXT,
    PRIMARY KEY (job, item)
) WITHOUT ROWID;
CREATE TABLE parts (
    job INTEGER NOT NULL, item BLOB NOT NULL, output BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    PRIMARY KEY (job, item, output)
) WITHOUT ROWID;
CREATE TABLE failures (
    run INTEGER NOT NULL, item BLOB NOT NULL, source BLOB NOT NULL, outcome INTEGER NOT NULL, cause TEXT NOT NULL,
    PRIMARY KEY (run, item)
) WITHOUT ROWID;
"""


class Statement(NamedTuple):
    """How rows of a table are written, one in place of another with the same key.

    Attributes:
        columns: how many a row has.
        numbers: which of them hold a number that means something in this journal alone: "job", "root", "chain", "run".
        named: the columns, where not all are given; "" for all.
    """

    table: str
    columns: int
    numbers: tuple[tuple[str, int], ...]
    named: str = ""

    @property
    def text(self) -> str:
        """Everything before the values."""
        return f"INSERT OR REPLACE INTO {self.table}{self.named} VALUES"


CLAIMS: Final = Statement("claims", 6, (("job", 1), ("run", 3)))
ITEMS: Final = Statement("items", 15, (("job", 0), ("root", 2), ("chain", 6), ("run", 8)))
PARTS: Final = Statement("parts", 5, (("job", 0),))
FAILURES: Final = Statement("failures", 5, (("run", 0),))


class ItemRow(NamedTuple):
    """What the journal knows of an item from the last time it ended; the columns of `items` in their order.

    Attributes:
        digest: of the input's bytes where a run asked for it, or of what the reader combined.
        chain: number of the resolved chain that made it.
        outcome: DONE, SKIPPED, FAILED or QUARANTINED.
        parts: how many outputs stand in `parts`; -1 for an item whose one output stands here.
        output: below the output folder; None where the item has none, or has parts.
        output_size, output_mtime_ns: as we left it; 0 where an item that is not done left none.
        busy_us: what stages took for it.
        cause: why it is not done, as the texts of `Cause.as_parts` in JSON.
    """

    job: int
    item: bytes
    root: int
    size: int
    mtime_ns: int
    digest: bytes | None
    chain: int
    outcome: int
    run: int
    parts: int
    output: bytes | None
    output_size: int
    output_mtime_ns: int
    busy_us: int
    cause: str | None
