"""Members of archives, kept in the journal: where each lies now, and which archives were made of them.

`packed` says of each frame where its bytes are: in a staging file until it is packed, in an archive afterwards;
`archives` how an archive was left, and a digest of what it was made of. Both are made when a job with archives begins.
A row never points to bytes that are not there: before an archive is replaced it gets a second name among the staging
files, and its rows point to that until the new one is there.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from ..contracts.archive_writer import PackedMember
from ..contracts.frame import Item
from ..contracts.template import Template
from ..plan.model import Plan
from .ended import Cells
from .ownership import on_disk
from .partials import CLAIMED, MEMBERS, Statement
from .tables import DONE
from .verdict import OnDisk

TABLES: Final = """
CREATE TABLE IF NOT EXISTS packed (
    id INTEGER PRIMARY KEY, job INTEGER NOT NULL, item BLOB NOT NULL, run INTEGER NOT NULL, part INTEGER NOT NULL,
    name BLOB NOT NULL, archive BLOB NOT NULL, columns TEXT NOT NULL, file BLOB NOT NULL, at INTEGER NOT NULL,
    nbytes INTEGER NOT NULL, crc INTEGER NOT NULL, UNIQUE (job, item, run, part)
);
CREATE INDEX IF NOT EXISTS packed_in_file ON packed (job, file);
CREATE TABLE IF NOT EXISTS archives (
    job INTEGER NOT NULL, path BLOB NOT NULL, digest BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    PRIMARY KEY (job, path)
) WITHOUT ROWID;
"""
PACKED: Final = (
    "INSERT OR REPLACE INTO packed (job, item, run, part, name, archive, columns, file, at, nbytes, crc) VALUES", 11,
)  # fmt: skip
SUPERSEDED = "DELETE FROM packed WHERE job = ? AND item = ? AND run != ?"
UNFINISHED = ".pl-pack.tmp"  # ends the name of an archive that is being written
STAGED, ARCHIVED = b"+", b"="  # before the name of a staging file, and before a path below the output folder
REFUSED = -1  # place among the members of the input of an item that was refused: it counts as absent
_LOST = "UPDATE items SET parts = 1 WHERE job = ? AND item IN (SELECT item FROM packed WHERE job = ? AND file = ?)"
_OF_DONE = (
    "SELECT p.id, p.name, p.archive, p.columns, p.nbytes, p.crc FROM members m"
    " CROSS JOIN items i ON i.job = m.job AND i.item = m.item"
    " CROSS JOIN packed p ON p.job = m.job AND p.item = m.item AND p.run = i.run"
    " WHERE m.job = ? AND m.number >= 0 AND i.outcome = ? AND i.chain = ? ORDER BY m.number, p.part"
)

_STALE = (
    "job = ? AND NOT EXISTS (SELECT 1 FROM items i JOIN members m ON m.job = i.job AND m.item = i.item WHERE"
    " i.job = packed.job AND i.item = packed.item AND i.run = packed.run AND i.outcome = ? AND i.chain = ?"
    " AND m.number >= 0)"
)


def make_tables(db: sqlite3.Connection) -> None:
    """Tables for jobs with archives."""
    db.executescript(TABLES)


def sweep_unfinished(db: sqlite3.Connection, job: int, root: str) -> None:
    """Archives that a run which was killed had not finished go."""
    for folder in {root, *(os.path.join(root, os.path.dirname(os.fsdecode(path))) for path in _archives(db, job))}:
        with suppress(OSError), os.scandir(folder) as entries:
            for path in [entry.path for entry in entries if entry.name.endswith(UNFINISHED)]:
                os.unlink(path)


def note_lost(db: sqlite3.Connection, job: int, staging: str, root: str) -> None:
    """Items whose bytes are not where their rows say count as undone: somebody removed or changed an archive."""
    left = _archives(db, job)
    files = [file for (file,) in db.execute("SELECT DISTINCT file FROM packed WHERE job = ?", (job,))]
    for file in files:
        there = on_disk(path_of(file, staging, root))
        if there is None or (file.startswith(ARCHIVED) and there != left.get(file[1:], (b"", None))[1]):
            db.execute(_LOST, (job, job, file))


def path_of(file: bytes, staging: str, root: str) -> str:
    """Where a file of the column `file` lies."""
    return os.path.join(staging if file.startswith(STAGED) else root, os.fsdecode(file[1:]))


def row_of(
    note: bytes, item: Item, archives: Template, root: str, head: tuple[int, bytes, int]
) -> tuple[Statement, Cells]:
    """The row of what a worker says of a member; one that was taken over may say anything.

    Raises:
        ValueError: it is not what workers say. ItemError: the item has no field that the archive's path needs.
    """
    part, name, file, at, nbytes, crc = json.loads(note)
    if "/" in file or not file.endswith(".members") or name.startswith("/") or ".." in name.split("/"):
        raise ValueError(f"a worker says that it saved {name!r} in {file!r}")
    archive = os.path.relpath(archives.render(item), root)
    told = json.dumps(item.columns) if item.columns else ""
    numbers = [int(number) for number in (at, nbytes, crc)]
    return PACKED, (
        *head[:3],
        int(part),
        os.fsencode(name),
        os.fsencode(archive),
        told,
        STAGED + os.fsencode(file),
        *numbers,
    )


def refused_row(job: int, key: bytes, run: int) -> tuple[Statement, Cells]:
    """An item is refused in this run: what was done of it before belongs to no archive."""
    return MEMBERS, (job, key, REFUSED, run)


def _archives(db: sqlite3.Connection, job: int) -> dict[bytes, tuple[bytes, OnDisk]]:
    rows = db.execute("SELECT path, digest, size, mtime_ns FROM archives WHERE job = ?", (job,))
    return {path: (digest, OnDisk(size, mtime_ns)) for path, digest, size, mtime_ns in rows}


class Packs:
    """Members and archives of one job, asked for when its run is through and everything is written.

    Args:
        db: the connection that writes; nobody else uses it any more. reading: one that only reads.
        job, chain: numbers in the journal.
    """

    def __init__(self, db: sqlite3.Connection, reading: sqlite3.Connection, job: int, chain: int, plan: Plan) -> None:
        self._db, self._reading, self._job, self._chain = db, reading, job, chain
        self._staging, self._root = plan.staging_dir or "", plan.output_root or ""
        self._asides = 0

    def members(self) -> Iterator[PackedMember]:
        """Of all items that are done, in item order; archives by their whole paths."""
        paths: dict[bytes, str] = {}
        asked = (self._job, DONE, self._chain)
        for row, name, archive, columns, nbytes, crc in self._reading.execute(_OF_DONE, asked):
            told = tuple((key, text) for key, text in json.loads(columns)) if columns else ()
            if archive not in paths:
                paths[archive] = os.path.join(self._root, os.fsdecode(archive))
            yield PackedMember(os.fsdecode(name), paths[archive], nbytes, crc, told, row)

    def places(self, members: Sequence[PackedMember]) -> list[tuple[str, int]]:
        """File and offset of each of these members."""
        query = "SELECT file, at FROM packed WHERE id = ?"
        found = (self._db.execute(query, (member.row,)).fetchone() for member in members)
        return [(path_of(file, self._staging, self._root), at) for file, at in found]

    def archives(self) -> dict[str, tuple[bytes, OnDisk]]:
        """Digest, and how it was left, of each archive of this job, by its path."""
        found = _archives(self._db, self._job)
        return {os.path.join(self._root, os.fsdecode(path)): left for path, left in found.items()}

    def set_aside(self, path: str, token: str) -> None:
        """Keep what the archive there holds under another name, so that it may be replaced."""
        self._asides += 1
        name = f"{token}-{self._asides}.members"
        aside = os.path.join(self._staging, name)
        try:
            os.link(path, aside)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK):
                raise
            shutil.copyfile(path, aside)  # a file system without links
        query = "UPDATE packed SET file = ? WHERE job = ? AND file = ?"
        self._db.execute(query, (STAGED + os.fsencode(name), self._job, ARCHIVED + self._below(path)))

    def claim(self, path: str) -> None:
        """An archive is about to be put there: what lies there after a kill is ours."""
        row = (self._job, self._below(path), b"", *CLAIMED)
        self._db.execute("INSERT OR REPLACE INTO archives VALUES (?, ?, ?, ?, ?)", row)

    def wrote(self, path: str, digest: bytes, there: OnDisk, lies: Iterable[tuple[PackedMember, int]]) -> None:
        """It is there, and these members lie in it at these offsets."""
        file = ARCHIVED + self._below(path)
        self._db.execute("BEGIN IMMEDIATE")
        row = (self._job, self._below(path), digest, *there)
        self._db.execute("INSERT OR REPLACE INTO archives VALUES (?, ?, ?, ?, ?)", row)
        query = "UPDATE packed SET file = ?, at = ? WHERE id = ?"
        self._db.executemany(query, ((file, at, member.row) for member, at in lies))
        self._db.execute("COMMIT")

    def forget(self, path: str) -> None:
        """An archive that is not needed any more was removed."""
        self._db.execute("DELETE FROM archives WHERE job = ? AND path = ?", (self._job, self._below(path)))

    def sweep(self) -> None:
        """Staging files that no row points to go, with rows of other chains and of items that are not in the input.

        Should such an item come back as it was, it is done again.
        """
        asked = (self._job, DONE, self._chain)
        self._db.execute("BEGIN IMMEDIATE")
        lost = f"UPDATE items SET parts = 1 WHERE job = ? AND item IN (SELECT item FROM packed WHERE {_STALE})"  # noqa: S608
        self._db.execute(lost, (self._job, *asked))
        self._db.execute(f"DELETE FROM packed WHERE {_STALE}", asked)  # noqa: S608 - text of ours
        self._db.execute("COMMIT")
        rows = self._db.execute("SELECT DISTINCT file FROM packed")
        needed = {os.fsdecode(file[1:]) for (file,) in rows if file.startswith(STAGED)}
        for name in os.listdir(self._staging):
            if name not in needed:
                os.unlink(os.path.join(self._staging, name))

    def _below(self, path: str) -> bytes:
        return os.fsencode(os.path.relpath(path, self._root))
