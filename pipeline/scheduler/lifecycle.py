"""The events of an undisturbed run: items come in, workers get ready, frames are made, leases end. Pure."""

from __future__ import annotations

from ..contracts.cause import Cause
from ..contracts.frame import Item
from ..transport.records import (
    BUSY,
    ENDED,
    FLAGS,
    FRAMES,
    KIND,
    LEASE,
    NBYTES,
    NBYTES_READ,
    NTH,
    PROPERTIES,
    SIDE_B,
    SPEC,
    Record,
)
from .budget import Budget
from .endings import Endings
from .entities import Entry, Unit, Worker
from .memory import Memory
from .state import State

KEPT = SIDE_B | PROPERTIES  # what is known of a frame's pixels, from the record that tells of it to the next ASSIGN


class Lifecycle:
    """What happens while nothing breaks. Every public method is one event."""

    def __init__(self, state: State, memory: Memory, endings: Endings, budget: Budget) -> None:
        self._state = state
        self._memory = memory
        self._endings = endings
        self._budget = budget
        self._written = endings.written  # of every item: looked up once

    def offer(self, item: Item, target: str) -> None:
        """An item was found, and its output name is claimed."""
        self._budget.ledger.found += 1
        self._state.items.append(Entry(item, target))

    def turn_away(self, item: Item, outcome: str, cause: Cause) -> None:
        """An item was found that is not to be read: its output name is taken, or discovery left it out."""
        self._budget.ledger.found += 1
        self._state.order(*self._budget.count(item, outcome, cause))

    def untouched(self, count: int) -> None:
        """So many items were found that are up to date."""
        self._budget.ledger.found += count
        self._budget.ledger.up_to_date += count

    def ready(self, worker: Worker, extents: tuple[int, int, int]) -> None:
        """A worker has opened its stages; a reader of one fixed Spec says what every frame needs."""
        worker.up = worker.fresh = True
        worker.group.unready_deaths = 0
        worker.group.has_started = True
        if any(extents):
            self._memory.learn(extents, fixed=True)
        worker.group.recount()

    def emit(self, worker: Worker, record: Record) -> None:
        """A producer has made one of its frames; it goes on with the next."""
        state = self._state
        producer = worker.leases.get(record[LEASE])
        if producer is None or producer.dead:
            state.stale += 1
            return
        group, lane, entry = worker.group, producer.lane, producer.item
        entry.busy_us += record[BUSY]
        group.busy_us += record[BUSY]
        group.frames += 1
        state.moved += 1
        child = Unit(entry, lane, producer.group + 1)
        child.flags = record[FLAGS] & KEPT
        child.spec = record[SPEC]
        child.index = record[NTH]  # within its item
        producer.made += 1
        if producer.grants is not None:
            each = producer.each
            assert each is not None
            child.region = producer.grants.popleft()
            child.a, child.b, child.m, child.span = each.a, each.b, each.m, each.span
            child.producer = producer
            producer.children += 1
        else:
            child.region, producer.region = producer.region, -1
            child.a, child.b, child.m, child.span = producer.a, producer.b, producer.m, producer.span
            producer.placed = False
        entry.live += 1
        if lane.ordered:
            lane.line.insert_before(child, producer)
        lane.queues[child.group].arrive(child)

    def done(self, worker: Worker, record: Record) -> None:
        """A lease is over. Anything that matches no lease (a late word of a worker that was given up) is dropped."""
        state = self._state
        unit = worker.release(record[LEASE])
        if unit is None:
            state.stale += 1
            return
        state.moved += 1
        group = worker.group
        unit.item.busy_us += record[BUSY]
        group.busy_us += record[BUSY]
        group.nbytes += record[NBYTES]
        if unit.dead:
            self._endings.discard(unit)
        elif group.last:
            group.frames += record[FRAMES]
            group.nbytes_read += record[NBYTES_READ]
            self._written(unit, record[FRAMES])
        elif record[KIND] == ENDED:
            self._endings.leave(unit)
        else:
            group.frames += 1
            number, queues = unit.group, unit.lane.queues
            if number:
                queues[number].occupied -= 1
            unit.flags = record[FLAGS] & KEPT
            unit.spec = record[SPEC]
            unit.placed = False
            unit.group = number + 1
            queues[number + 1].arrive(unit)
