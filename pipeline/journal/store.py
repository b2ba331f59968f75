"""The database file of a journal: found, opened, made, refused with the reason and the remedy."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import DISK_FULL, EnvironmentRefusal, UsageError
from .tables import APPLICATION, FORM, TABLES

FILE = "journal.sqlite"
BUSY_S = 30.0  # another command may hold the file for a moment
NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "lustre"}
AWAY = "move it away; then `run --adopt` takes the outputs that are there as they are"


def path_in(state_dir: str) -> str:
    """The database file of a state folder."""
    return os.path.join(state_dir, FILE)


def open_to_write(state_dir: str, *, full: bool) -> tuple[sqlite3.Connection, bool]:
    """The journal for its one writer, made where there is none; whether it is new.

    Args:
        full: whether each commit waits until it is on the disk.

    Raises:
        EnvironmentRefusal: it cannot be written, is damaged, newer than this program, or on a network file system.
    """
    refuse_network(state_dir)
    path = path_in(state_dir)
    with refusals(path):
        db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=256)
        try:
            new = _checked(db, path)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            if new:
                db.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION};"
                                 f" PRAGMA user_version = {FORM}; COMMIT")  # fmt: skip
            else:
                db.execute("BEGIN IMMEDIATE")  # one that cannot be written says so now, not after an hour
                db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
    return db, new


def open_to_read(state_dir: str) -> sqlite3.Connection:
    """The journal for one who only looks; a run may go on meanwhile.

    Raises:
        UsageError: there is none.
        EnvironmentRefusal: it cannot be read, is damaged or newer than this program.
    """
    path = path_in(state_dir)
    if not os.path.exists(path):
        raise UsageError(f"there is no journal in {state_dir!r}", remedy="a `pipeline run` makes it")
    with refusals(path):
        try:
            return _reading(path, "mode=ro")
        except sqlite3.OperationalError:
            if os.access(state_dir, os.W_OK):
                raise
            return _reading(path, "mode=ro&immutable=1")  # a folder without write permission takes no lock files


def new_in_memory() -> sqlite3.Connection:
    """A journal of nobody, which ends with its connection; it lies in a temporary file where it is large."""
    db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    db.executescript(f"{TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORM};")
    return db


def _reading(path: str, how: str) -> sqlite3.Connection:
    uri = f"file:{_quoted(path)}?{how}"
    db = sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        _checked(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(os.fsencode(os.path.abspath(path)))


def _checked(db: sqlite3.Connection, path: str) -> bool:
    """Whether the database is empty; raises for one that is not ours, or of another version."""
    form, application = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id"))
    tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if not tables and not form:
        return True
    if application != APPLICATION:
        raise EnvironmentRefusal("this is not a journal of pipeline", where=path, remedy="choose another `state_dir`")
    if form > FORM:
        raise EnvironmentRefusal(
            "the journal was written by a newer pipeline", where=path, limit=f"its form is {form}, known is {FORM}",
            remedy="run that version, or choose another `state_dir`",
        )  # fmt: skip
    if form < FORM:
        raise EnvironmentRefusal(
            "the journal was written by an older pipeline", where=path, limit=f"its form is {form}, known is {FORM}",
            remedy=AWAY,
        )  # fmt: skip
    return False


@contextmanager
def refusals(path: str) -> Iterator[None]:
    """What the database complains of, as a refusal with the remedy.

    Raises:
        EnvironmentRefusal: in place of any error of the database.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise refusal(error, path) from error


def refusal(error: sqlite3.Error, path: str) -> EnvironmentRefusal:
    """What an error of the database means to a user."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return EnvironmentRefusal("the journal is damaged", where=path, limit=str(error), remedy=AWAY)
    if name == "SQLITE_FULL":
        what = "the journal cannot grow: the disk is full"
        return EnvironmentRefusal(what, where=path, remedy="free space and run again")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return EnvironmentRefusal(
            "the journal cannot be written", where=path, limit=str(error),
            remedy="allow it, or set `state_dir` to a folder that you may write to",
        )  # fmt: skip
    if name.startswith("SQLITE_IOERR"):
        return EnvironmentRefusal(
            "the journal cannot be read or written", where=path, limit=str(error),
            remedy="free space and run again; where there is enough, see the system's log for errors of the disk",
        )  # fmt: skip
    if name.startswith("SQLITE_BUSY"):
        return EnvironmentRefusal("another program holds the journal", where=path, remedy="end it, and run again")
    return EnvironmentRefusal("the journal cannot be used", where=path, limit=str(error), remedy=AWAY)


def make_folder(state_dir: str) -> None:
    """Make the state folder. Raises EnvironmentRefusal where that cannot be."""
    try:
        os.makedirs(state_dir, exist_ok=True)
    except OSError as error:
        remedy = "free space" if error.errno in DISK_FULL else "set `state_dir` to a folder that you may write to"
        raise EnvironmentRefusal(
            f"the state folder cannot be made: {error.strerror}", where=state_dir, remedy=remedy
        ) from error


def refuse_network(state_dir: str) -> None:
    """Raise EnvironmentRefusal for a folder on a network file system, whose locks a database cannot rely on."""
    kind = file_system(state_dir)
    if kind in NETWORK:
        raise EnvironmentRefusal(
            f"the state folder lies on a network file system ({kind}), where a journal is not safe", where=state_dir,
            remedy="set `state_dir` to a folder on a local disk; the outputs may stay where they are",
        )  # fmt: skip


def file_system(folder: str) -> str:
    """The type of the file system that a folder lies on, as Linux names it; "" where it cannot be told."""
    try:
        device = os.stat(folder).st_dev
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                fields = line.split()
                if fields[2] == f"{os.major(device)}:{os.minor(device)}":
                    return fields[fields.index("-") + 1]
    except (OSError, ValueError, IndexError):
        pass
    return ""
