"""The loop of a run: records in, one pump of the pure core, records out. All that acts on the world is here."""

from __future__ import annotations

import gc
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..contracts.cause import Cause
from ..errors import Exit
from ..plan.model import Plan
from ..scheduler import Entry, Halt, Kill, Outcome, Start, Worker
from ..transport.control_block import encode_job
from ..transport.records import (
    ALIVE,
    ASSIGN,
    BYE,
    CLAIM,
    CLAIMED,
    CPU_US,
    DONE,
    EMIT,
    ENDED,
    FAILED,
    FLAGS,
    FULL,
    KIND,
    LEASE,
    NEED,
    READY,
    REFUSE,
    REMARKS,
    RSS_KBYTES,
    SKIPPED,
    SLOT,
    SLOTS,
    SLOTS_WANTED,
    SPAN,
    UNIT,
    Record,
    extents_of,
    iter_unpack,
    pack,
)
from ..transport.records import record as make
from .discovery import Discovery
from .fork_server import ForkServer
from .intake import Intake
from .worker_process import Handle
from .workers import TICK_S, Crew

FED = 256  # items let in by one round at most: refused ones never fill the core, and workers wait meanwhile
FIRST_S = 0.25  # how long the start waits to see whether there is any input


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


class Loop(Crew):
    """One run from the start of its workers to the last of them."""

    def __init__(
        self,
        plan: Plan,
        intake: Intake,
        run: str,
        *,
        on_outcome: Callable[[Outcome], None],
        on_done: Callable[[Sequence[Entry]], None],
        fork_server: ForkServer | None = None,
    ) -> None:
        super().__init__(plan, run, fork_server)
        self.intake = intake
        self.on_outcome = on_outcome
        self.on_done = on_done
        self.wake_r, self.wake_w = os.pipe()
        for fd in (self.wake_r, self.wake_w):
            os.set_blocking(fd, False)
        self.poller.add(self.wake_r, self._woken)
        self.discovery: Discovery | None = None
        self.halt: Halt | None = None
        self.signals = 0
        self.ticked = self.now
        self.signal_exit: Exit | None = None
        self._dispatch: dict[int, Callable[[Handle, Record], None]] = {
            EMIT: self._on_emit, NEED: self._on_need, READY: self._on_ready, FAILED: self._on_failed,
            SKIPPED: self._on_skipped, CLAIM: self._on_claim, BYE: self._on_bye, ALIVE: self._on_alive,
        }  # fmt: skip

    # ---- life --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Start the workers, keep frames moving until all is over, end the workers. Without input nothing starts."""
        try:
            with self._signals():
                self.discovery = Discovery(self.intake, self.wake_w)
                if self.discovery.is_empty(FIRST_S):
                    self._feed()
                    return
                self._start_all()
                with yielding():
                    self._turn_until_over()
                if self.halt is None:
                    self._stop_workers()
        finally:
            self.close()

    def _turn_until_over(self) -> None:
        """Round after round: wait for records, take them in, hand out what may go, look at the clock."""
        core = self.core
        idle = select.poll()
        idle.register(self.wake_r, select.POLLIN)  # signals and new items end the pause
        self._begin()
        while self.halt is None and not core.over:
            self._turn(TICK_S)
            patience_us = core.patience_us()
            if patience_us:  # a wake-up on a busy core finds cold caches and pushes a worker aside (docs/adr/0004)
                idle.poll(patience_us // 1000)
        self._pump()  # the last item may have ended in a tick

    def _begin(self) -> None:
        self.ticked = self.now = time.monotonic()
        self._feed()

    def _turn(self, timeout_s: float) -> None:
        """One round: what was said until now, or within this time, is taken in and answered."""
        core = self.core
        events = self.poller.wait(timeout_s)
        self.now = now = time.monotonic()
        due = now - self.ticked >= TICK_S
        if due:  # before anything is answered: who is idle *while* we wait is asked, not who got work just now
            self._sample()
        self.poller.act(events)
        if self.signals and not core.draining:
            core.drain()
        if core.hungry:
            self._feed()
        self._pump()
        if due:
            self._tick(now - self.ticked)
            self.ticked = now

    def _pump(self) -> None:
        core = self.core
        core.pump()
        if core.sends:
            self._send()
        if core.done_items:
            self.on_done(core.done_items)
            core.done_items.clear()
        while core.orders:
            orders = core.orders.copy()
            core.orders.clear()
            for order in orders:
                self._carry_out(order)

    def close(self) -> None:
        """End the threads and what is left of the workers; safe to call twice."""
        if self.discovery is not None:
            self.discovery.stop()
        super().close()
        if self.wake_r >= 0:
            os.close(self.wake_r)
            os.close(self.wake_w)
            self.wake_r = self.wake_w = -1

    # ---- items -------------------------------------------------------------------------------------------------

    def _feed(self) -> None:
        """Let in what was found, a little ahead of what the readers can take."""
        discovery, core = self.discovery, self.core
        assert discovery is not None
        for _ in range(FED):
            if not core.hungry:
                return
            found = discovery.take()
            if found is None:
                if discovery.ended and not discovery.found:
                    if discovery.error is not None:
                        raise discovery.error
                    core.end_of_input()
                return
            if found.refused:
                core.turn_away(found.item, "failed", Cause("", "collision", found.refused))
            elif found.skipped:
                core.turn_away(found.item, "skipped", Cause("", "skip", found.skipped))
            else:
                core.offer(found.item, found.target)

    # ---- records out -------------------------------------------------------------------------------------------

    def _send(self) -> None:
        sends = self.core.sends.copy()
        self.core.sends.clear()
        handles, now = self.handles, self.now
        touched = []
        for worker, record, entry, text in sends:
            handle = handles[worker.name]
            if entry is not None:
                if not entry.text and not self._encode(worker, record, entry):
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
            self.on_outcome(order)
        elif isinstance(order, Start):
            self.pending_starts.append((self.now + order.delay_s, self.handles[order.worker]))
            self._start_due()
        elif isinstance(order, Kill):
            handle = self.handles[order.worker]
            if handle.process is not None:
                handle.ended_by = order.why
                self._lost(handle)
        elif self.halt is None:
            self.halt = order

    # ---- records in --------------------------------------------------------------------------------------------

    def readable(self, handle: Handle) -> None:
        if handle.process is None:
            return  # lost earlier in this round
        data = handle.read()
        if data is None:
            self._lost(handle)
        elif data:
            handle.since = self.now
            self.take_in(handle, data)

    def take_in(self, handle: Handle, data: bytes) -> None:
        core, worker = self.core, handle.worker
        for record in iter_unpack(data):
            if record[KIND] == DONE or record[KIND] == ENDED:
                if record[FLAGS] & REMARKS:
                    self._on_remarks(handle, record)
                core.done(worker, record)
            else:
                self._dispatch[record[KIND]](handle, record)

    def _on_remarks(self, handle: Handle, record: Record) -> None:
        unit = handle.worker.leases.get(record[LEASE])
        if unit is not None:  # an item that is tried again says the same again
            unit.item.remarks = tuple(dict.fromkeys((*unit.item.remarks, *handle.control.text(record[SLOT]))))

    def _on_emit(self, handle: Handle, record: Record) -> None:
        self.core.emit(handle.worker, record)

    def _on_need(self, handle: Handle, record: Record) -> None:
        slots = record[SLOTS_WANTED] if record[FLAGS] & SLOTS else 0
        self.core.need(handle.worker, record[LEASE], extents_of(record), record[SPAN] * UNIT, slots)

    def _on_ready(self, handle: Handle, record: Record) -> None:
        self.core.ready(handle.worker, extents_of(record))
        if self.ready_at is None and all(worker.up for worker in self.core.workers):
            self.ready_at = self.now

    def _on_failed(self, handle: Handle, record: Record) -> None:
        stage, kind, reason = [*handle.control.text(record[SLOT]), "", "", ""][:3]
        self.core.failed(handle.worker, record[FLAGS], record[LEASE], Cause(stage, kind, reason))
        if record[FLAGS] & FULL and self.halt is None:
            self.halt = Halt(Exit.ENVIRONMENT, f"the output cannot be written: {reason}; free space and run again")

    def _on_skipped(self, handle: Handle, record: Record) -> None:
        stage, kind, reason = [*handle.control.text(record[SLOT]), "", "", ""][:3]
        self.core.skipped(handle.worker, record[LEASE], Cause(stage, kind, reason))

    def _on_claim(self, handle: Handle, record: Record) -> None:
        unit = handle.worker.leases.get(record[LEASE])
        target = handle.control.text(record[SLOT])[0]
        refused = "cancelled" if unit is None else self.intake.claim(target, unit.item.item, unit.index)
        if refused:
            handle.control.put_text(record[SLOT], refused)
        handle.outgoing.append(pack(*make(REFUSE if refused else CLAIMED, slot=record[SLOT], lease=record[LEASE])))
        handle.write()

    def _on_alive(self, _: Handle, __: Record) -> None:
        self.core.alive()  # what counts is that it said something: its deadline begins anew

    def _on_bye(self, handle: Handle, record: Record) -> None:
        handle.cpu_s += record[CPU_US] / 1e6
        handle.rss_nbytes = max(handle.rss_nbytes, record[RSS_KBYTES] * 1024)

    def _woken(self) -> None:
        try:
            os.read(self.wake_r, 512)
        except BlockingIOError:
            pass  # somebody read it before us; what it announced is looked at in any case

    # ---- signals -----------------------------------------------------------------------------------------------

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C or SIGTERM once: finish what has begun; twice: stop now."""
        try:
            before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
            wakeup = signal.set_wakeup_fd(self.wake_w, warn_on_full_buffer=False)
        except ValueError:  # not the main thread: the caller has its own way to stop
            yield
            return
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _: Any) -> None:
        self.signals += 1
        self.signal_exit = Exit.INTERRUPTED if number == signal.SIGINT else Exit.TERMINATED
        if self.signals > 1:  # the first one is looked at between two rounds: the core is never entered from here
            self.halt = Halt(self.signal_exit, "stopped at the second signal")
            self.hurried = True
            if self.fork_server is not None:
                self.fork_server.abandon()
