"""What time does to a run: deadlines of workers, the stall guard, samples of who is idle. Looked at once a tick."""

from __future__ import annotations

import signal
import time

from ..errors import Stall
from ..plan.model import Plan
from ..scheduler import Scheduler, Worker
from .bottleneck import Idle
from .fork_server import is_stopped
from .handle import Handle
from .hearing import Hearing
from .workers import TICK_S, Workers

GAP_S = 2.0  # a tick so late means that the parent itself was stopped (Ctrl-Z, suspend): deadlines shift
START_TIMEOUT_S = 60.0
STACKS_S = 5.0  # a machine that stands still may be one that is overloaded
CLOSING_TIMES = 10  # as long as for a frame, for closing a stream: a film of many GB is written a second time
OUTERMOST = " in <module>"  # how the last line of a worker's stack ends


class Deadlines:
    """The clock's view of a run.

    Attributes:
        idle: samples of each group.
    """

    def __init__(self, plan: Plan, workers: Workers, hearing: Hearing) -> None:
        self.plan = plan
        self.workers = workers
        self.core: Scheduler = workers.core
        self.hearing = hearing
        self.idle = [Idle() for _ in plan.groups]
        self._moved = 0
        self._moved_at = workers.now

    def begin(self) -> None:
        """The run begins now."""
        self._moved_at = self.workers.now

    def check(self, elapsed: float) -> None:
        """Look at every deadline; `elapsed` seconds have gone since the last look.

        Raises:
            Stall: no frame moved for too long; every worker's stack is in the message.
        """
        if elapsed > GAP_S:
            for handle in self.workers.handles:
                handle.since += elapsed
            self._moved, self._moved_at = self.core.moved, self.workers.now
        for handle in self.workers.handles:
            self._check_worker(handle)
        self._check_stall()

    def sample(self) -> None:
        """Who is idle now, and whether for want of work or of room."""
        if self.hearing.ready_at is None:
            return
        core = self.core
        for group, idle in zip(core.groups, self.idle, strict=True):
            waiting = core.has_work(group)
            for worker in group.workers:
                if worker.load and not core.waits(worker):
                    continue
                if worker.load or waiting:
                    idle.blocked += 1
                else:
                    idle.starved += 1

    def _check_worker(self, handle: Handle) -> None:
        worker = handle.worker
        if handle.process is None:
            return
        late = self.workers.now - handle.since
        if not worker.up and not worker.retiring:
            if late > START_TIMEOUT_S:
                self.workers.end(handle, f"did not get ready within {START_TIMEOUT_S:.0f} s")
            elif late > self.plan.settings.timeout_s and is_stopped(handle.process.pid):
                self.workers.end(handle, f"was stopped while it started, {late:.1f} s ago")
        elif worker.retiring and not worker.load and late > self.plan.settings.timeout_s:
            self.workers.end(handle, "")  # it hangs while it closes: nothing is lost with it
        elif worker.load and late > (limit := self._limit_s(worker)) and not self.core.waits(worker):
            self.workers.end(handle, f"timed out after {limit:g} s (`timeout`)")

    def _limit_s(self, worker: Worker) -> float:
        return self.plan.settings.timeout_s * (CLOSING_TIMES if self.core.closes(worker) else 1)

    def _check_stall(self) -> None:
        core, now = self.core, self.workers.now
        moved = core.moved + core.ledger.finished
        closing = any(core.closes(handle.worker) for handle in self.workers.handles)  # that has a deadline of its own
        waits_for_input = not core.open and not core.items and not core.exhausted
        starting = self.hearing.ready_at is None  # that has a time of its own too
        if moved != self._moved or waits_for_input or closing or starting:
            self._moved, self._moved_at = moved, now
        elif now - self._moved_at > self.plan.settings.stall_s:
            raise Stall(
                f"no frame moved for {self.plan.settings.stall_s:g} s (`stall_timeout`)",
                limit=f"{core.open} items in flight",
                remedy="where a frame may take so long, raise `timeout` and `stall_timeout`; else this is a defect: "
                "please report it with these stacks:\n" + self._stacks(),
            )

    def _stacks(self) -> str:
        """Where every worker is now: faulthandler writes it to their standard error."""
        handles = self.workers.handles
        asked = [handle for handle in handles if handle.process is not None]
        for handle in asked:
            handle.forget_tail()
            if handle.process is not None:
                handle.process.kill(signal.SIGUSR1)
        deadline = time.monotonic() + STACKS_S
        while time.monotonic() < deadline and not all(_told(handle) for handle in asked):
            self.workers.poller.turn(TICK_S)
        return "\n".join(
            f"{handle.worker.group.name} {handle.worker.name}:\n" + "\n".join(handle.tail) for handle in handles
        )


def _told(handle: Handle) -> bool:
    """Whether the stack it was asked for is there to its end, or it has ended itself."""
    return handle.process is None or (bool(handle.tail) and handle.tail[-1].endswith(OUTERMOST))
