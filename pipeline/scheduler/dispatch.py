"""Handing out: which frame goes to which worker, which item begins, which producer may make its next frame.

`pump` is called when the events of a wake-up are in: downstream first, so that frames leave before new ones come in.
Records collect in `sends`, everything else in `orders`; the supervisor carries both out.
"""

from __future__ import annotations

from collections import deque

from ..transport.records import ASSIGN, GRANTED, UNIT
from .lending import Lending
from .state import Entry, Group, Kill, Lane, Unit, Worker


class Handout(Lending):
    """What is handed out next; `flow.Flow` adds the events."""

    # ---- what the supervisor asks ------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Nothing in flight and no items left."""
        return not self.open and not self.items and (self.exhausted or self.draining)

    @property
    def hungry(self) -> bool:
        """Whether more items could be used soon."""
        return len(self.items) < 2 * self.groups[0].limit and not self.draining

    def waits(self, worker: Worker) -> bool:
        """Whether the worker's oldest lease waits for memory or a place, so that it cannot be called hung."""
        unit = next(iter(worker.leases.values()), None)
        if unit is None:
            return True
        idle = unit.part[3] > 0 and not unit.grants and not unit.lane.closing
        return unit.asking or unit in self.place_wait or idle

    def closes(self, worker: Worker) -> bool:
        """Whether the worker closes the output of a stream, which may take long: a file is written a second time."""
        return worker.sticky is not None and worker.sticky.closing

    def has_work(self, group: Group) -> bool:
        """Whether something waits for this group that it may start on as far as order goes."""
        if not group.number:
            return bool(self.items or self.retry)
        queues = (lane.queues[group.number] for lane in self.lanes)
        return any(queue is not None and queue.ready for queue in queues)

    def waiting(self, group: Group) -> int:
        """Frames that wait before a group; 0 for the first, which has no queue."""
        if not group.number:
            return 0
        queues = (lane.queues[group.number] for lane in list(self.lanes))
        return sum(queue.waiting for queue in queues if queue is not None)

    # ---- handing out -------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Hand out all that can be handed out now."""
        for group in self._downstream_first:
            if group.frames >= group.review_at:
                self._review(group)
            if group.solo:
                self._feed_alone(group)
            if group.spare:
                if group.number:
                    self._feed_last(group) if group.last and self.streams else self._feed(group)
                elif self.items or self.retry:
                    self._admit_streams() if self.streams else self._admit()
            if group.producers:
                self._push_grants(group)
        if self.place_wait:
            self._serve_places()
        if self.admission:
            for unit in self.admission.serve():
                self._granted(unit)
            for unit in self.admission.refused():
                self._refuse(unit, max(1, unit.span // max(1, unit.part[3] or unit.span)))

    def _feed(self, group: Group) -> None:
        number = group.number
        while group.spare:
            unit = self._next(group)
            if unit is None:
                return
            worker = group.pick()
            if worker is None:
                return
            unit.lane.queues[number].take(unit)  # type: ignore[union-attr]
            self._assign(worker, unit)

    def _next(self, group: Group) -> Unit | None:
        lanes = self.lanes
        if len(lanes) == 1:
            return self._choose(group, lanes[0])
        for step in range(len(lanes)):
            unit = self._choose(group, lanes[(group.turn + step) % len(lanes)])
            if unit is not None:
                group.turn += step + 1
                return unit
        return None

    def _choose(self, group: Group, lane: Lane) -> Unit | None:
        """The next frame of a lane for which the next queue has a place; the oldest one may take the last place."""
        number = group.number
        ready = lane.queues[number].ready  # type: ignore[union-attr]
        if not ready:
            return None
        unit: Unit = ready[0]  # type: ignore[assignment]
        if group.last or group.expands:
            return unit
        out = lane.queues[number + 1]
        assert out is not None
        if out.occupied < out.limit - out.keep_last:
            return unit
        oldest = lane.line.oldest
        if unit is oldest and out.has_place(oldest=True):
            return unit
        if oldest in ready and out.has_place(oldest=True):
            return oldest  # type: ignore[return-value]
        return None

    def _feed_last(self, group: Group) -> None:
        for lane in self.lanes:
            worker, queue = lane.writer, lane.queues[group.number]
            assert queue is not None
            while worker is not None and worker.up and worker.load < group.credit and queue.ready:
                unit: Unit = queue.ready[0]  # type: ignore[assignment]
                queue.take(unit)
                self._assign(worker, unit)

    def _feed_alone(self, group: Group) -> None:
        """Last attempts: each alone in a fresh worker. An idle worker that is not fresh is replaced by one that is."""
        idle = [worker for worker in group.workers if worker.up and not worker.load and worker.only is None]
        for worker in (worker for worker in idle if worker.fresh):
            unit = next((unit for unit in group.solo if self._may_go(unit)), None)
            if unit is None:
                return
            group.solo.remove(unit)
            worker.only = unit
            if not unit.group:
                self._place(unit)
            self._assign(worker, unit)
            self._recount(group)
        if group.solo and all(worker.up for worker in group.workers) and not any(w.fresh for w in group.workers):
            tired = next((worker for worker in idle if not worker.load), None)
            if tired is not None:
                tired.up = False
                self._recount(group)
                self.orders.append(Kill(tired.name, ""))

    def _may_go(self, unit: Unit) -> bool:
        group = self.groups[unit.group]
        if group.last or group.expands:
            return True
        out = unit.lane.queues[unit.group + 1]
        return out is None or out.has_place(oldest=unit.lane.line.oldest is unit)

    def _admit(self) -> None:
        group, lane = self.groups[0], self.run_lane
        while group.spare and (self.retry or self.items):
            unit, worker = self._next_retry() if self.retry else (None, None)
            if unit is not None and worker is not None:
                self.retry.remove(unit)
            else:
                queue = None if self.fused else lane.queues[1]
                if not self.items or (queue is not None and not queue.has_place(oldest=lane.line.oldest is None)):
                    return
                worker = group.pick()
                if worker is None:
                    return
                unit = self._begin(self.items.popleft(), lane)
                if not self.fused and (worker.asks or not self.admission.speculate(unit)):
                    self.admission.enter(unit)
            self._place(unit)
            self._assign(worker, unit)

    def _next_retry(self) -> tuple[Unit | None, Worker | None]:
        """The oldest item that is to be read again, and who may read it.

        Where memory is lent in the order of the input, that is a worker without a younger lease: that lease would wait
        for the memory of this one, and this one behind it for its worker. The worker that was lost comes back idle.
        """
        unit = min(self.retry, key=lambda unit: unit.item.number)
        if not self._may_go(unit):
            return None, None
        if not self.admission.ordered:
            return unit, self.groups[0].pick()
        for worker in self.groups[0].workers:
            if worker.up and worker.only is None and worker.load < worker.group.credit:
                youngest = next(reversed(worker.leases.values()), None)
                if youngest is None or youngest.item.number < unit.item.number:
                    return unit, worker
        return None, None

    def _begin(self, entry: Entry, lane: Lane) -> Unit:
        unit = Unit(entry, lane)
        entry.live = 1
        lane.live += 1
        self.open += 1
        if lane.ordered:
            lane.line.append(unit)
        return unit

    def _place(self, unit: Unit) -> None:
        if not self.fused and not self.streams:
            unit.lane.queues[1].occupied += 1  # type: ignore[union-attr]
            unit.placed = True

    def _admit_streams(self) -> None:
        """A stream begins together with its own writer."""
        readers, writers = self.groups[0], self.groups[-1]
        while self.items and len(self.lanes) < self.max_streams:
            reader = next((w for w in readers.workers if w.up and not w.load and w.only is None), None)
            writer = next((w for w in writers.workers if w.up and not w.load and w.sticky is None), None)
            if reader is None or writer is None:
                return
            lane = self._new_lane(ordered=True, share=self.max_streams)
            lane.writer, writer.sticky = writer, lane
            self.lanes.append(lane)
            lane.producer = self._begin(self.items.popleft(), lane)
            self._assign(reader, lane.producer)

    def _assign(self, worker: Worker, unit: Unit) -> None:
        """Lease first, record second: what a dead worker held is known whatever it had read."""
        group = worker.group
        self._lease = lease = (self._lease + 1) & 0xFFFFFFFF
        unit.lease = lease
        unit.worker = worker
        unit.slot = slot = worker.texts.pop()
        worker.leases[lease] = unit
        worker.load += 1
        if worker.only is None and worker.load <= group.credit:
            group.spare -= 1
        flags = unit.flags
        number = unit.group
        if number:
            if group.expands:
                group.producers.append(unit)
                unit.grants = deque()
                unit.slots = [] if unit.slots is None else unit.slots
            elif not group.last:
                unit.lane.queues[number + 1].occupied += 1  # type: ignore[union-attr]
                unit.placed = True
            entry = unit.item if group.last else None
        else:
            entry = unit.item
            if unit.region >= 0:
                if worker.asks:
                    self.admission.give_back(unit)
                    self.admission.enter(unit)
                else:
                    flags |= GRANTED
        record = (
            ASSIGN, flags, slot, lease, unit.index, max(0, unit.region), unit.a, unit.b, unit.m, unit.spec,
            unit.made, unit.span // UNIT,
        )  # fmt: skip
        self.sends.append((worker, record, entry, ""))

    def _review(self, group: Group) -> None:
        """Queues grow with the credit and never shrink: the place kept for the oldest frame must not be taken away."""
        if group.last:
            self.pace.look_back(group.frames - group.reviewed[0])
        if not group.review():
            return
        self._recount(group)
        if group.number:
            for lane in {*self.lanes, self.run_lane}:
                queue = lane.queues[group.number]
                assert queue is not None
                queue.limit = max(queue.limit, group.limit // (1 if lane is self.run_lane else self.max_streams))

    def _recount(self, group: Group) -> None:
        group.spare = sum(max(0, group.credit - w.load) for w in group.workers if w.up and w.only is None)
