"""The way of a frame, undisturbed: the events of workers, and how frames and items end. Pure: no time, pipe or pid.

Every public method is one event.
"""

from __future__ import annotations

from ..contracts.frame import Item
from ..transport.records import (
    BUSY,
    ENDED,
    FINISH,
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
from .dispatch import Handout
from .lending import short
from .state import Entry, Halt, Lane, Outcome, Unit, Worker


class Flow(Handout):
    """The undisturbed run; `recovery.Scheduler` adds what happens when something breaks."""

    # ---- events ------------------------------------------------------------------------------------------------

    def offer(self, item: Item, target: str) -> None:
        """An item was found, and its output name is claimed."""
        self.verdicts.ledger.found += 1
        self.items.append(Entry(item, target))

    def turn_away(self, item: Item, outcome: str, kind: str, reason: str) -> None:
        """An item was found that is not to be read: its output name is taken, or discovery left it out."""
        self.verdicts.ledger.found += 1
        self._count(*self.verdicts.count(item, outcome, "", kind, reason))

    def ready(self, worker: Worker, extents: tuple[int, int, int]) -> None:
        """A worker has opened its stages; a reader of one fixed Spec says what every frame needs."""
        worker.up = worker.fresh = True
        worker.group.unready_deaths = 0
        if any(extents):
            self.admission.learn(extents, fixed=True)
        self._recount(worker.group)

    def need(self, worker: Worker, lease: int, extents: tuple[int, int, int], span: int, slots: int) -> None:
        """A producer knows how much memory its frame (or, with slots, each of its frames) needs.

        Args:
            extents: a, b, m in units of 64 bytes.
            span: bytes of one region with all that belongs to it.
            slots: regions for several frames of this lease; 0 asks for one frame.
        """
        unit = worker.leases.get(lease)
        if unit is None or unit.dead:
            self._refuse_dead(worker, unit)
            return
        if slots and unit.group:
            self._carve(unit, extents, span)
            return
        self.pace.asked += 1
        if not slots:
            self.admission.learn(extents)
        if unit.region >= 0:
            self.admission.give_back(unit)
            self.admission.enter(unit)
        if unit.placed and not slots and self.admission.ask_now(unit, extents, span):
            self._granted(unit)
            return
        self._void_behind(worker, unit)
        total = span * max(1, slots)
        if not self.admission.fits(total):
            unit.a, unit.b, unit.m, unit.span = *extents, total
            self._refuse(unit, slots)
            return
        if slots:
            unit.part = (*extents, span)
        if unit.placed or self.streams:
            self.admission.ask(unit, extents, total)
        else:
            unit.a, unit.b, unit.m, unit.span = *extents, total
            self.place_wait.append(unit)

    def _void_behind(self, worker: Worker, unit: Unit) -> None:
        """What was lent to leases that this worker has not begun is taken back while it waits for memory.

        Else they would hold memory and wait for their worker, which waits for memory. The answer tells it so (VOID).
        """
        worker.asks = True
        for other in worker.leases.values():
            if other is not unit and other.region >= 0 and other.slots is None:
                self.admission.give_back(other)
                self.admission.enter(other)

    def emit(self, worker: Worker, record: Record) -> None:
        """A producer has made one of its frames; it goes on with the next."""
        producer = worker.leases.get(record[LEASE])
        if producer is None or producer.dead:
            self.stale += 1
            return
        group, lane = worker.group, producer.lane
        group.busy_us += record[BUSY]
        group.frames += 1
        self.moved += 1
        child = Unit(producer.item, lane, producer.group + 1)
        child.flags = record[FLAGS] & (SIDE_B | PROPERTIES)
        child.spec = record[SPEC]
        child.index = record[NTH]  # within its item
        producer.made += 1
        if producer.grants is not None:
            child.region = producer.grants.popleft()
            child.a, child.b, child.m, child.span = producer.part
            child.producer = producer
            producer.children += 1
        else:
            child.region, producer.region = producer.region, -1
            child.a, child.b, child.m, child.span = producer.a, producer.b, producer.m, producer.span
            producer.placed = False
        child.item.live += 1
        lane.live += 1
        if lane.ordered:
            lane.line.insert_before(child, producer)
        queue = lane.queues[child.group]
        assert queue is not None
        queue.arrive(child)

    def done(self, worker: Worker, record: Record) -> None:
        """A lease is over. Anything that matches no lease (a late word of a worker that was given up) is dropped."""
        unit = worker.leases.pop(record[LEASE], None)
        if unit is None:
            self.stale += 1
            return
        group = worker.group
        unit.worker = None
        worker.load -= 1
        worker.texts.append(unit.slot)
        worker.fresh = False
        if worker.only is not None:
            self._released(worker, unit)
        elif worker.load < group.credit:
            group.spare += 1
        group.busy_us += record[BUSY]
        group.nbytes += record[NBYTES]
        self.moved += 1
        number = unit.group
        if unit.dead:
            self._discard(unit)
        elif group.last:
            group.frames += record[FRAMES]
            group.nbytes_read += record[NBYTES_READ]
            self._written(unit, record[FRAMES])
        elif record[KIND] == ENDED:
            self._produced(unit)
        else:
            group.frames += 1
            queues = unit.lane.queues
            if number:
                queues[number].occupied -= 1  # type: ignore[union-attr]
            unit.flags = record[FLAGS] & (SIDE_B | PROPERTIES)
            unit.spec = record[SPEC]
            unit.placed = False
            unit.group = number + 1
            queues[number + 1].arrive(unit)  # type: ignore[union-attr]

    # ---- ends --------------------------------------------------------------------------------------------------

    def _unlease(self, worker: Worker, unit: Unit) -> None:
        """What `done` does in line: the worker has let go of the unit."""
        unit.worker = None
        worker.load -= 1
        worker.texts.append(unit.slot)
        worker.fresh = False
        if worker.only is not None:
            self._released(worker, unit)
        elif worker.load < worker.group.credit:
            worker.group.spare += 1

    def _released(self, worker: Worker, unit: Unit) -> None:
        """A worker that was kept for one last attempt may take others again."""
        if worker.only is unit:
            worker.only = None
            self._recount(worker.group)

    def _written(self, unit: Unit, frames: int) -> None:
        lane, number = unit.lane, unit.group
        if lane.closing:
            self._close_stream(lane)
            return
        entry = unit.item
        entry.frames += frames
        if number:
            lane.queues[number].occupied -= 1  # type: ignore[union-attr]
        if entry.live > 1 or unit.producer is not None or lane is not self.run_lane:
            self._end(unit)
            return
        if lane.ordered:  # the usual end, of an item of one frame, without the detours of the others
            lane.line.remove(unit)
        unit.ended = True
        if unit.region >= 0:
            self.admission.give_back(unit)
        lane.live -= 1
        entry.live = 0
        self._close(entry)

    def _produced(self, unit: Unit) -> None:
        """A producer has made all its frames."""
        self._vacate(unit)
        if unit.lane.ordered:
            unit.lane.line.remove(unit)
        unit.ended = True
        if not unit.children:
            self._retire(unit)

    def _vacate(self, unit: Unit) -> None:
        """Give back the places and grants that the unit holds in and behind its group."""
        queues, number = unit.lane.queues, unit.group
        if unit.placed:
            queues[number + 1].occupied -= 1  # type: ignore[union-attr]
            unit.placed = False
        self._return_grants(unit)
        if number:
            queues[number].occupied -= 1  # type: ignore[union-attr]
        group = self.groups[number]
        if unit in group.producers:
            group.producers.remove(unit)

    def _return_grants(self, unit: Unit) -> None:
        if unit.grants:
            assert unit.slots is not None
            unit.lane.queues[unit.group + 1].occupied -= len(unit.grants)  # type: ignore[union-attr]
            unit.slots.extend(unit.grants)
            unit.grants.clear()

    def _end(self, unit: Unit) -> None:
        """A unit that holds no place any more is over."""
        if unit.lane.ordered and not unit.ended:
            unit.lane.line.remove(unit)
        unit.ended = True
        if not unit.children:  # else with the last of them: their regions lie in its own
            self._retire(unit)

    def _retire(self, unit: Unit) -> None:
        """Free the region; the item is over with its last unit."""
        producer = unit.producer
        if producer is not None:
            assert producer.slots is not None
            producer.slots.append(unit.region)
            unit.region = -1
            producer.children -= 1
        else:
            self.admission.give_back(unit)
        lane, entry = unit.lane, unit.item
        lane.live -= 1
        entry.live -= 1
        if producer is not None and producer.ended and not producer.children:
            self._retire(producer)
        elif not entry.live:
            self._item_over(entry, lane)

    def _item_over(self, entry: Entry, lane: Lane) -> None:
        if lane.producer is not None and not lane.dead:
            if entry.skip and not entry.frames:  # nothing came to the writer: there is no output to close
                self._close_stream(lane)
            else:
                self._finish_stream(lane, entry)
            return
        if lane.producer is not None:
            self._drop_lane(lane)
            entry.cancelled = entry.cancelled or self.draining
            if not (entry.failure or entry.cancelled):
                self.open -= 1
                self.items.appendleft(entry)  # the stream starts once more
                return
        self._close(entry)

    def _close(self, entry: Entry) -> None:
        """The item is over."""
        self.open -= 1
        if entry.failure or entry.skip or entry.cancelled:
            self._count(*self.verdicts.close(entry))
        else:
            self.verdicts.ledger.done += 1
            self.done_items.append(entry)

    def _finish_stream(self, lane: Lane, entry: Entry) -> None:
        """All frames are written: the writer may close the output."""
        unit, worker = lane.producer, lane.writer
        assert unit is not None
        assert worker is not None
        lane.closing = True
        entry.live = 1
        unit.group = len(self.groups) - 1
        self._lease = lease = (self._lease + 1) & 0xFFFFFFFF
        unit.lease, unit.worker, unit.slot = lease, worker, worker.texts.pop()
        worker.leases[lease] = unit
        worker.load += 1
        if worker.only is None and worker.load <= worker.group.credit:
            worker.group.spare -= 1
        self.sends.append((worker, short(FINISH, unit), entry, ""))

    def _close_stream(self, lane: Lane) -> None:
        assert lane.producer is not None
        entry = lane.producer.item
        entry.live = 0
        self._drop_lane(lane)
        self._close(entry)

    def _drop_lane(self, lane: Lane) -> None:
        if lane.writer is not None:
            lane.writer.sticky = None
        if lane in self.lanes:
            self.lanes.remove(lane)

    def _count(self, outcome: Outcome, halt: Halt | None) -> None:
        self.orders.append(outcome)
        if halt is not None:
            self.orders.append(halt)

    def _discard(self, unit: Unit) -> None:
        raise NotImplementedError
