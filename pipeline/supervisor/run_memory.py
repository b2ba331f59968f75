"""The shared memory of a run: the control blocks of its workers, and behind them what frames are lent."""

from __future__ import annotations

from dataclasses import replace

from ..errors import EnvironmentRefusal
from ..plan.model import Plan
from ..transport.allocator import Allocator
from ..transport.arena import Arena, GrowingPool
from ..transport.control_block import Control, control_nbytes
from ..transport.records import PAGE


class RunMemory:
    """The arena of a run, laid out.

    Attributes:
        plan: the plan, its memory budget less what the control blocks take.
        pool: what regions of frames are taken from.
        offsets: of each worker's control block, in the order of the workers.

    Raises:
        EnvironmentRefusal: the memory cannot be had.
    """

    def __init__(self, plan: Plan) -> None:
        groups = [group for group in plan.groups for _ in range(group.workers)]
        self._rooms = [plan.partial_nbytes if group.writes else 0 for group in groups]
        sizes = [control_nbytes(group.queue.credit.most, room) for group, room in zip(groups, self._rooms, strict=True)]
        self.offsets = [sum(sizes[:number]) for number in range(len(sizes))]
        start = -(-sum(sizes) // PAGE) * PAGE
        if plan.memory_nbytes >= 16 * start:  # the budget covers the control blocks too, unless it is tiny
            plan = replace(plan, memory_nbytes=plan.memory_nbytes - start)
        self.plan = plan
        self.arena = Arena(start + plan.memory_nbytes)
        self.pool = GrowingPool(self.arena, Allocator(start=start, limit=start + plan.memory_nbytes))
        if not self.arena.ensure(start):
            raise EnvironmentRefusal("no shared memory for the control blocks", limit=f"{start} bytes are needed")

    def control(self, worker: int, credit: int) -> Control:
        """The control block of a worker, seen from the parent."""
        return Control(self.arena.map, self.offsets[worker], credit, self._rooms[worker])
