"""Claims: which input has which output name, and what the file system takes for one name."""

from __future__ import annotations

import os
import tempfile
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


IN_MEMORY = 20_000  # claims, about 5 MB


class Claims:
    """Which input has which output name: in memory at first, in a temporary database on disk when they are many.

    So a folder of thousands pays a dictionary, and a million names cost no memory.

    Called from the discovery thread and, for names that only the frame decides, from the loop.
    """

    def __init__(self) -> None:
        self._recent: dict[str, str] | None = {}
        self._lock = Lock()
        self._db: sqlite3.Connection | None = None

    def claim(self, target: str, owner: str) -> str:
        """The owner that has this name already; empty when it is now yours (or was)."""
        recent = self._recent
        if recent is not None:
            first = recent.setdefault(target, owner)
            if len(recent) > IN_MEMORY:
                self._spill(recent)
            return "" if first == owner else first
        key, value = os.fsencode(target), os.fsencode(owner)
        with self._lock:
            assert self._db is not None
            if self._db.execute("INSERT OR IGNORE INTO claim VALUES (?, ?)", (key, value)).rowcount == 1:
                return ""
            other: bytes = self._db.execute("SELECT source FROM claim WHERE target = ?", (key,)).fetchone()[0]
        return "" if other == value else os.fsdecode(other)

    def give(self, target: str, owner: str) -> None:
        """Give a name that is claimed to another owner."""
        recent = self._recent
        if recent is not None:
            recent[target] = owner
            return
        with self._lock:
            assert self._db is not None
            query = "UPDATE claim SET source = ? WHERE target = ?"
            self._db.execute(query, (os.fsencode(owner), os.fsencode(target)))

    def _spill(self, claims: dict[str, str]) -> None:
        """Too many for memory: from now on they lie in the database."""
        with self._lock:
            if self._recent is None:
                return
            self._db = _database()
            rows = ((os.fsencode(target), os.fsencode(source)) for target, source in claims.items())
            self._db.executemany("INSERT INTO claim VALUES (?, ?)", rows)
            self._recent = None

    def has(self, target: str) -> bool:
        """Whether this name was claimed."""
        recent = self._recent
        if recent is not None:
            return target in recent
        with self._lock:
            assert self._db is not None
            row = self._db.execute("SELECT 1 FROM claim WHERE target = ?", (os.fsencode(target),)).fetchone()
        return row is not None

    def close(self) -> None:
        """Drop the claims."""
        with self._lock:
            if self._db is not None:
                self._db.close()


def _database() -> sqlite3.Connection:
    import sqlite3  # not at the top: most folders are small enough for memory

    db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("CREATE TABLE claim (target BLOB PRIMARY KEY, source BLOB) WITHOUT ROWID")
    db.execute("BEGIN")
    return db


def folds_case(folder: str, *, probe: bool = True) -> bool:
    """Whether the file system takes `A.jpg` and `a.jpg` for one name (exFAT, shares of Windows, macOS).

    Asks a name that is there already, else makes a file for a moment where `probe` allows it. Where the folder is
    missing, the nearest one above it answers. False where nothing can be learned.
    """
    while not os.path.isdir(folder):
        folder = os.path.dirname(os.path.abspath(folder))
    try:
        with os.scandir(folder) as entries:
            known = next((e.path for e in entries if e.name.isascii() and e.name != e.name.swapcase()), None)
        if known is not None:
            return _same(known)
        if not probe:
            return False
        with tempfile.NamedTemporaryFile(prefix=".pipeline-case-", dir=folder) as file:
            return _same(file.name)
    except OSError:
        return False


def _same(path: str) -> bool:
    head, name = os.path.split(path)
    other = os.path.join(head, name.swapcase())
    return os.path.lexists(other) and os.path.samestat(os.lstat(path), os.lstat(other))
