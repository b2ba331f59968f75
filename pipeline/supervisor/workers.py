"""The workers of a run as processes: started, watched against the clock, lost and replaced, ended."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from ..errors import EnvironmentRefusal, Exit, Stall
from ..plan.model import Plan
from ..scheduler import Scheduler
from ..scheduler.state import Worker
from ..transport.allocator import Allocator
from ..transport.arena import Arena
from ..transport.control_block import Control, control_nbytes
from ..transport.records import PAGE, STOP, pack, record
from ..worker import Boot
from .bottleneck import Idle
from .fork_server import ForkServer, ForkServerLost
from .poller import Poller
from .worker_process import Handle

TICK_S = 0.05
GAP_S = 2.0  # a tick so late means that the parent itself was stopped (Ctrl-Z, suspend): deadlines shift
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
STACKS_S = 5.0  # a machine that stands still may be one that is overloaded
CLOSING_TIMES = 10  # as long as for a frame, for closing a stream: a film of many GB is written a second time
OUTERMOST = " in <module>"  # how the last line of a worker's stack ends
MAX_SERVER_DEATHS = 5
UNFIT = f"exited with status {int(Exit.ENVIRONMENT)}"  # a stage could not be opened, and said why


def _told(handle: Handle) -> bool:
    """Whether the stack it was asked for is there to its end, or it has ended itself."""
    return handle.process is None or (bool(handle.tail) and handle.tail[-1].endswith(OUTERMOST))


class GrowingPool:
    """The allocator as the core sees it: memory is truly allocated before it is lent."""

    def __init__(self, arena: Arena, allocator: Allocator) -> None:
        self.arena = arena
        self.allocator = allocator
        self.short = False

    @property
    def capacity(self) -> int:
        return self.allocator.capacity

    def take(self, nbytes: int) -> int | None:
        offset = self.allocator.take(nbytes)
        if offset is None or self.arena.ensure(offset + nbytes):
            return offset
        self.short = True  # /dev/shm is full: from now on the arena is as large as what there is
        self.allocator.give(offset)
        self.allocator.shrink(self.arena.allocated // PAGE * PAGE)
        return self.allocator.take(nbytes)

    def give(self, offset: int) -> None:
        self.allocator.give(offset)


class Crew:
    """Arena, workers and what time does to them; `loop.Loop` adds the records.

    Attributes:
        core: the pure core, which decides; everything here only carries out.
        handles: one place a worker, by the worker's name.
        now: the run's clock, read once a round.
    """

    def __init__(self, plan: Plan, run: str, fork_server: ForkServer | None = None) -> None:
        self.fork_server = fork_server
        self.server_deaths = self.server_moved = 0
        controls = [control_nbytes(group.queue.credit.most) for group in plan.groups]
        blocks = [size for group, size in zip(plan.groups, controls, strict=True) for _ in range(group.workers)]
        start = -(-sum(blocks) // PAGE) * PAGE
        if plan.memory_nbytes >= 16 * start:  # the budget covers the control blocks too, unless it is tiny
            plan = replace(plan, memory_nbytes=plan.memory_nbytes - start)
        self.plan = plan
        self.arena = Arena(start + plan.memory_nbytes)
        self.allocator = Allocator(start=start, limit=start + plan.memory_nbytes)
        self.pool = GrowingPool(self.arena, self.allocator)
        if not self.arena.ensure(start):
            raise EnvironmentRefusal("no shared memory for the control blocks", limit=f"{start} bytes are needed")
        self.core = Scheduler(plan, self.pool)
        self.handles: list[Handle] = []
        base = 0
        for worker, size in zip(self.core.workers, blocks, strict=True):
            boot = Boot(plan, worker.group.number, self.arena.nbytes, base, run)
            self.handles.append(Handle(worker, Control(self.arena.map, base, worker.group.most_credit), boot))
            base += size
        self.poller = Poller()
        self.pending_starts: list[tuple[float, Handle]] = []
        self.idle = [Idle() for _ in plan.groups]
        self.stopping = self.closed = self.hurried = False
        self.stop_timeout_s = STOP_TIMEOUT_S
        self.now = time.monotonic()
        self.moved_at = (0, self.now)
        self.ready_at: float | None = None

    def close(self) -> None:
        """End what is left, at once, and give the arena back; safe to call twice."""
        for handle in self.handles:
            if handle.process is not None:
                handle.ended_by = handle.ended_by or "the run ended"
                handle.process.kill()
        with ExitStack() as rest:  # in reverse order, each of them whatever the others raise
            if not self.closed:
                self.closed = True
                rest.callback(self.arena.close)
                rest.callback(self.poller.close)
            if self.fork_server is not None:
                rest.callback(self.fork_server.close)
            for handle in self.handles:
                if handle.process is not None:
                    rest.callback(self._put_away, handle)

    def _put_away(self, handle: Handle) -> None:
        assert self.fork_server is not None
        handle.fence(self.fork_server)
        self._release(handle)

    def readable(self, handle: Handle) -> None:
        """A worker said something, or has ended."""
        raise NotImplementedError

    def take_in(self, handle: Handle, data: bytes) -> None:
        """Records of a worker, also the last ones of one that is gone."""
        raise NotImplementedError

    def _start_all(self) -> None:
        """Start all workers, in the order of the chain: the writer is needed last."""
        for handle in self.handles:
            self._start(handle)

    def _start(self, handle: Handle) -> None:
        while handle.process is None:
            if self.hurried:
                return
            self.fork_server = self.fork_server or ForkServer()
            try:
                handle.start(self.fork_server, self.arena.fd)
            except ForkServerLost:
                if not self.hurried:
                    self._restart_server()
        handle.since = self.now = time.monotonic()
        self.poller.add(handle.results, partial(self.readable, handle))
        self.poller.add(handle.errors, partial(self._complaint, handle))

    def _restart_server(self) -> None:
        """It was killed, and its workers with it: each is found lost in its turn, and nobody is blamed for that."""
        assert self.fork_server is not None
        self.server_deaths = 1 if self.core.moved > self.server_moved else self.server_deaths + 1
        self.server_moved = self.core.moved
        if self.server_deaths > MAX_SERVER_DEATHS:
            raise EnvironmentRefusal(
                f"the process that workers are forked from was lost {self.server_deaths} times, and no frame moved",
                remedy="something ends it: see dmesg for a memory kill, and limits of the service manager",
            )
        self.fork_server.restart()

    def _start_due(self) -> None:
        due = [entry for entry in self.pending_starts if entry[0] <= self.now]
        if due and not self.stopping:
            self.pending_starts = [entry for entry in self.pending_starts if entry[0] > self.now]
            for _, handle in due:
                self._start(handle)

    def _lost(self, handle: Handle) -> None:
        """A worker has ended, or must: fence it, read what it still said, tell the core."""
        assert self.fork_server is not None
        how = handle.fence(self.fork_server)
        while data := handle.read():
            self.take_in(handle, data)
        if how == UNFIT and not handle.worker.up and not self.stopping:
            self._release(handle)
            raise EnvironmentRefusal(handle.tail[-1] if handle.tail else f"{handle.worker.group.name}: a worker {how}")
        lease, stage = handle.control.running()
        cause = None
        if handle.ended_by != "":
            cause = (self._stage_label(handle, stage), self._kind(handle, how), self._with_tail(handle, how))
        self._release(handle)
        if not self.stopping:
            self.core.lost(handle.worker, lease, cause)

    def _stage_label(self, handle: Handle, stage: int) -> str:
        stages = self.plan.groups[handle.worker.group.number].stages
        return stages[min(stage, len(stages) - 1)].label

    def _kind(self, handle: Handle, how: str) -> str:
        if handle.ended_by:
            return "timeout"
        return "memory" if "SIGKILL" in how else "crash"

    def _with_tail(self, handle: Handle, how: str) -> str:
        """How it ended and the most telling line it left: the last one of a traceback, the first of a fault report."""
        lines = [line for line in handle.tail if not line.startswith((" ", "Extension modules"))]
        last = next((line for line in lines if line.startswith("Fatal Python error")), lines[-1] if lines else "")
        return f"{how}: {last.strip()[:500]}" if last else how

    def _release(self, handle: Handle) -> None:
        for fd in (handle.results, handle.errors):
            self.poller.remove(fd)
        handle.close()

    def _stop_workers(self) -> None:
        """Ask every worker to close its stages and say goodbye; whoever does not is ended."""
        self.stopping = True
        stop = pack(*record(STOP))
        for handle in self.handles:
            if handle.process is not None and not handle.worker.up:
                handle.ended_by = "the run ended"  # it was not needed any more: it has opened nothing yet
                self._lost(handle)
        waiting = {handle for handle in self.handles if handle.process is not None}
        for handle in waiting:
            handle.outgoing.append(stop)
            handle.write()
        deadline = time.monotonic() + self.stop_timeout_s
        while waiting and time.monotonic() < deadline and not self.hurried:
            self.poller.turn(TICK_S)
            waiting = {handle for handle in waiting if handle.process is not None}

    # ---- time --------------------------------------------------------------------------------------------------

    def _tick(self, elapsed: float) -> None:
        if elapsed > GAP_S:
            for handle in self.handles:
                handle.since += elapsed
            self.moved_at = (self.core.moved, self.now)
        self._start_due()
        for handle in self.handles:
            self._check_deadline(handle)
        self._check_stall()

    def _check_deadline(self, handle: Handle) -> None:
        worker = handle.worker
        if handle.process is None:
            return
        late = self.now - handle.since
        if not worker.up:
            if late > START_TIMEOUT_S:
                handle.ended_by = f"did not get ready within {START_TIMEOUT_S:.0f} s"
                self._lost(handle)
        elif worker.load and late > (limit := self._limit_s(worker)) and not self.core.waits(worker):
            handle.ended_by = f"timed out after {limit:g} s (`timeout`)"
            self._lost(handle)

    def _limit_s(self, worker: Worker) -> float:
        return self.plan.settings.timeout_s * (CLOSING_TIMES if self.core.closes(worker) else 1)

    def _sample(self) -> None:
        """Who is idle now, and whether for want of work or of room."""
        if self.ready_at is None:
            return
        for group, idle in zip(self.core.groups, self.idle, strict=True):
            waiting = self.core.has_work(group)
            for worker in group.workers:
                if worker.load and not self.core.waits(worker):
                    continue
                if worker.load or waiting:
                    idle.blocked += 1
                else:
                    idle.starved += 1

    def _check_stall(self) -> None:
        core = self.core
        moved = core.moved + core.verdicts.ledger.finished
        closing = any(core.closes(handle.worker) for handle in self.handles)  # that has a deadline of its own
        waits_for_input = not core.open and not core.items and not core.exhausted
        if (
            moved != self.moved_at[0] or waits_for_input or closing or self.ready_at is None
        ):  # starting has a time of its own
            self.moved_at = (moved, self.now)
        elif self.now - self.moved_at[1] > self.plan.settings.stall_s:
            raise Stall(
                f"no frame moved for {self.plan.settings.stall_s:g} s (`stall_timeout`)",
                limit=f"{core.open} items in flight",
                remedy="where a frame may take so long, raise `timeout` and `stall_timeout`; else this is a defect: "
                "please report it with these stacks:\n" + self._stacks(),
            )

    def _stacks(self) -> str:
        """Where every worker is now: faulthandler writes it to their standard error."""
        for handle in self.handles:
            if handle.process is not None:
                handle.forget_tail()
                handle.process.kill(signal.SIGUSR1)
        deadline = time.monotonic() + STACKS_S
        asked = [handle for handle in self.handles if handle.process is not None]
        while time.monotonic() < deadline and not all(_told(handle) for handle in asked):
            self.poller.turn(TICK_S)
        return "\n".join(
            f"{handle.worker.group.name} {handle.worker.name}:\n" + "\n".join(handle.tail) for handle in self.handles
        )

    def _complaint(self, handle: Handle) -> None:
        if handle.process is not None and not handle.read_errors():
            self.poller.remove(handle.errors)
