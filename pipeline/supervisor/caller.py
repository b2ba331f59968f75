"""A run whose writer is a loop of the caller: what `pipeline.frames` iterates over."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, cast

from ..config.key_types import Credit
from ..contracts.frame import Frame
from ..errors import EnvironmentRefusal, Exit, StopRun, UsageError
from ..plan.model import GroupPlan, Plan, StagePlan
from ..scheduler import Entry
from ..transport.arena import map_arena
from ..transport.records import ASSIGN, DONE, KIND, LEASE, SLOT, Record
from ..transport.records import record as make
from ..worker import Boot
from ..worker.work import Parent, Role
from .discovery import Discovery
from .execution import Run
from .report import Report
from .run_loop import FIRST_S, Loop
from .worker_process import Handle
from .workers import TICK_S

LOOP = StagePlan("loop", "stages.writers.null:Null")


class Frames(Run):
    """The frames of a plan, one at a time, in the order of its queues. Iterate once; `close`, or leave the `with`.

    A frame's pixels are a read-only view of the arena, (H, W, C); they are valid until the next frame is asked for.
    Workers go on meanwhile with what they have in hand, and no further than the queues allow.

    Attributes:
        report: the ledger, failures and figures; complete when the iteration is over.
    """

    loop: FrameLoop

    def __init__(self, plan: Plan, limit: int | None = None) -> None:
        super().__init__(_ending_here(plan), limit, loop=FrameLoop)
        self._cpu_s = time.process_time()
        self._over = False
        self._frames = self._iterate()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame:
        return next(self._frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> Report:
        """End the run where it stands; items that are not done are cancelled. Safe to call twice."""
        self._frames.close()
        self._end()
        return self.report

    def _iterate(self) -> Generator[Frame, None, None]:
        try:
            yield from self.loop.frames()
        finally:
            self._end()
        if self.report.exit_code in (Exit.STOPPED, Exit.ENVIRONMENT, Exit.USAGE, Exit.INTERNAL):
            kind = {Exit.ENVIRONMENT: EnvironmentRefusal, Exit.USAGE: UsageError}.get(self.report.exit_code, StopRun)
            raise kind(self.report.stopped)

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        if not self.loop.core.over and self.loop.halt is None:
            self.loop.core.cancel_rest()
        self.loop.close()
        self.intake.claims.close()
        self._conclude(time.process_time() - self._cpu_s)


class FrameLoop(Loop):
    """A loop whose last group is no process: what would be sent to it is handed to the caller."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.here = self.core.groups[-1].workers[0]
        self.arrived: deque[tuple[Record, Entry]] = deque()
        self.remarks: list[str] = []
        self.map: Any = map_arena(self.arena.fd, self.arena.nbytes)  # a second mapping: views of it may outlive the run
        self.control = self.handles[self.here.name].control
        boot = Boot(self.plan, self.here.group.number, self.arena.nbytes, 0, "")
        self.role: Role | None = Role(boot, cast("Parent", self))

    def frames(self) -> Generator[Frame, None, None]:
        """Frames as they arrive; what the caller did with one is over when it asks for the next."""
        self.discovery = Discovery(self.intake, self.wake_w)
        if self.discovery.is_empty(FIRST_S):
            self._feed()
            return
        self.core.ready(self.here, (0, 0, 0))
        self._start_all()
        self._begin()
        while self.halt is None and not self.core.over:
            self._turn(0 if self.arrived else TICK_S)
            if self.arrived:
                record, entry = self.arrived.popleft()
                if record[KIND] == ASSIGN:
                    assert self.role is not None
                    yield self.role.frame(record, entry.item)
                self.core.done(self.here, make(DONE, slot=record[SLOT], lease=record[LEASE], nth=1))
        self._pump()
        if self.halt is None:
            self._stop_workers()

    def close(self) -> None:
        """End what is left; the mapping goes with the last view that the caller keeps."""
        self.role = self.map = None
        super().close()

    def _start(self, handle: Handle) -> None:
        if handle.worker is not self.here:
            super()._start(handle)

    def _send(self) -> None:
        sends = self.core.sends
        self.arrived.extend((record, entry) for worker, record, entry, _ in sends if worker is self.here and entry)
        self.core.sends = [send for send in sends if send[0] is not self.here]
        super()._send()


def _ending_here(plan: Plan) -> Plan:
    """The plan with the caller in place of the writer; transforms in the writer's group get one of their own."""
    *groups, last = plan.groups
    if not groups:
        raise UsageError("fuse: all has no queue before the writer", remedy="use fuse: none")
    if last.stages[:-1]:
        groups.append(replace(
            last, name="last", stages=last.stages[:-1], workers=max(1, len(plan.usable_cores)), writes=False
        ))  # fmt: skip
    queue = replace(last.queue, credit=Credit(1, 1))
    here = GroupPlan("loop", (LOOP,), 1, queue=queue, writes=True)
    return replace(plan, groups=(*groups, here), encoder=None, destination=None)
