"""A simulated world around the pure core: workers that answer as real ones do, in any order, and die at any moment.

Nothing here knows time. A step lets one worker take one record or say one thing; the checks after each step are the
safety properties, and `run_out` is the liveness property: left alone, every item comes to an end.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from pipeline.config.key_types import Credit, MaxFailures
from pipeline.config.keys import Edge, OnError, Settings
from pipeline.contracts.cause import Cause
from pipeline.contracts.frame import Item
from pipeline.contracts.spec import Spec
from pipeline.plan.model import GroupPlan, Plan, StagePlan
from pipeline.scheduler import Halt, Kill, Outcome, Scheduler, Start, Worker
from pipeline.transport.allocator import Allocator
from pipeline.transport.records import (
    ASSIGN,
    DONE,
    EMIT,
    ENDED,
    FINISH,
    FLAGS,
    GRANT,
    GRANTED,
    KIND,
    LEASE,
    MADE,
    NO_SPEC,
    NTH,
    OFFSET,
    REFUSE,
    SIDE_B,
    SPAN,
    UNIT,
    VOID,
    Record,
    extents_of,
    region_nbytes,
    without,
)
from pipeline.transport.records import record as make

SPEC = Spec(1, 1).pack()
BUDGET = 1 << 20


@dataclass
class Shape:
    """What kind of run is simulated."""

    workers: list[int]
    depth: int = 2
    credit: int = 2
    most_credit: int = 0  # above credit: it grows while leases are short
    in_order: bool = False
    kind: str = "single"  # single | many | streams
    expands: int = 1  # of the first transform group
    items: int = 12
    frames: int = 4  # of an item, for many and streams
    big: bool = False  # needs up to half the arena
    retries: int = 2
    threads: int = 0  # of readers of single frames


def make_plan(shape: Shape) -> Plan:
    """The Plan of a shape, as the planner would make it."""
    last = len(shape.workers) - 1
    groups = []
    for number, workers in enumerate(shape.workers):
        expanding = shape.expands > 1 and number == 1 and last > 1
        lone = expanding or (number == 0 and shape.kind != "single" and last > 0)
        credit = 1 if lone else shape.credit
        most = credit if lone else max(credit, shape.most_credit)
        threads = shape.threads if number == 0 and shape.kind == "single" else 0
        credit, most = (credit + threads, most + threads)
        order = shape.in_order or (number == last and shape.kind == "streams")
        groups.append(
            GroupPlan(
                f"g{number}",
                (StagePlan(f"s{number}", "x:Y"),),
                workers,
                queue=Edge(shape.depth, "input" if order else "completed", Credit(credit, most)),
                reads=number == 0,
                writes=number == last,
                expands=expanding,
                threads=threads,
            )
        )
    return Plan(
        "simulated",
        tuple(groups),
        streams=shape.kind == "streams",
        many=shape.kind == "many",
        in_order=any(group.queue.in_order for group in groups[1:]),
        settings=Settings(on_error=OnError(retries=shape.retries, max_failures=MaxFailures())),
    )


@dataclass
class Process:
    """One simulated worker process: records not yet read, and what it is doing."""

    worker: Worker
    inbox: deque[Record] = field(default_factory=deque)
    job: Record | None = None
    made: int = 0
    asked: bool = False
    grants: deque[tuple[int, int]] = field(default_factory=deque)
    alive: bool = False
    extents: tuple[int, int, int] = (0, 0, 0)


class World:
    """The core, its allocator and the simulated processes."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.shape = shape
        self.random = Random(seed)
        self.plan = make_plan(shape)
        self.allocator = Allocator(start=0, limit=BUDGET)
        self.core = Scheduler(self.plan, self.allocator)
        self.processes = [Process(worker) for worker in self.core.workers]
        self.found = 0
        self.outcomes: dict[int, str] = {}
        self.written: list[tuple[int, int]] = []
        self.poison: set[int] = set()
        self.halted = ""
        self.finished: list[int] = []
        for process in self.processes:
            self.start(process)

    # ---- what happens --------------------------------------------------------------------------------------

    def start(self, process: Process) -> None:
        process.alive, process.job, process.made, process.asked = True, None, 0, False
        process.inbox.clear()
        process.grants.clear()
        self.core.ready(process.worker, (0, 0, 0))

    def offer(self) -> None:
        if self.found < self.shape.items and self.core.hungry:
            self.core.offer(Item(self.found, str(self.found)), "")
            self.found += 1
            if self.found == self.shape.items:
                self.core.end_of_input()

    def settle(self) -> None:
        """Pump, deliver records, carry out orders; then check what must always hold."""
        for group in self.core.groups:  # runs here are short: credit is looked at every third frame
            group.review_at = group.review_at and min(group.review_at, group.frames + 3)
        for _ in range(100):
            self.core.pump()
            sends, orders = self.core.sends.copy(), self.core.orders.copy()
            self.core.sends.clear()
            self.core.orders.clear()
            if not sends and not orders:
                break
            for worker, record, _entry, _text in sends:
                self.processes[worker.name].inbox.append(record)
            for order in orders:
                self._carry_out(order)
        for entry in self.core.done_items:
            assert entry.number not in self.outcomes, "an item ended twice"
            self.outcomes[entry.number] = "done"
        self.core.done_items.clear()
        self.check()

    def _carry_out(self, order: object) -> None:
        if isinstance(order, Outcome):
            assert order.item.number not in self.outcomes, "an item ended twice"
            self.outcomes[order.item.number] = order.outcome
        elif isinstance(order, Start):
            self.start(self.processes[order.worker])
        elif isinstance(order, Kill):
            self.kill(self.processes[order.worker], blame=False)
        elif isinstance(order, Halt):
            self.halted = order.reason

    def kill(self, process: Process, *, blame: bool = True) -> None:
        """The process ends here and now; the parent has fenced it."""
        if not process.alive:
            return
        process.alive = False
        running = process.job[LEASE] if process.job else 0
        process.inbox.clear()
        self.core.lost(process.worker, running, Cause("s", "crash", "killed") if blame else None)

    def retire(self, process: Process) -> None:
        """The parent wants a fresh one in its place, once it has ended what it has in hand."""
        if process.alive:
            self.core.retire(process.worker)

    def step(self, process: Process) -> bool:
        """Let one process do one thing; False when it can do nothing."""
        if not process.alive:
            return False
        if process.worker.retiring and not process.worker.load:
            self.kill(process, blame=False)
            return True
        if process.job is None:
            if not process.inbox:
                return False
            record = process.inbox.popleft()
            if record[KIND] in (ASSIGN, FINISH):
                process.job, process.made, process.asked = record, record[MADE], False
                process.grants.clear()
                own = region_nbytes(*extents_of(record))
                if record[FLAGS] & GRANTED and record[SPAN] * UNIT >= own + self._tail(process.worker.group.number):
                    process.grants.append((record[OFFSET], record[SPAN] * UNIT))
                    process.extents = extents_of(record)
            return True
        for place, record in enumerate(list(process.inbox)):
            if record[LEASE] == process.job[LEASE] and record[KIND] in (GRANT, REFUSE):
                process.inbox.remove(record)
                for before in range(
                    place if record[FLAGS] & VOID else 0
                ):  # as the worker does: what these lent is void
                    if process.inbox[before][KIND] == ASSIGN:
                        process.inbox[before] = without(GRANTED, process.inbox[before])
                if record[KIND] == REFUSE:
                    self._answer(process, ENDED)
                    return True
                process.grants.append((record[OFFSET], record[SPAN] * UNIT))
                return True
        return self.work(process)

    def work(self, process: Process) -> bool:
        """Let a process go on with its job."""
        job, group = process.job, process.worker.group
        assert job is not None
        unit = process.worker.leases.get(job[LEASE])
        if unit is not None and unit.item.number in self.poison and group.number == len(self.shape.workers) // 2:
            self.kill(process)
            return True
        if job[KIND] == FINISH:
            assert unit is not None
            self.finished.append(unit.item.number)
            self._answer(process, DONE)
        elif group.last:
            frames = self.shape.frames if self.core.state.fused and self.shape.kind != "single" else 1
            if unit is not None and not unit.dead:
                self.written.append((unit.item.number, unit.index))
            self._answer(process, DONE, frames=frames)
        elif group.number and not group.expands:
            self._answer(process, DONE, flags=(job[FLAGS] & SIDE_B) ^ SIDE_B)
        else:
            return self._produce(process)
        return True

    def _produce(self, process: Process) -> bool:
        """A reader, or an expanding group."""
        job, group, shape = process.job, process.worker.group, self.shape
        assert job is not None
        frames = shape.expands if group.number else (1 if shape.kind == "single" else shape.frames)
        slots = bool(group.number) or shape.kind == "streams"
        if process.made >= frames:
            self._answer(process, ENDED)
            return True
        if not process.grants:
            if slots and process.asked:
                return False
            process.asked = True
            if not slots and any(record[KIND] == GRANT for record in process.inbox):
                return False
            return self._ask(process, group.number, slots=slots)
        process.grants.popleft()
        process.made += 1
        if shape.kind == "single" and not group.number:
            self._answer(process, DONE, spec=SPEC)
            return True
        process.asked = slots
        index = job[NTH] * frames + process.made - 1 if group.number else process.made - 1
        self.core.emit(process.worker, make(EMIT, lease=job[LEASE], nth=index, spec=SPEC, busy_us=1))
        return True

    def _ask(self, process: Process, number: int, *, slots: bool) -> bool:
        job, shape = process.job, self.shape
        assert job is not None
        unit = process.worker.leases.get(job[LEASE])
        if unit is not None and (unit.asking or unit in self.core.state.place_wait):
            return False
        top = BUDGET // 2 // UNIT // 2 - 256 if shape.big and shape.kind == "single" else 64
        share = 4 if shape.expands > 1 or shape.kind == "streams" else 1
        a, b = self.random.randint(1, max(1, top // share)), self.random.randint(0, max(1, top // share))
        if number:  # parts fit the reserve behind their frame
            a, b = 1, 1
        span = region_nbytes(a, b, 0)
        span += self._tail(number)
        wanted = (2 if shape.kind == "streams" else 1) if slots else 0
        span = -(-span // UNIT) * UNIT
        self.core.need(process.worker, job[LEASE], (a, b, 0), span, wanted)
        return True

    def _tail(self, number: int) -> int:
        """Bytes that a reader reserves for the parts of an expanding group."""
        return 2 * 4096 if self.shape.expands > 1 and not number and len(self.shape.workers) > 2 else 0

    def _answer(self, process: Process, kind: int, *, flags: int = 0, frames: int = 0, spec: bytes = NO_SPEC) -> None:
        job, process.job = process.job, None
        assert job is not None
        busy_us = self.random.choice((1, 9_000))  # short leases and long ones: credit goes up and down
        self.core.done(process.worker, make(kind, flags, 0, job[LEASE], nth=frames, spec=spec, busy_us=busy_us))

    # ---- what must hold ------------------------------------------------------------------------------------

    def check(self) -> None:
        """Safety: bounds, ownership, credit, order."""
        core = self.core
        for group in core.groups:
            assert group.spare == sum(max(0, group.credit - w.load) for w in group.workers if w.up and w.only is None)
            for worker in group.workers:
                assert worker.load == len(worker.leases) <= group.most_credit
                assert len(worker.texts) + worker.load == group.most_credit
            if group.number:
                taken = 0
                for lane in {*core.state.lanes, core.state.run_lane}:
                    queue = lane.queues[group.number]
                    assert 0 <= queue.occupied <= queue.limit, (group.name, queue.occupied, queue.limit)
                    taken += queue.occupied
                assert taken <= group.plan.queue.depth + group.most_credit * group.plan.workers
        lent = self.allocator.lent_ranges()
        assert all(low < high <= BUDGET for low, high in lent)
        assert all(first[1] <= second[0] for first, second in pairwise(lent)), "regions overlap"
        ledger = core.ledger
        assert ledger.found == ledger.finished + core.open + len(core.items), "the ledger does not balance"

    def run_out(self) -> None:
        """Liveness: without further harm everything ends."""
        for _ in range(5_000):
            self.offer()
            self.settle()
            if self.core.over or self.halted:
                break
            busy = [process for process in self.processes if process.alive]
            self.random.shuffle(busy)
            if not any(self.step(process) for process in busy) and self.found == self.shape.items:
                self.settle()
                if self.core.over or self.halted:
                    break
                if not any(process.inbox for process in busy):
                    raise AssertionError(f"stall: {self.core.open} items in flight, {self.core.ledger}")
        assert self.core.over or self.halted
        if self.halted:
            return
        ledger = self.core.ledger
        assert ledger.balances
        assert set(self.outcomes) == set(range(self.shape.items)), "an item was lost"
        assert not self.allocator.lent_ranges(), "a region leaked"
        for lane in {*self.core.state.lanes, self.core.state.run_lane}:
            assert not any(queue.occupied for queue in lane.queues), "a place leaked"


def shape_of(random: Random) -> Shape:
    """Any shape of a run."""
    return Shape(
        workers=[random.randint(1, 3) for _ in range(random.randint(1, 4))],
        depth=random.randint(1, 4),
        credit=random.randint(1, 3),
        most_credit=random.choice([0, 0, 5]),
        in_order=random.random() < 0.5,
        kind=random.choice(["single", "single", "many", "streams"]),
        expands=random.choice([1, 1, 3]),
        items=random.randint(1, 12),
        frames=random.randint(0, 5),
        big=random.random() < 0.5,
        threads=random.choice([0, 0, 4]),
    )


def disturbed(world: World, *, kills: int = 6, share: float = 0.02) -> None:
    """A run in which workers die and are replaced at random moments; then it is left in peace to its end."""
    for _ in range(400):
        world.offer()
        world.settle()
        process, chance = world.random.choice(world.processes), world.random.random()
        if kills and chance < share:
            kills -= 1
            world.kill(process)
        elif chance < 2 * share:
            world.retire(process)
        else:
            world.step(process)
    world.run_out()


def schedule(seed: int) -> World:
    """One simulated run that the seed decides alone: its shape, its poisons, who does what when, and who dies."""
    random = Random(seed)
    world = World(shape_of(random), seed)
    world.poison = {random.randrange(12) for _ in range(random.randint(0, 3))}
    disturbed(world, kills=random.randint(0, 8), share=random.choice([0.0, 0.01, 0.05]))
    return world


if __name__ == "__main__":
    import sys

    for argument in sys.argv[1:]:
        ended = schedule(int(argument))
        print(f"{ended.shape}: {ended.core.ledger}{', stopped: ' + ended.halted if ended.halted else ''}")
