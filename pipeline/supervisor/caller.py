"""A run whose writer is a loop of the caller: what `pipeline.frames` iterates over."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from ..config.key_types import Credit
from ..contracts.frame import Frame
from ..errors import EnvironmentRefusal, Exit, PipelineError, StopRun, UsageError
from ..plan.model import GroupPlan, Plan, StagePlan
from ..scheduler import Entry
from ..transport.arena import map_arena
from ..transport.records import ASSIGN, DONE, KIND, LEASE, SLOT, Record
from ..transport.records import record as make
from ..worker.views import Views
from .execution import Run
from .recorder import Show
from .report import Report
from .run_loop import RunLoop
from .workers import TICK_S

LOOP = StagePlan("loop", "stages.writers.null:Null")


class Desk:
    """The caller as the last worker of a run: leases arrive here, their frames are views of the arena."""

    def __init__(self, loop: RunLoop) -> None:
        self.worker = loop.core.groups[-1].workers[0]
        self.arrived: deque[tuple[Record, Entry]] = deque()
        arena = loop.memory.arena
        self.remarks: list[str] = []
        self.map: Any = map_arena(arena.fd, arena.nbytes)  # a second mapping: views of it may outlive the run
        self._views: Views | None = Views(self.map, self.remarks)

    def receive(self, record: Record, entry: Entry) -> None:
        """A lease for the caller."""
        self.arrived.append((record, entry))

    def frame(self, record: Record, entry: Entry) -> Frame:
        """The frame of a lease."""
        assert self._views is not None
        return self._views.frame(record, entry.item)

    def close(self) -> None:
        """Let go of the mapping; it goes with the last view that the caller keeps."""
        self._views = self.map = None


class Frames:
    """The frames of a plan, one at a time, in the order of its queues. Iterate once; `close`, or leave the `with`.

    A frame's pixels are a read-only view of the arena, (H, W, C); they are valid until the next frame is asked for.
    Workers go on meanwhile with what they have in hand, and no further than the queues allow.

    Attributes:
        report: the ledger, failures and figures; complete when the iteration is over.
    """

    def __init__(self, plan: Plan, limit: int | None = None, *, show: Show | None = None) -> None:
        plan = _ending_here(plan)
        self._run = Run(plan, limit, own_group=len(plan.groups) - 1, show=show)
        self._loop = self._run.loop
        self._desk = self._loop.caller = Desk(self._loop)
        self._cpu_s = time.process_time()
        self._over = False
        self._frames = self._iterate()

    @property
    def report(self) -> Report:
        return self._run.report

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
        """Frames as they arrive; what the caller did with one is over when it asks for the next."""
        try:
            if self._loop.begin():
                yield from self._arriving()
                self._loop.finish()
        except PipelineError as error:
            self._run.stopped_by(error)
        finally:
            self._end()
        if self.report.exit_code in (Exit.STOPPED, Exit.ENVIRONMENT, Exit.USAGE, Exit.INTERNAL):
            kind = {Exit.ENVIRONMENT: EnvironmentRefusal, Exit.USAGE: UsageError}.get(self.report.exit_code, StopRun)
            raise kind(self.report.stopped)

    def _arriving(self) -> Generator[Frame, None, None]:
        loop, arrived = self._loop, self._desk.arrived
        while not loop.over:
            loop.turn(0 if arrived else TICK_S)
            if arrived:
                record, entry = arrived.popleft()
                if record[KIND] == ASSIGN:
                    yield self._desk.frame(record, entry)
                loop.core.done(self._desk.worker, make(DONE, slot=record[SLOT], lease=record[LEASE], nth=1))

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        if not self._loop.over:
            self._loop.core.cancel_rest()
        self._desk.close()
        self._run.close()
        self._run.conclude(time.process_time() - self._cpu_s)


def _ending_here(plan: Plan) -> Plan:
    """The plan with the caller in place of the writer; transforms in the writer's group get one of their own."""
    *groups, last = plan.groups
    if not groups:
        raise UsageError("fuse: all has no queue before the writer", remedy="use fuse: none")
    own = last.stages[: -1 - plan.reducing]
    if own:
        groups.append(replace(
            last, name="last", stages=own, workers=max(1, len(plan.usable_cores)), writes=False
        ))  # fmt: skip
    queue = replace(last.queue, credit=Credit(1, 1))
    here = GroupPlan("loop", (LOOP,), 1, queue=queue, writes=True)
    return replace(plan, groups=(*groups, here), encoder=None, destination=None, archives=None, reducing=0)
