"""When a group whose workers keep ending is given up: decided by the pure core."""

from __future__ import annotations

from pipeline.config.key_types import Credit
from pipeline.config.keys import Edge
from pipeline.contracts.cause import Cause
from pipeline.contracts.frame import Item
from pipeline.errors import Exit
from pipeline.plan.model import GroupPlan, Plan, StagePlan
from pipeline.scheduler import Halt, Scheduler, Worker
from pipeline.transport.allocator import Allocator
from pipeline.transport.records import DONE, record

STAGE = (StagePlan("s", "x:Y"),)
KILLED = Cause("s", "memory", "killed by SIGKILL")


def two_readers() -> Scheduler:
    """A run whose first reader and whose writer are ready, with more items than any test here ends."""
    queue = Edge(depth=64, credit=Credit(2, 2))
    groups = (
        GroupPlan("reader", STAGE, 2, queue=queue, reads=True),
        GroupPlan("writer", STAGE, 1, queue=queue, writes=True),
    )
    core = Scheduler(Plan("x", groups, usable_cores=(0, 1)), Allocator(start=0, limit=1 << 20))
    for number in range(50):
        core.offer(Item(number, str(number)), "")
    first, _, writer = core.workers
    core.ready(first, (4, 0, 0))
    core.ready(writer, (0, 0, 0))
    core.pump()
    return core


def finish_one(core: Scheduler, worker: Worker) -> None:
    """The worker's oldest lease ends, and it is given the next one."""
    core.done(worker, record(DONE, lease=next(iter(worker.leases)), nth=1, busy_us=100))
    core.pump()


def deaths_before_the_end(core: Scheduler, worker: Worker, *, working: Worker | None = None) -> int:
    """How often a worker that never gets ready may end; at most 30 are tried."""
    for deaths in range(1, 31):
        core.lost(worker, 0, KILLED)
        if any(isinstance(order, Halt) and order.exit_code == Exit.STOPPED for order in core.orders):
            return deaths
        core.orders.clear()
        if working is not None:
            finish_one(core, working)
    return 30


def test_a_group_that_starts_no_more_ends_the_run() -> None:
    """It had a worker ready, so twenty may be killed in a row; one that never had stops after five."""
    for started, deaths in ((True, 21), (False, 6)):
        core = two_readers()
        first, second, _ = core.workers
        core.lost(first, 0, KILLED)
        core.orders.clear()
        second.group.has_started = started
        assert deaths_before_the_end(core, second) == deaths


def test_a_group_with_a_ready_worker_is_not_given_up() -> None:
    """One worker of a group ends again and again while it starts; the other one is ready, and may wait for room."""
    core = two_readers()
    first, second, _ = core.workers
    assert deaths_before_the_end(core, second) == 30
    assert deaths_before_the_end(core, second, working=first) == 30


def test_frames_of_another_group_do_not_count() -> None:
    """The writer still works through what was read before: the reader's workers cannot start all the same."""
    core = two_readers()
    first, second, writer = core.workers
    for _ in range(20):
        finish_one(core, first)
    core.lost(first, 0, KILLED)
    core.orders.clear()
    assert deaths_before_the_end(core, second, working=writer) == 21
