"""A journal that cannot be used is refused with what to do, and never taken for an empty one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentRefusal, Exit, UsageError
from pipeline.journal import store
from pipeline.journal.lock import RunLock
from pipeline.journal.tables import FORM


@pytest.fixture
def made(tmp_path: Path) -> str:
    """The state folder of a new journal."""
    db, new = store.open_to_write(str(tmp_path), full=False)
    db.close()
    assert new
    return str(tmp_path)


def test_it_is_made_once(made: str) -> None:
    """The second time it is there."""
    db, new = store.open_to_write(made, full=True)
    assert not new
    assert db.execute("PRAGMA user_version").fetchone() == (FORM,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()
    store.open_to_read(made).close()


def test_there_is_none(tmp_path: Path) -> None:
    """A look at nothing."""
    with pytest.raises(UsageError, match="there is no journal"):
        store.open_to_read(str(tmp_path))


def refusal(state: str, *, reading: bool = False) -> EnvironmentRefusal:
    with pytest.raises(EnvironmentRefusal) as found:
        (store.open_to_read(state) if reading else store.open_to_write(state, full=False)[0]).execute(
            "SELECT * FROM items"
        )
    assert found.value.exit_code == Exit.ENVIRONMENT
    assert found.value.remedy
    return found.value


@pytest.mark.parametrize("reading", [False, True])
def test_a_damaged_one(made: str, reading: bool) -> None:
    """Bytes that are no database."""
    Path(store.path_in(made)).write_bytes(b"these are no pages of a database" * 300)
    assert "damaged" in str(refusal(made, reading=reading))


@pytest.mark.parametrize("reading", [False, True])
def test_a_newer_one(made: str, reading: bool) -> None:
    """The form is not known yet."""
    with sqlite3.connect(store.path_in(made)) as db:
        db.execute(f"PRAGMA user_version = {FORM + 1}")
    db.close()
    assert "newer pipeline" in str(refusal(made, reading=reading))


@pytest.mark.parametrize("reading", [False, True])
def test_an_older_one(made: str, reading: bool) -> None:
    """Its tables are not what this program expects."""
    db = sqlite3.connect(store.path_in(made))
    db.execute(f"PRAGMA user_version = {FORM - 1}")
    db.close()
    assert "older pipeline" in str(refusal(made, reading=reading))


def test_the_database_of_another_program(tmp_path: Path) -> None:
    """Nothing is written into it."""
    with sqlite3.connect(store.path_in(str(tmp_path))) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    assert "not a journal" in str(refusal(str(tmp_path)))


def test_one_that_may_not_be_written(made: str) -> None:
    """On a read-only file system a run refuses and a look works."""
    mounted = subprocess.run(["mount", "--bind", "-o", "ro", made, made], check=False, capture_output=True)
    mounted = subprocess.run(["mount", "-o", "remount,ro,bind", made], check=False, capture_output=True)
    if mounted.returncode:  # not root: permissions tell the same
        os.chmod(store.path_in(made), 0o444)
        os.chmod(made, 0o555)
    try:
        assert "cannot be written" in str(refusal(made))
        db = store.open_to_read(made)
        assert db.execute("SELECT count(*) FROM items").fetchone() == (0,)
        db.close()
    finally:
        subprocess.run(["umount", "-l", made], check=False, capture_output=True)
        os.chmod(made, 0o755)


def test_one_on_a_network_file_system(made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks cannot be relied on there."""
    monkeypatch.setattr(store, "file_system", lambda _: "nfs4")
    assert "network file system (nfs4)" in str(refusal(made))


def test_the_kind_of_a_file_system() -> None:
    """As the system names it."""
    assert store.file_system("/proc") == "proc"
    assert store.file_system("/no/such/folder") == ""


def test_a_second_run_names_the_first(tmp_path: Path) -> None:
    """By process, machine and time; the lock ends with its holder."""
    (tmp_path / "state").mkdir()
    (tmp_path / "other").mkdir()
    first = RunLock(str(tmp_path / "state"), str(tmp_path))
    with pytest.raises(EnvironmentRefusal, match=f"pid {os.getpid()} on .*since 20"):
        RunLock(str(tmp_path / "state"), str(tmp_path))
    (tmp_path / "other/lock").write_text('{"pid": 1, "host": "elsewhere", "since": 1}')  # of a run long ago
    with pytest.raises(EnvironmentRefusal, match=f"another run writes to .*pid {os.getpid()}, with another"):
        RunLock(str(tmp_path / "other"), str(tmp_path))
    first.release()
    RunLock(str(tmp_path / "state"), str(tmp_path)).release()


def test_a_log_that_was_torn_loses_its_last_commits_and_nothing_else(made: str, tmp_path: Path) -> None:
    """The write-ahead log cut at each 1/40: what is read is a state that was committed, in order."""
    db, _ = store.open_to_write(made, full=False)
    for number in range(30):
        db.execute("INSERT INTO claims VALUES (?, 1, ?, 1, NULL, NULL)", (b"%d" % number, b"x" * 500))
    path = store.path_in(made)
    whole = Path(path + "-wal").read_bytes()
    seen = set()
    for cut in range(41):
        copy = tmp_path / f"cut{cut}"
        copy.mkdir()
        shutil.copy(path, copy)
        Path(store.path_in(str(copy)) + "-wal").write_bytes(whole[: len(whole) * cut // 40])
        try:
            read = store.open_to_read(str(copy))
        except EnvironmentRefusal:
            continue  # the first commits made the tables: without them it is no journal yet
        names = sorted(int(row[0]) for row in read.execute("SELECT output FROM claims"))
        read.close()
        assert names == list(range(len(names)))
        seen.add(len(names))
    db.close()
    assert {0, 30} <= seen
    assert len(seen) > 5
