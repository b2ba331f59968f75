"""The one writer of a journal: what waits for it is bounded, and nothing that was handed over is forgotten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from pipeline.contracts.cause import Cause
from pipeline.journal import store, write_thread
from pipeline.journal.ended import Ended
from pipeline.journal.ownership import claims_of
from pipeline.journal.row_writer import RowWriter
from pipeline.journal.tables import FAILED
from pipeline.journal.verdict import OnDisk
from pipeline.journal.write_thread import WriteThread

MOST = 50


@pytest.fixture
def state(tmp_path: Path) -> str:
    """The state folder of a new journal."""
    store.open_to_write(str(tmp_path), full=False)[0].close()
    return str(tmp_path)


@pytest.fixture
def thread(state: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[WriteThread]:
    monkeypatch.setattr(write_thread, "MOST_WAITING", MOST)
    db, _ = store.open_to_write(state, full=False)
    thread = WriteThread(db, store.path_in(state), "none", RowWriter(db, 1))
    yield thread
    thread.close()
    db.close()


def claim(number: int) -> tuple[object, ...]:
    return (b"%d.jpg" % number, 1, b"%d.png" % number, 1, None, None)


def test_a_full_backlog_holds_the_intake_back(thread: WriteThread, state: str) -> None:
    """While the disk does not take what came, no item is let in; then it goes on, and all of it is there."""
    other = sqlite3.connect(store.path_in(state), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # as a disk that takes nothing for a while
    entered = Event()

    def ask() -> tuple[object, ...]:
        entered.set()
        return claim(10 * MOST)

    thread.check(ask, lambda _: None)
    assert entered.wait(30.0)  # it waits for the disk from now on
    last = [thread.claim(claim(number)) for number in range(10 * MOST)][-1]
    for number in range(2 * MOST):
        thread.ended(Ended((1, b"%d.png" % number, 0, 1, 1, None, 1), FAILED, "", None, None, 0, "{}"))
    let_in = Event()

    def intake() -> None:
        thread.wait_for(lambda: not thread.full)
        let_in.set()

    waiting = Thread(target=intake, daemon=True)
    waiting.start()
    assert thread.full
    assert not let_in.wait(0.2)
    other.execute("ROLLBACK")
    assert let_in.wait(30.0)
    thread.wait_for(lambda: thread.committed >= last)
    waiting.join()
    thread.close()
    assert other.execute("SELECT (SELECT count(*) FROM claims), (SELECT count(*) FROM items)").fetchone() == (
        10 * MOST + 1,
        2 * MOST,
    )
    other.close()


def test_an_item_that_comes_again_is_forgotten_first(thread: WriteThread, state: str) -> None:
    """In one long run: what a kill leaves of its second time is not taken for what its first one left."""
    head = (1, b"1.png", 0, 1, 1, None, 1)
    told: list[bytes] = []
    thread.told = told.append
    thread.ended(Ended(head, FAILED, "", b"1.jpg", None, 0, "{}"))
    thread.wait_for(lambda: told == [b"1.png"])
    thread.forget((1, b"1.png", 1))
    last = thread.claim(claim(1))
    thread.wait_for(lambda: thread.committed >= last)
    reading = store.open_to_read(state)
    assert reading.execute("SELECT count(*) FROM items").fetchone() == (0,)
    found = claims_of(reading, [b"1.jpg"])[b"1.jpg"]
    reading.close()
    assert found.made(OnDisk(5, 5))


def test_who_asks_of_a_journal_that_is_over_gets_an_answer(thread: WriteThread) -> None:
    """The reason against it, at once."""
    thread.close()
    heard: list[Cause | None] = []
    thread.check(lambda: claim(1), heard.append)
    assert [cause.what for cause in heard if cause is not None] == ["the run is over"]
