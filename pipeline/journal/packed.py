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
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Final, NamedTuple

from ..contracts.archive_writer import PackedMember
from ..contracts.frame import Item
from ..contracts.template import Template
from ..errors import EnvironmentRefusal
from ..plan.model import Plan
from .durable import sync
from .ended import Cells
from .ownership import on_disk
from .partials import CLAIMED
from .tables import DONE, Statement
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
PACKED: Final = Statement(
    "packed", 11, (("job", 0), ("run", 2)), " (job, item, run, part, name, archive, columns, file, at, nbytes, crc)"
)
SUPERSEDED = "DELETE FROM packed WHERE job = ? AND item = ? AND run != ?"
MOST = 1 << 48  # of an offset or a size
UNFINISHED = ".pl-pack.tmp"  # ends the name of an archive that is being written
STAGED, ARCHIVED = b"+", b"="  # before the name of a staging file, and before a path below the output folder
_LOST = "UPDATE items SET parts = 1 WHERE job = ? AND item IN (SELECT item FROM packed WHERE job = ? AND file = ?)"
_OF_DONE = (
    "SELECT p.id, p.name, p.archive, p.columns, p.nbytes, p.crc FROM members m"
    " CROSS JOIN items i ON i.job = m.job AND i.item = m.item"
    " CROSS JOIN packed p ON p.job = m.job AND p.item = m.item AND p.run = i.run"
    " WHERE m.job = ? AND i.outcome = ? AND i.chain = ? AND i.parts = 0 ORDER BY m.number, p.part"
)

_STALE = (
    "job = ? AND NOT EXISTS (SELECT 1 FROM items i JOIN members m ON m.job = i.job AND m.item = i.item WHERE"
    " i.job = packed.job AND i.item = packed.item AND i.run = packed.run AND i.outcome = ? AND i.chain = ?)"
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
    for file in lost_files(db, job, staging, root):
        db.execute(_LOST, (job, job, file))


def lost_files(db: sqlite3.Connection, job: int, staging: str, root: str) -> list[bytes]:
    """Files of the column `file` that are not there, not as they were left, or too short for what rows say."""
    left = _archives(db, job)
    ends = db.execute("SELECT file, max(at + nbytes) FROM packed WHERE job = ? GROUP BY file", (job,)).fetchall()
    found = []
    for file, end in ends:
        there = on_disk(path_of(file, staging, root))
        changed = file.startswith(ARCHIVED) and there != left.get(file[1:], (b"", None))[1]
        if there is None or changed or there.size < end:
            found.append(file)
    return found


def lost_items(db: sqlite3.Connection, job: int, staging: str, root: str) -> frozenset[bytes]:
    """The items that `note_lost` would have done again, for one that only looks."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'packed'").fetchone():
        return frozenset()
    query = "SELECT item FROM packed WHERE job = ? AND file = ?"
    return frozenset(item for file in lost_files(db, job, staging, root) for (item,) in db.execute(query, (job, file)))


def refuse_changed(db: sqlite3.Connection, job: int, root: str) -> None:
    """Raises EnvironmentRefusal where somebody changed an archive: before work whose result could not be put there."""
    for path, (_, left) in _archives(db, job).items():
        there = on_disk(os.path.join(root, os.fsdecode(path)))
        if there is not None and there != left and left != CLAIMED:
            raise foreign(os.path.join(root, os.fsdecode(path)))


def foreign(path: str) -> EnvironmentRefusal:
    """Why a file is not replaced."""
    return EnvironmentRefusal(
        f"there is a file {path!r} already that is not ours, or was changed", where="writer",
        remedy="move it away and run again, or `--set writer.overwrite=always` replaces it",
    )  # fmt: skip


def path_of(file: bytes, staging: str, root: str) -> str:
    """Where a file of the column `file` lies."""
    return os.path.join(staging if file.startswith(STAGED) else root, os.fsdecode(file[1:]))


@lru_cache(maxsize=64)
def below_root(archive: str, root: str) -> bytes:
    """The path of an archive as the journal names it; few archives are filled at a time."""
    return os.fsencode(os.path.relpath(archive, root))


class PackedRow(NamedTuple):
    """What a worker says of a member: its name, the file that it lies in as in the column `file`, and its row."""

    name: str
    file: bytes
    cells: Cells


def row_of(note: bytes, item: Item, archives: Template, root: str, head: tuple[int, bytes, int]) -> PackedRow:
    """The row of what a worker says of a member; one that was taken over may say anything.

    Raises:
        ValueError: it is not what workers say. ItemError: the item has no field that the archive's path needs.
    """
    part, name, file, *numbers = json.loads(note)
    wrong = "/" in file or not file.endswith(".members") or name.startswith("/") or ".." in name.split("/")
    if wrong or len(numbers) != 3 or not all(isinstance(each, int) and 0 <= each < MOST for each in (part, *numbers)):
        raise ValueError(f"a worker says that it saved {name!r} in {file!r} at {numbers}")
    archive = below_root(archives.render(item), root)
    told, column = json.dumps(item.columns) if item.columns else "", STAGED + os.fsencode(file)
    return PackedRow(name, column, (*head, part, os.fsencode(name), archive, told, column, *numbers))


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

    def others(self) -> int:
        """How many items of the input are done as another chain has them."""
        query = (
            "SELECT count(*) FROM members m CROSS JOIN items i ON i.job = m.job AND i.item = m.item"
            " WHERE m.job = ? AND i.outcome = ? AND i.chain != ?"
        )
        return int(self._db.execute(query, (self._job, DONE, self._chain)).fetchone()[0])

    def in_archive(self, path: str) -> int:
        """How many members have rows that point to this archive."""
        query = "SELECT count(*) FROM packed WHERE job = ? AND file = ?"
        return int(self._db.execute(query, (self._job, ARCHIVED + self._below(path))).fetchone()[0])

    def lost(self, member: PackedMember) -> None:
        """The bytes of a member are gone: its item counts as undone."""
        query = "UPDATE items SET parts = 1 WHERE (job, item) = (SELECT job, item FROM packed WHERE id = ?)"
        self._db.execute(query, (member.row,))

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
            sync(aside, os.O_RDONLY)
        query = "UPDATE packed SET file = ? WHERE job = ? AND file = ?"
        self._db.execute(query, (STAGED + os.fsencode(name), self._job, ARCHIVED + self._below(path)))

    def claim(self, path: str) -> None:
        """An archive is about to be put there: what lies there after a kill is ours."""
        row = (self._job, self._below(path), b"", *CLAIMED)
        self._db.execute("INSERT OR REPLACE INTO archives VALUES (?, ?, ?, ?, ?)", row)

    def wrote(self, path: str, digest: bytes, there: OnDisk, lies: Iterable[tuple[PackedMember, int]]) -> None:
        """It is there, and these members lie in it at these offsets."""
        file = ARCHIVED + self._below(path)
        row = (self._job, self._below(path), digest, *there)
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO archives VALUES (?, ?, ?, ?, ?)", row)
            query = "UPDATE packed SET file = ?, at = ? WHERE id = ?"
            self._db.executemany(query, ((file, at, member.row) for member, at in lies))

    def forget(self, path: str) -> None:
        """An archive that is not needed any more was removed."""
        self._db.execute("DELETE FROM archives WHERE job = ? AND path = ?", (self._job, self._below(path)))

    def sweep(self) -> None:
        """Staging files that no row points to go, with rows of other chains and of items that are not in the input.

        Should such an item come back as it was, it is done again.
        """
        asked = (self._job, DONE, self._chain)
        lost = f"UPDATE items SET parts = 1 WHERE job = ? AND item IN (SELECT item FROM packed WHERE {_STALE})"  # noqa: S608
        with self._transaction():
            self._db.execute(lost, (self._job, *asked))
            self._db.execute(f"DELETE FROM packed WHERE {_STALE}", asked)  # noqa: S608 - text of ours
        rows = self._db.execute("SELECT DISTINCT file FROM packed")
        needed = {os.fsdecode(file[1:]) for (file,) in rows if file.startswith(STAGED)}
        for name in os.listdir(self._staging):
            if name not in needed:
                os.unlink(os.path.join(self._staging, name))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _below(self, path: str) -> bytes:
        return os.fsencode(os.path.relpath(path, self._root))
