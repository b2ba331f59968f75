"""What shards wrote down, taken into a database: of the next run, or of one who only looks."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final

from ..errors import EnvironmentRefusal
from . import packed, partials
from .ended import Cells
from .registering import Began, Numbers, end_run, enter
from .segment import END, GONE, SEVERAL, RunAt, Values, lines_after, runs_in, segments_in
from .store import new_in_memory, open_to_read, path_in
from .tables import CLAIMS, FAILURES, ITEMS, PARTS, Statement

AT_ONCE = 5000  # rows of a table
TOLD: Final = {
    each.table: each
    for each in (CLAIMS, ITEMS, PARTS, FAILURES, partials.MEMBERS, partials.PARTIALS, packed.PACKED)
}  # fmt: skip


def take_in(db: sqlite3.Connection, paths: Sequence[str], *, left_open: Callable[[RunAt], bool]) -> None:
    """Take in what the runs of these segments wrote, the oldest run first; what was taken in before is passed over.

    Args:
        left_open: whether a run that has not come to its end is left so, to be swept; others count as swept.

    Raises:
        EnvironmentRefusal: a segment cannot be read. sqlite3.Error.
    """
    db.executescript(partials.TABLES + packed.TABLES)
    try:
        _take_in(db, paths, left_open)
    except OSError as error:
        if isinstance(error, EnvironmentRefusal):
            raise
        what = f"what a shard wrote down cannot be read: {error.strerror}"
        raise EnvironmentRefusal(what, where=error.filename) from error


def _take_in(db: sqlite3.Connection, paths: Sequence[str], left_open: Callable[[RunAt], bool]) -> None:
    known = {token for (token,) in db.execute("SELECT token FROM runs")}
    runs = sorted(chain.from_iterable(map(runs_in, paths)), key=lambda run: began_of(run).began_ns)
    db.execute("BEGIN IMMEDIATE")
    try:
        for run in runs:
            if began_of(run).token not in known:
                _TakenRun(db, run).carry_out(left_open=left_open(run))
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def began_of(run: RunAt) -> Began:
    """What a run wrote down when it began. Raises EnvironmentRefusal for one of another version."""
    try:
        return Began(*run.head)
    except TypeError:
        remedy = "run the version that wrote it, or move the file away: what it tells is done again"
        raise EnvironmentRefusal("another version of pipeline wrote this", where=run.path, remedy=remedy) from None


class _TakenRun:
    """One run on its way into a database, within a transaction."""

    def __init__(self, db: sqlite3.Connection, run: RunAt) -> None:
        self._db, self._run = db, run
        self._numbers: Numbers = enter(db, began_of(run))
        self._waiting: dict[str, list[Cells]] = {}
        self._ended = False

    def carry_out(self, *, left_open: bool) -> None:
        """Take in all lines of it."""
        for line in lines_after(self._run):
            self._take(line)
        for table in self._waiting:
            self._insert(TOLD[table])
        if not (self._ended or left_open):
            self._db.execute("UPDATE runs SET ended_ns = 0 WHERE id = ?", (self._numbers.run,))

    def _take(self, line: Values) -> None:
        word, values = line[0], line[1:]
        if word in TOLD:
            if len(values) == TOLD[word].columns:
                self._row(TOLD[word], values)
        elif word == SEVERAL:
            self._db.execute("DELETE FROM parts WHERE job = ? AND item = ?", (self._numbers.job, *values))
        elif word == GONE:
            self._db.execute("DELETE FROM items WHERE job = ? AND item = ?", (self._numbers.job, *values))
        elif word == END:
            self._ended = True
            end_run(self._db, self._numbers.run, *values)

    def _row(self, statement: Statement, values: Values) -> None:
        for name, column in statement.numbers:
            values[column] = getattr(self._numbers, name)
        waiting = self._waiting.setdefault(statement.table, [])
        waiting.append(tuple(values))
        if len(waiting) == AT_ONCE:
            self._insert(statement)

    def _insert(self, statement: Statement) -> None:
        rows, self._waiting[statement.table] = self._waiting[statement.table], []
        self._db.executemany(f"{statement.text} ({','.join('?' * statement.columns)})", rows)


def is_kept(state_dir: str) -> bool:
    """Whether a folder is the state folder of a journal, or of shards."""
    return os.path.exists(path_in(state_dir)) or bool(segments_in(state_dir))


def open_past(state_dir: str) -> sqlite3.Connection:
    """All that runs and shards wrote, for one who only looks; some of them may go on meanwhile.

    Raises:
        UsageError: there is none.
        EnvironmentRefusal: it cannot be read, is damaged or newer than this program.
    """
    segments = segments_in(state_dir)
    if not segments:
        return open_to_read(state_dir)
    db = new_in_memory()
    copy_journal(state_dir, db)
    take_in(db, segments, left_open=lambda _: True)
    return db


def copy_journal(state_dir: str, db: sqlite3.Connection) -> bool:
    """Copy the journal of a state folder, where there is one; whether there is."""
    if not os.path.exists(path_in(state_dir)):
        return False
    reading = open_to_read(state_dir)
    try:
        reading.backup(db)
    finally:
        reading.close()
    return True
