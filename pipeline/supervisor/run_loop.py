"""The loop of a run: records in, one pump of the pure core, records out."""

from __future__ import annotations

import gc
import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from ..contracts.cause import Cause
from ..plan.model import Plan
from ..scheduler import Entry, Halt, Kill, Outcome, Scheduler, Start, Worker
from ..transport.control_block import encode_job
from ..transport.records import ASSIGN, KIND, LEASE, SLOT, Record, pack
from .deadlines import Deadlines
from .discovery import Discovery
from .feed import Feed
from .fork_server import ForkServer
from .hearing import Hearing, Observer
from .intake import Intake
from .recycling import Recycling
from .run_memory import RunMemory
from .signals import Signals
from .workers import MEMORY_S, TICK_S, Workers

FIRST_S = 0.25  # how long the start waits to see whether there is any input


class Caller(Protocol):
    """A worker that is the caller: no process; what would be sent to it is handed over."""

    worker: Worker

    def receive(self, record: Record, entry: Entry) -> None:
        """A lease; its end is told with `RunLoop.core.done`."""


@contextmanager
def yielding() -> Iterator[None]:
    """While the loop runs: it does not push a worker off its core, and scans no frozen objects for garbage.

    Under SCHED_BATCH a wake-up waits until a core is free or a turn ends, so on busy cores the records of several
    leases are handled in one go (20 % less parent CPU a hop) and a worker that reports is not preempted by us.
    """
    usual = hasattr(os, "SCHED_BATCH") and os.sched_getscheduler(0) == os.SCHED_OTHER
    if usual:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if usual:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class RunLoop:
    """One run from the start of its workers to the last of them.

    Args:
        plan: what is carried out.
        intake: where items come from.
        run: short name of the run.
        observer: told what comes of the items.
        fork_server: one that was started early.
        own_group: number of a group whose only worker is the caller, which `caller` is then set to.

    Attributes:
        began: whether workers were started.
        look: called each tick while all goes well; a Halt that it returns ends the run.
        stop_anyway_s: how long workers of a run that was stopped may take to close their stages; 0 ends them at once.
    """

    def __init__(
        self, plan: Plan, intake: Intake, run: str, observer: Observer, *, fork_server: ForkServer | None = None,
        own_group: int | None = None,
    ) -> None:  # fmt: skip
        absent = () if own_group is None else (own_group,)
        self.memory = RunMemory(plan)
        self.plan = self.memory.plan
        self.core = Scheduler(self.plan, self.memory.pool)
        self.hearing = Hearing(self.plan, self.core, intake, observer)
        self.workers = Workers(self.memory, self.core, self.hearing, run, fork_server=fork_server, absent=absent)
        self.handles = self.workers.handles
        self.recycling = Recycling(self.plan.settings.recycle, self.workers)
        self.deadlines = Deadlines(self.plan, self.workers, self.hearing)
        self.intake = intake
        self.observer = observer
        self.caller: Caller | None = None
        self._here: Worker | None = None
        self.look: Callable[[], Halt | None] = lambda: None
        self.stop_anyway_s = 0.0
        self.wake_r, self.wake_w = os.pipe()
        for fd in (self.wake_r, self.wake_w):
            os.set_blocking(fd, False)
        self.workers.poller.add(self.wake_r, self._woken)
        self.hearing.wake = self._wake
        self.signals = Signals(self.wake_w, self._hurry)
        self.discovery: Discovery | None = None
        self.feed: Feed | None = None
        self.began = False
        self._ticked = self.workers.now

    @property
    def halt(self) -> Halt | None:
        """Why it stops before its items are over; None while it goes on."""
        return self.hearing.halt

    # ---- life --------------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether nothing is left to do, or the run was stopped."""
        return self.hearing.halt is not None or self.core.over

    def run(self) -> None:
        """Start the workers, keep frames moving until all is over, end the workers. Without input nothing starts."""
        with self.signals.handled():
            if not self.begin():
                return
            with yielding():
                self._turn_until_over()
            self.finish()

    def begin(self) -> bool:
        """Look for input and start the workers; False where there is none."""
        self.discovery = Discovery(self.intake, self.wake_w)
        self.feed = Feed(self.core, self.discovery, self.observer)
        if self.intake.journal is not None:
            self.intake.journal.wake(self.discovery.claimed)
        if not self._workers_needed():
            return False
        self.began = True
        if self.caller is not None:
            self._here = self.caller.worker
            self.core.ready(self._here, (0, 0, 0))
        self.workers.start_all()
        self._ticked = self.workers.now = time.monotonic()
        self.deadlines.begin()
        self.feed()
        return True

    def _workers_needed(self) -> bool:
        """Count what needs no worker, until something does (True) or there is no more (False)."""
        assert self.discovery is not None
        assert self.feed is not None
        while not self.discovery.must_start(FIRST_S):
            self.feed()
            self.pump()
            if self.signals.count:
                self.core.drain()
                return False
        while self.discovery.ended and not self.feed.has_work:
            self.feed()
            self.pump()
            if self.core.over or self.halt is not None:
                return False
        return True

    def _turn_until_over(self) -> None:
        """Round after round: wait for records, take them in, hand out what may go, look at the clock."""
        idle = select.poll()
        idle.register(self.wake_r, select.POLLIN)  # signals and new items end the pause
        core, hearing = self.core, self.hearing
        while hearing.halt is None and not core.over:
            self.turn(TICK_S)
            patience_us = core.patience_us()
            if patience_us:  # a wake-up on a busy core finds cold caches and pushes a worker aside (docs/adr/0004)
                idle.poll(patience_us // 1000)

    def turn(self, timeout_s: float) -> None:
        """One round: what was said until now, or within this time, is taken in and answered."""
        core, workers = self.core, self.workers
        events = workers.poller.wait(timeout_s)
        workers.now = now = time.monotonic()
        due = now - self._ticked >= TICK_S
        if due:  # before anything is answered: who is idle *while* we wait is asked, not who got work just now
            self.deadlines.sample()
        workers.poller.act(events)
        if self.signals.count and not core.draining:
            core.drain()
        self.hearing.answer_claims()
        if core.hungry and self.feed is not None:
            self.feed()
        self.pump()
        if due:
            elapsed, self._ticked = now - self._ticked, now
            workers.start_due()
            self.deadlines.check(elapsed)
            self.recycling.check()
            self.workers.look_at_memory(MEMORY_S)
            if self.hearing.halt is None and (halt := self.look()) is not None:
                self.hearing.broken(halt)

    def pump(self) -> None:
        """Hand out what may go, and carry out what the core decided."""
        core = self.core
        core.pump()
        if core.sends:
            self._send()
        if core.done_items:
            self.observer.done(core.done_items)
            core.done_items.clear()
        while core.orders:
            orders = core.orders[:]
            core.orders.clear()
            for order in orders:
                self._carry_out(order)

    def finish(self) -> None:
        """The run is over: end the workers in peace, unless it was stopped."""
        self.pump()  # the last item may have ended in a tick
        if self.halt is None:
            self.workers.stop()
        elif self.stop_anyway_s:
            self.workers.stop(self.stop_anyway_s)

    def close(self) -> None:
        """End the threads and what is left of the workers; safe to call twice."""
        if self.discovery is not None:
            self.discovery.stop()
        self.workers.close()
        if self.wake_r >= 0:
            os.close(self.wake_r)
            os.close(self.wake_w)
            self.wake_r = self.wake_w = -1

    def _hurry(self) -> None:
        assert self.signals.exit_code is not None
        self.hearing.halt = Halt(self.signals.exit_code, "stopped at the second signal")
        self.workers.hurry()

    def _wake(self) -> None:
        """Wake the loop; from any thread."""
        try:
            os.write(self.wake_w, b"w")
        except OSError:
            pass  # full: it is being woken already; closed: the run is over

    def _woken(self) -> None:
        try:
            os.read(self.wake_r, 512)
        except BlockingIOError:
            pass  # it was read before us; what it announced is looked at in any case

    # ---- records out -------------------------------------------------------------------------------------------

    def _send(self) -> None:
        sends = self.core.sends[:]
        self.core.sends.clear()
        handles, now, here = self.handles, self.workers.now, self._here
        touched = []
        for worker, record, entry, text in sends:
            handle = handles[worker.name]
            if entry is not None:
                if not entry.text and not self._encode(worker, record, entry):
                    continue
                if worker is here:
                    assert self.caller is not None
                    self.caller.receive(record, entry)
                    continue
                handle.control.put_job(record[SLOT], entry.number, entry.text)
            elif text:
                handle.control.put_text(record[SLOT], text)
            if worker.load <= 1 or record[KIND] != ASSIGN:
                handle.since = now
            if not handle.outgoing:
                touched.append(handle)
            handle.outgoing.append(pack(*record))
        for handle in touched:
            if handle.process is None or not handle.write():
                handle.outgoing.clear()  # it is gone: its lease is in the table, and its end is about to be seen

    def _encode(self, worker: Worker, record: Record, entry: Entry) -> bool:
        try:
            entry.text = encode_job(entry.item, entry.target)
        except ValueError as error:
            self.core.failed(worker, 0, record[LEASE], Cause("", "input", str(error)))
            return False
        return True

    def _carry_out(self, order: Start | Kill | Outcome | Halt) -> None:
        if isinstance(order, Outcome):
            self.observer.ended(order)
        elif isinstance(order, Start):
            self.workers.start_later(order.worker, order.delay_s)
        elif isinstance(order, Kill):
            self.workers.end(self.handles[order.worker], order.why)
        else:
            self.hearing.broken(order)
