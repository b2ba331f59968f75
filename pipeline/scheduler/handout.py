"""Handing out: which frame goes to which worker, which item begins, which producer may make its next frame.

`pump` is called when the events of a wake-up are in: downstream first, so that frames leave before new ones come in.
Records collect in `sends`, everything else in `orders`; the supervisor carries both out.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from ..messages import ASSIGN, GRANT, GRANTED, NO_SPEC, REFUSE, UNIT, VOID, region_nbytes
from ..plan import Plan
from ..queues import Queue
from .admission import Admission, Pool
from .ownership import Entry, Group, Halt, Kill, Lane, Outcome, Start, Unit, Worker
from .pace import Pace
from .verdicts import Verdicts

GRANT_WINDOW = 2  # regions a producer holds ahead: one being filled, one to go on with
Send = tuple[Worker, tuple[Any, ...], Entry | None, str]


class Handout:
    """The state of a run and what is handed out next; `flow.Flow` adds the events.

    Args:
        plan: groups, order, whether items are streams.
        pool: allocator of the arena.
    """

    def __init__(self, plan: Plan, pool: Pool) -> None:
        self.plan = plan
        self.groups = [Group(group, n, last=n == len(plan.groups) - 1) for n, group in enumerate(plan.groups)]
        self.workers: list[Worker] = []
        for group in self.groups:
            for _ in range(group.plan.workers):
                worker = Worker(len(self.workers), group)
                group.workers.append(worker)
                self.workers.append(worker)
        self.fused = len(self.groups) == 1
        self.streams = plan.streams and not self.fused
        self.many = plan.many and not self.fused
        self.max_streams = min([len(self.groups[-1].workers), *(group.limit for group in self.groups[1:])])
        self.admission = Admission(pool, ordered=plan.in_order and not self.streams, many=self.many)
        self.verdicts = Verdicts(plan.on_error)
        self.items: deque[Entry] = deque()
        self.retry: deque[Unit] = deque()
        self.place_wait: deque[Unit] = deque()
        self.run_lane = self._new_lane(ordered=plan.in_order, share=1)
        self.lanes: list[Lane] = [] if self.streams else [self.run_lane]
        self.sends: list[Send] = []
        self.orders: list[Start | Kill | Outcome | Halt] = []
        self.done_items: list[Entry] = []  # done since the supervisor last looked; all other ends are orders
        self.open = 0
        self.moved = 0  # events that moved a frame, for the stall guard
        self.stale = 0
        self.exhausted = False
        self.draining = False
        self._lease = 0
        self._downstream_first = self.groups[::-1]
        self.pace = Pace(plan, self.groups)

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
        return unit.asking or unit in self.place_wait or (unit.part[3] > 0 and not unit.grants)

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

    def _push_grants(self, group: Group) -> None:
        """Lend free slots to producers, with a place in the next queue each."""
        for unit in group.producers:
            slots, grants = unit.slots, unit.grants
            if not slots or grants is None or unit.dead or unit.worker is None:
                continue
            queue = unit.lane.queues[unit.group + 1]
            assert queue is not None
            while slots and len(grants) < GRANT_WINDOW:
                oldest = not grants and unit.lane.line.oldest is unit
                if not queue.has_place(oldest=oldest):
                    break
                queue.occupied += 1
                offset = slots.pop()
                grants.append(offset)
                a, b, m, span = unit.part
                self.sends.append((unit.worker, grant(unit, offset, (a, b, m), span), None, ""))

    def _serve_places(self) -> None:
        """Further frames of items with many: first a place in the next queue, then memory."""
        for unit in list(self.place_wait):
            queue = unit.lane.queues[1]
            assert queue is not None
            if not unit.dead and not queue.has_place(oldest=unit.lane.line.oldest is unit):
                continue
            self.place_wait.remove(unit)
            if not unit.dead:
                queue.occupied += 1
                unit.placed = True
                self.admission.ask(unit, (unit.a, unit.b, unit.m), unit.span)

    def _granted(self, unit: Unit) -> None:
        if unit.dead or unit.worker is None:
            self._refuse_dead(unit.worker, unit)
            return
        void = self._answered(unit.worker)
        if unit.part[3]:
            span = unit.part[3]
            unit.slots = [unit.region + n * span for n in range(unit.span // span)][::-1]
            unit.grants = deque()
            self.groups[unit.group].producers.append(unit)
            self._push_grants(self.groups[unit.group])
        else:
            record = grant(unit, unit.region, (unit.a, unit.b, unit.m), unit.span, void)
            self.sends.append((unit.worker, record, None, ""))

    def _refuse(self, unit: Unit, slots: int) -> None:
        """What it asks for can never be had."""
        if unit.worker is not None:
            text = self.admission.refusal(unit.span, (unit.a, unit.b, unit.m), slots)
            self.sends.append((unit.worker, short(REFUSE, unit, self._answered(unit.worker)), None, text))

    def _answered(self, worker: Worker) -> int:
        """The worker waits no longer; the flag that says whether leases behind lost what was lent to them meanwhile."""
        void = VOID if worker.asks else 0
        worker.asks = False
        return void

    def _carve(self, unit: Unit, extents: tuple[int, int, int], span: int) -> None:
        """Cut the regions of an expanding frame's parts from what was reserved behind its own extents."""
        if not unit.part[3]:  # else this is a retry, and parts made before may still lie there
            own = region_nbytes(unit.a, unit.b, unit.m)
            base = unit.region + own
            unit.part = (*extents, span)
            unit.slots = [base + n * span for n in range((unit.span - own) // span)][::-1]
            if not unit.slots and unit.worker is not None:
                text = f"its parts need {span} bytes each, {unit.span - own} bytes were reserved for all of them"
                self.sends.append((unit.worker, short(REFUSE, unit), None, text))
        self._push_grants(self.groups[unit.group])

    # ---- small things ------------------------------------------------------------------------------------------

    def _new_lane(self, *, ordered: bool, share: int) -> Lane:
        queues: list[Queue | None] = [None]
        for group in self.groups[1:]:
            limit = max(1, group.limit // share)
            in_order = group.plan.queue.in_order
            queues.append(Queue(group.number, limit=limit, in_order=in_order, keep_last=ordered))
        return Lane(queues, ordered=ordered)

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

    def _refuse_dead(self, worker: Worker | None, unit: Unit | None) -> None:
        """A producer whose item is given up is told so; what it was lent comes back when it answers."""
        if unit is None:
            self.stale += 1
        elif worker is not None:
            self.sends.append((worker, short(REFUSE, unit, self._answered(worker)), None, "cancelled"))


def short(kind: int, unit: Unit, flags: int = 0) -> tuple[Any, ...]:
    return (kind, flags, unit.slot, unit.lease, unit.index, 0, 0, 0, 0, NO_SPEC, 0, 0)


def grant(unit: Unit, offset: int, extents: tuple[int, int, int], span: int, flags: int = 0) -> tuple[Any, ...]:
    a, b, m = extents
    return (GRANT, flags, unit.slot, unit.lease, unit.index, offset, a, b, m, NO_SPEC, 0, span // UNIT)
