"""The one writer of a journal: a thread that takes what happened and commits it in batches.

Claims go first and fast: an item waits for its claim before it may be written. Rows of ended items follow; with
`durability: batch` a second thread brings their outputs to the disk before.
"""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable
from threading import Condition, Event, Thread
from typing import Any

from ..contracts.cause import Cause
from ..errors import PipelineError, one_line
from .durable import SyncThread, sync_refusal
from .ended import Cells, Ended
from .row_writer import RowWriter
from .store import refusal
from .tables import Statement

PACE_S = 0.2  # between commits while nobody waits for one: what a kill can cost
SYNC_S = 0.5  # between two batches that are brought to the disk
MOST_WAITING = 20_000  # items and claims; beyond it no item is let in
Ask = Callable[[], Cells | Cause]  # the claim, or why there is none
Answer = Callable[[Cause | None], None]  # None where the claim is in the journal, or the reason against it


def _taken(waiting: deque[Any]) -> list[Any]:
    """All that waits by now."""
    return [waiting.popleft() for _ in range(len(waiting))]


class WriteThread:
    """Commits what the intake and the loop hand over.

    Args:
        db: the connection, which from now on belongs to this thread.
        path: of the database, for messages.
        durability: `none`, `batch` or `each`.
        rows: puts what happened into it.

    Attributes:
        committed: how many of the claims that were handed over are in the journal.
        error: why nothing can be written any more; None while all is well.
        woken: called after claims were committed, in this thread.
        told: called with the name of each item whose end was committed, in this thread.
        cpu_s: processor time that it took, known when it has ended.
    """

    def __init__(self, db: sqlite3.Connection, path: str, durability: str, rows: RowWriter) -> None:
        self.committed = 0
        self.error: PipelineError | None = None
        self.woken: Callable[[], None] = lambda: None
        self.told: Callable[[bytes], None] | None = None
        self.cpu_s = 0.0
        self._db = db
        self._path = path
        self._rows = rows
        self._kept: deque[tuple[Statement, Cells]] = deque()
        self._claims: deque[Cells] = deque()
        self._forgotten: deque[Cells] = deque()
        self._learned: deque[Cells] = deque()
        self._checks: deque[tuple[Ask, Answer]] = deque()
        self._answers: list[tuple[Answer, Cause | None]] = []
        self._over = False
        self._ended: deque[Ended] = deque()
        self._tickets = 0
        self._work, self._urgent = Event(), Event()
        self._moved = Condition()
        self._closing = False
        self._syncing = SyncThread(self._work.set) if durability == "batch" else None
        self._synced_at = time.monotonic()
        self._thread = Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    # ---- handed over by other threads --------------------------------------------------------------------------

    def claim(self, row: Cells) -> int:
        """Claim a name; the number that `committed` reaches once it is in the journal. Called by discovery alone."""
        self._claims.append(row)
        self._tickets += 1
        if not self._work.is_set():
            self._work.set()
        return self._tickets

    def forget(self, item: Cells) -> None:
        """Take back what this run has said of an item (job, item, run): it comes again. To be called before `claim`."""
        self._forgotten.append(item)
        self._work.set()

    def learn(self, row: Cells) -> None:
        """A digest, job and item: of an input that is as its row says, and whose row has none."""
        self._learned.append(row)
        self._work.set()

    def keep(self, statement: Statement, row: Cells) -> None:
        """A row of another table; no item that ends after it is committed before it."""
        self._kept.append((statement, row))
        self._work.set()

    def check(self, ask: Ask, answer: Answer) -> None:
        """Have `ask` look at the disk, commit the claim that it returns, then call `answer`; both in this thread.

        Where nothing can be written any more the answer is the reason, from the thread that asks or from this one.
        """
        self._checks.append((ask, answer))
        self.hurry()
        if self._over:
            self._refuse_checks()

    def ended(self, ended: Ended) -> None:
        """An item ended. Called by the loop, and by discovery for items that it does not let in."""
        self._ended.append(ended)
        if not self._work.is_set():
            self._work.set()

    def hurry(self) -> None:
        """Somebody waits for a commit."""
        self._urgent.set()
        self._work.set()

    @property
    def full(self) -> bool:
        """Whether so much waits that no more items should be let in."""
        waiting = len(self._claims) + len(self._ended) + len(self._learned) + len(self._kept)
        return waiting + (self._syncing.waiting if self._syncing is not None else 0) > MOST_WAITING

    def wait_for(self, what: Callable[[], bool]) -> None:
        """Wait until something holds that a commit brings about, or nothing can be written any more."""
        with self._moved:
            while self.error is None and not what():
                self.hurry()
                self._moved.wait(1.0)

    def close(self) -> None:
        """Write what is left and end the thread; safe to call twice."""
        self._closing = True
        self.hurry()
        self._thread.join()

    # ---- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._serve()
        except PipelineError as error:
            self.error = error
        except sqlite3.Error as error:
            self.error = refusal(error, self._path)
        except OSError as error:
            self.error = sync_refusal(error)
        except Exception as error:  # a defect of ours must not leave a run that waits for ever
            self.error = PipelineError(f"the journal's thread ended: {one_line(error)}", where=self._path)
        finally:
            self._over = True
            if self._syncing is not None:
                self._syncing.close()
            self.cpu_s = time.thread_time() + (self._syncing.cpu_s if self._syncing is not None else 0.0)
            self._refuse_checks()
            self._tell()

    def _refuse_checks(self) -> None:
        """Answer what will never be committed; may run in two threads at once."""
        why = Cause("", "refused", str(self.error or "the run is over"))
        answers, self._answers = self._answers, []
        for answer, _ in answers:
            answer(why)
        while True:
            try:
                _, answer = self._checks.popleft()
            except IndexError:
                return
            answer(why)

    def _serve(self) -> None:
        while True:
            self._work.wait()
            if not self._closing:
                self._urgent.wait(PACE_S)
            closing = self._closing
            self._work.clear()
            self._urgent.clear()
            self._commit(closing=closing)
            if closing and not (self._claims or self._ended or self._learned or self._kept):
                return

    def _commit(self, *, closing: bool) -> None:
        """Everything that may be committed now, in one transaction."""
        claims, learned = _taken(self._claims), _taken(self._learned)
        handed_over = len(claims)
        for _ in range(len(self._checks)):  # one by one: those behind one that raises are answered too
            ask, answer = self._checks.popleft()
            self._answers.append((answer, None))
            row = ask()
            if isinstance(row, Cause):
                self._answers[-1] = (answer, row)
            else:
                claims.append(row)
        ended = self._ripe(closing=closing)
        forgotten, kept = _taken(self._forgotten), _taken(self._kept)
        if claims or ended or learned or forgotten or kept:
            rows = self._rows
            self._db.execute("BEGIN IMMEDIATE")
            try:
                rows.forget(forgotten)
                rows.learn(learned)
                rows.claims(claims)
                rows.kept(kept)
                rows.ended(ended)
                rows.settle()
            except BaseException:
                if self._db.in_transaction:  # some errors have rolled it back already
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        self.committed += handed_over
        if self.told is not None:
            for one in ended:
                self.told(one.head[1])
        answers, self._answers = self._answers, []
        for answer, why in answers:
            answer(why)
        if claims or ended:
            self._tell()

    def _tell(self) -> None:
        self.woken()
        with self._moved:
            self._moved.notify_all()

    def _ripe(self, *, closing: bool) -> list[Ended]:
        """Items whose rows may be committed: with `batch` those whose outputs are on the disk by now."""
        if self._syncing is None:
            return [self._ended.popleft() for _ in range(len(self._ended))]
        now = time.monotonic()
        if self._ended and (closing or (now - self._synced_at >= SYNC_S and not self._syncing.busy)):
            self._synced_at = now
            self._syncing.give([self._ended.popleft() for _ in range(len(self._ended))])
        elif self._ended:
            self._work.set()  # come round again
        return self._syncing.take(wait=closing)
