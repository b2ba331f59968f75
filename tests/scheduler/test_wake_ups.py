"""How much work a worker is given ahead, and how long the parent leaves records lying: decided by the pure core."""

from __future__ import annotations

import pytest

from pipeline.config.key_types import Credit
from pipeline.config.keys import Edge
from pipeline.contracts.frame import Item
from pipeline.plan.model import GroupPlan, Plan, StagePlan
from pipeline.scheduler import Scheduler
from pipeline.transport.allocator import Allocator
from pipeline.transport.records import DONE, record

STAGE = (StagePlan("s", "x:Y"),)
FIXED = Credit(2, 2)


def running(
    lease_us: int, *, cores: int = 2, pinned: tuple[int, ...] | None = None, destination: str | None = None,
    credit: Credit = FIXED,
) -> Scheduler:  # fmt: skip
    """A run of one reader and one writer in which 64 items took so long each, and the workers have all they may."""
    queue = Edge(depth=64, credit=credit)
    groups = (
        GroupPlan("reader", STAGE, 1, queue=queue, reads=True),
        GroupPlan("writer", STAGE, 1, queue=queue, writes=True, cores=pinned),
    )
    core = Scheduler(
        Plan("x", groups, destination=destination, usable_cores=tuple(range(cores))), Allocator(start=0, limit=1 << 20)
    )
    for worker in core.workers:
        core.ready(worker, (4, 0, 0))
    found = 0
    for turn in range(80):
        while core.hungry:
            core.offer(Item(found, str(found)), "")
            found += 1
        core.pump()
        core.sends.clear()
        for worker in core.workers[: 1 if turn == 79 else 2]:  # at last the writer keeps what it has
            for lease in list(worker.leases):
                core.done(worker, record(DONE, lease=lease, nth=1, busy_us=lease_us))
    core.pump()
    return core


@pytest.mark.parametrize(("lease_us", "credit"), [(100, 8), (1_000, 8), (2_000, 4), (22_000, 2)])
def test_credit_grows_while_leases_are_short(lease_us: int, credit: int) -> None:
    """A worker has some milliseconds of work in hand, whatever a frame costs, between the two numbers of the plan."""
    core = running(lease_us, credit=Credit(2, 8))
    assert [group.credit for group in core.groups] == [credit, credit]
    assert core.workers[0].load == credit


def test_a_fixed_credit_stays() -> None:
    """A number in the config is what every worker gets."""
    assert [group.credit for group in running(100, credit=Credit(3, 3)).groups] == [3, 3]


@pytest.mark.parametrize(("lease_us", "patience_us"), [(100, 0), (500, 1_250), (1_000, 2_500), (22_000, 3_000)])
def test_records_may_lie_while_every_core_has_work_in_hand(lease_us: int, patience_us: int) -> None:
    """Half of what waits at the workers, at most 3 ms, and nothing where that is too short to be worth it."""
    assert running(lease_us, credit=Credit(6, 6)).patience_us() == patience_us


def test_no_patience_while_a_core_is_idle() -> None:
    """Two workers cannot feed four cores: each record is looked at when it comes."""
    assert running(1_000, credit=Credit(6, 6), cores=4).patience_us() == 0


def test_pinned_groups_must_feed_their_own_cores() -> None:
    """The reader is busy enough for its core, but the writer's core is its own: it has to have work as well."""
    core = running(1_000, credit=Credit(6, 6), pinned=(1,))
    assert core.patience_us() == 2_500
    writer = core.workers[-1]
    for lease in list(writer.leases):
        core.done(writer, record(DONE, lease=lease, nth=1, busy_us=1_000))
    assert core.patience_us() == 0


def test_no_patience_where_workers_wait_for_answers() -> None:
    """A name that only the frame decides is claimed for each frame; memory may be asked for often: both wait for us."""
    assert running(1_000, credit=Credit(6, 6), destination="out/{stem}.jpg").patience_us() == 2_500
    assert running(1_000, credit=Credit(6, 6), destination="out/{hash}.jpg").patience_us() == 0
    core = running(1_000, credit=Credit(6, 6))
    reader = core.workers[0]
    for lease in list(reader.leases):
        core.need(reader, lease, (8, 0, 0), 4096, 0)
    assert core.patience_us() == 2_500
    for lease in list(reader.leases) * 2:
        core.need(reader, lease, (8, 0, 0), 4096, 0)
    assert core.patience_us() == 0
