"""The workers of a run as processes: started, lost and replaced, ended."""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from contextlib import ExitStack
from functools import partial
from typing import Protocol

from ..contracts.cause import Cause
from ..errors import EnvironmentRefusal, Exit
from ..plan.machine import memory_kills
from ..scheduler import Halt, Scheduler
from ..scheduler.budget import backoff_s
from ..transport.records import STOP, pack, record
from ..worker import Boot
from .fork_server import ForkServer, ForkServerLost
from .handle import KILLED, Handle, Said
from .poller import Poller
from .run_memory import RunMemory

TICK_S = 0.05
STOP_TIMEOUT_S = 5.0
MEMORY_S = 1.0  # a worker that is killed so soon after the kernel's count of memory kills rose was one of them
MAX_SERVER_DEATHS = 5  # of the fork server in a row without a frame; one more ends the run
LIED = "said what no worker says"
UNFIT = f"exited with status {int(Exit.ENVIRONMENT)}"  # a stage could not be opened, and said why


class Listener(Protocol):
    """Who hears what workers say; called in the loop of the parent."""

    def heard(self, handle: Handle, data: bytes) -> bool:
        """Records of a worker, also the last ones of one that is gone; False for what no worker of ours sends."""

    def printed(self, handle: Handle, said: list[Said]) -> None:
        """Lines that its stages printed."""

    def broken(self, halt: Halt) -> None:
        """The run cannot go on."""


class Workers:
    """All workers of a run, one handle each.

    Args:
        memory: what they share.
        core: the pure core, which decides; everything here only carries out.
        listener: who hears what they say.
        run: short name of the run, part of temporary file names.
        fork_server: one that was started early, to be ready by now.
        absent: numbers of groups whose workers are no processes.

    Attributes:
        handles: one place a worker, by the worker's name.
        now: the run's clock, read once a round.
    """

    def __init__(
        self, memory: RunMemory, core: Scheduler, listener: Listener, run: str, *,
        fork_server: ForkServer | None = None, absent: Collection[int] = (),
    ) -> None:  # fmt: skip
        self.memory = memory
        self.core = core
        self.listener = listener
        self.fork_server = fork_server
        self.absent = absent
        self.handles = [
            Handle(worker, memory.control(worker.name, worker.group.most_credit), Boot(
                memory.plan, worker.group.number, memory.arena.nbytes, memory.offsets[worker.name], run
            ))
            for worker in core.workers
        ]  # fmt: skip
        self.poller = Poller()
        self._due: list[tuple[float, Handle]] = []
        self._server_deaths = self._moved_at_death = 0
        self._server_gone = False
        self._pause_until = 0.0
        self._memory_kills, self._memory_at, self._looked_at = memory_kills(), -math.inf, -math.inf
        self.stopping = self.hurried = self._closed = False
        self.now = time.monotonic()

    # ---- start and end -----------------------------------------------------------------------------------------

    def start_all(self) -> None:
        """Start all workers, in the order of the chain: the writer is needed last."""
        for handle in self.handles:
            if handle.worker.group.number not in self.absent:
                self._start(handle)

    def start_later(self, name: int, delay_s: float) -> None:
        """Start this worker after this many seconds."""
        self._due.append((self.now + delay_s, self.handles[name]))
        self.start_due()

    def start_due(self) -> None:
        """Start those whose time has come."""
        due = [entry for entry in self._due if entry[0] <= self.now]
        if due and not self.stopping:
            self._due = [entry for entry in self._due if entry[0] > self.now]
            for _, handle in due:
                self._start(handle)

    def _start(self, handle: Handle) -> None:
        if handle.process is not None or self.hurried or self._server_deaths > MAX_SERVER_DEATHS:
            return
        now = time.monotonic()
        if now < self._pause_until:
            self._due.append((self._pause_until, handle))
            return
        try:
            handle.start(self._server(), self.memory.arena.fd)
        except ForkServerLost:
            if not self.hurried:
                self._server_lost(handle)
            return
        handle.since = self.now = time.monotonic()
        self.poller.add(handle.results, partial(self._readable, handle))
        self.poller.add(handle.errors, partial(self._complaint, handle))

    def _server(self) -> ForkServer:
        """The fork server; a new one where the last one was lost."""
        if self.fork_server is None:
            self.fork_server = ForkServer()
        elif self._server_gone:
            self.fork_server.restart()
        self._server_gone = False
        return self.fork_server

    def _server_lost(self, handle: Handle) -> None:
        """It was killed, and its workers with it: each is found lost in its turn, and nothing of them is to blame.

        All starts wait for a pause that grows while no frame is finished; then there is a new one.
        """
        moved, self._server_gone = self.core.moved, True
        self._server_deaths = 1 if moved > self._moved_at_death else self._server_deaths + 1
        self._moved_at_death = moved
        if self._server_deaths > MAX_SERVER_DEATHS:
            what = f"the process that forks the workers was lost {self._server_deaths} times, and no frame was finished"
            remedy = "something ends it: see dmesg for a memory kill, and limits of the service manager"
            self.listener.broken(Halt(Exit.STOPPED, f"{what}; {remedy}"))
            return
        self._pause_until = time.monotonic() + backoff_s(self._server_deaths)
        self._due.append((self._pause_until, handle))

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Ask every worker to close its stages and say goodbye; one that does not is ended by `close`."""
        self.stopping = True
        for handle in self.handles:
            if handle.process is not None and not (handle.worker.up or handle.worker.retiring):
                self.end(handle, "the run ended")  # it was not needed any more: it has opened nothing yet
        waiting = {handle for handle in self.handles if handle.process is not None}
        for handle in waiting:
            handle.outgoing.append(pack(*record(STOP)))
            handle.write()
        deadline = time.monotonic() + timeout_s
        while waiting and time.monotonic() < deadline and not self.hurried:
            self.poller.turn(TICK_S)
            waiting = {handle for handle in waiting if handle.process is not None}

    def hurry(self) -> None:
        """End it all soon; also from a signal handler."""
        self.hurried = True
        if self.fork_server is not None:
            self.fork_server.abandon()

    def close(self) -> None:
        """End what is left, at once, and give the arena back; safe to call twice."""
        for handle in self.handles:
            if handle.process is not None:
                handle.ended_by = handle.ended_by or "the run ended"
                handle.process.kill()
        with ExitStack() as rest:  # in reverse order, each of them whatever the others raise
            if not self._closed:
                self._closed = True
                rest.callback(self.memory.arena.close)
                rest.callback(self.poller.close)
            if self.fork_server is not None:
                rest.callback(self.fork_server.close)
            for handle in self.handles:
                if handle.process is not None:
                    rest.callback(self._put_away, handle)

    # ---- lost --------------------------------------------------------------------------------------------------

    def end(self, handle: Handle, why: str) -> None:
        """End a worker for this reason, "" where it is not to blame, and tell the core that it is lost."""
        if handle.process is not None:
            handle.ended_by = why
            self.lost(handle)

    def lost(self, handle: Handle) -> None:
        """A worker has ended, or must: fence it, read what it still said, tell the core."""
        assert self.fork_server is not None
        how, said = handle.fence(self.fork_server)
        while handle.ended_by != LIED and (data := handle.read()) and self.listener.heard(handle, data):
            pass
        self.listener.printed(handle, said)
        if how == UNFIT and not handle.worker.up and not self.stopping:
            self._release(handle)
            raise EnvironmentRefusal(handle.tail[-1] if handle.tail else f"{handle.worker.group.name}: a worker {how}")
        lease, stage = handle.control.running()
        cause = None
        if handle.ended_by != "":
            cause = self._cause(handle, how, stage)
        self._release(handle)
        if not self.stopping:
            self.core.lost(handle.worker, lease, cause)

    def _cause(self, handle: Handle, how: str, stage: int) -> Cause:
        """What a worker is blamed for; what the kernel ended for want of memory is told from what crashed."""
        kind, last = "timeout" if handle.ended_by else "crash", handle.last_words()
        if how == KILLED:
            self.look_at_memory(0.0)
            if time.monotonic() - self._memory_at < MEMORY_S:
                kind, how = "memory", "ended by the kernel, because memory ran out"
        return Cause(self.memory.plan.stage_at(stage).label, kind, f"{how}: {last}" if last else how)

    def look_at_memory(self, pace_s: float) -> None:
        """See whether the kernel has ended something for want of memory; not more often than every `pace_s`."""
        now = time.monotonic()
        if now - self._looked_at < pace_s:
            return
        self._looked_at, kills = now, memory_kills()
        if kills != self._memory_kills:
            self._memory_kills, self._memory_at = kills, now

    def _put_away(self, handle: Handle) -> None:
        assert self.fork_server is not None
        _, said = handle.fence(self.fork_server)
        self._release(handle)
        self.listener.printed(handle, said)

    def _release(self, handle: Handle) -> None:
        for fd in (handle.results, handle.errors):
            self.poller.remove(fd)
        handle.close()

    # ---- what they say -----------------------------------------------------------------------------------------

    def _readable(self, handle: Handle) -> None:
        """A worker said something, or has ended."""
        if handle.process is None:
            return  # lost earlier in this round
        data = handle.read()
        if data is None:
            self.lost(handle)
        elif data:
            handle.since = self.now
            if not self.listener.heard(handle, data):
                self.end(handle, LIED)  # nor is anything believed that comes after it

    def _complaint(self, handle: Handle) -> None:
        if handle.process is None:
            return
        said = handle.read_errors()
        if said is None:
            self.poller.remove(handle.errors)
        elif said:
            self.listener.printed(handle, said)
