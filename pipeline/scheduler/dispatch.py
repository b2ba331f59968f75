"""Dispatch: which frame goes to which worker, which item begins, which producer may make its next frame. Pure.

The supervisor pumps when the events of a wake-up are in. Downstream first, so that frames leave before new ones come.
"""

from __future__ import annotations

from collections import deque

from ..transport.records import ASSIGN, GRANTED, UNIT, Record
from .answers import Answers
from .entities import Group, Lane, Unit, Worker
from .memory import Memory
from .state import State
from .wake_ups import WakeUps


class Dispatch:
    """What is handed out next."""

    def __init__(self, state: State, memory: Memory, answers: Answers, wake_ups: WakeUps) -> None:
        self._state = state
        self._memory = memory
        self._answers = answers
        self._wake_ups = wake_ups
        begin = self._begin_streams if state.streams else self._begin_items
        last = self._feed_writers if state.streams else self._feed
        feeds = [begin, *[self._feed] * (len(state.groups) - 2), last][: len(state.groups)]
        self._downstream_first = list(zip(state.groups, feeds, strict=True))[::-1]

    def pump(self) -> None:
        """Hand out all that can be handed out now."""
        memory = self._memory
        for group, feed in self._downstream_first:
            if group.frames >= group.review_at:
                self._review(group)
            if group.solo:
                self._feed_alone(group)
            if group.spare:
                feed(group)
            if group.producers:
                self._answers.lend_slots(group)
        if memory.waiting or memory.turns or self._state.place_wait:
            self._answers.serve()

    # ---- frames ------------------------------------------------------------------------------------------------

    def _feed(self, group: Group) -> None:
        number, lanes = group.number, self._state.lanes
        while group.spare:
            unit = _choose(group, lanes[0]) if len(lanes) == 1 else _choose_in_turn(group, lanes)
            if unit is None:
                return
            worker = group.pick()
            if worker is None:
                return
            unit.lane.queues[number].take(unit)
            self._assign(worker, unit)

    def _feed_writers(self, group: Group) -> None:
        """Each stream has a writer of its own."""
        for lane in self._state.lanes:
            worker, queue = lane.writer, lane.queues[group.number]
            while worker is not None and worker.up and worker.load < group.credit and queue.ready:
                unit = queue.ready[0]
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
            group.recount()
        if group.solo and all(worker.up for worker in group.workers) and not any(w.fresh for w in group.workers):
            tired = next((worker for worker in idle if not worker.load), None)
            if tired is not None:
                self._state.replace(tired)

    def _may_go(self, unit: Unit) -> bool:
        """Whether what comes of the unit has a place; parts of an expanding group are given theirs one by one."""
        group = self._state.groups[unit.group]
        if group.last or group.expands or group.ahead:
            return True
        return unit.lane.queues[unit.group + 1].has_place(oldest=unit.lane.line.oldest is unit)

    # ---- items -------------------------------------------------------------------------------------------------

    def _begin_items(self, group: Group) -> None:
        state, memory, fused, lane = self._state, self._memory, self._state.fused, self._state.run_lane
        while group.spare and (state.retry or state.items):
            unit, worker = self._next_retry(group) if state.retry else (None, None)
            if unit is not None and worker is not None:
                state.retry.remove(unit)
            else:
                free = fused or group.ahead or lane.queues[1].has_place(oldest=lane.line.oldest is None)
                if not state.items or not free:
                    return
                worker = group.pick()
                if worker is None:
                    return
                unit = state.begin(lane)
                if not fused and (group.ahead or worker.asks or not memory.speculate(unit)):
                    memory.enter(unit)
            self._place(unit)
            self._assign(worker, unit)

    def _next_retry(self, group: Group) -> tuple[Unit | None, Worker | None]:
        """The oldest item that is to be read again, and who may read it.

        Where memory is lent in the order of the input, that is a worker without a younger lease: that lease would wait
        for the memory of this one, and this one behind it for its worker. The worker that was lost comes back idle.
        """
        unit = min(self._state.retry, key=lambda unit: unit.item.number)
        if not self._may_go(unit):
            return None, None
        if not self._memory.ordered:
            return unit, group.pick()
        for worker in group.workers:
            if worker.up and worker.only is None and worker.load < group.credit:
                youngest = next(reversed(worker.leases.values()), None)
                if youngest is None or youngest.item.number < unit.item.number:
                    return unit, worker
        return None, None

    def _place(self, unit: Unit) -> None:
        """Reserve a place in the next queue for a unit of the first group; frames of a stream get theirs one by one.

        What is only fetched at first takes none: 32 files on their way must not fill the queue before one is decoded.
        """
        if not (self._state.fused or self._state.streams or self._state.groups[0].ahead):
            unit.lane.queues[1].occupied += 1
            unit.placed = True

    def _begin_streams(self, readers: Group) -> None:
        """A stream begins together with its own writer."""
        state = self._state
        writers = state.groups[-1]
        while state.items and len(state.lanes) < state.max_streams:
            reader = next((w for w in readers.workers if w.up and not w.load and w.only is None), None)
            writer = next((w for w in writers.workers if w.up and not w.load and w.sticky is None), None)
            if reader is None or writer is None:
                return
            lane = state.open_stream(writer)
            lane.producer = state.begin(lane)
            self._assign(reader, lane.producer)

    # ---- leases ------------------------------------------------------------------------------------------------

    def _assign(self, worker: Worker, unit: Unit) -> None:
        """Lease the unit to the worker, and send what it needs to know."""
        state, group, number = self._state, worker.group, unit.group
        lease = state.lease(worker, unit)
        flags, region = unit.flags, unit.region
        if number:
            if group.expands:
                group.producers.append(unit)
                unit.grants = deque()
                unit.slots = [] if unit.slots is None else unit.slots
            elif not group.last:
                unit.lane.queues[number + 1].occupied += 1
                unit.placed = True
            entry = unit.item if group.last else None
        else:
            entry = unit.item
            if region >= 0 and (worker.asks or group.ahead):  # it must hold nothing but what it asks for
                self._memory.recall(unit)
                region = -1
            if region >= 0:
                flags |= GRANTED
            else:
                region = 0
        record: Record = (  # in the order of the fields, without a call: one is sent for each frame and group
            ASSIGN, flags, unit.slot, lease, unit.index, region, unit.a, unit.b, unit.m, unit.spec,
            unit.made, unit.span // UNIT,
        )  # fmt: skip
        state.sends.append((worker, record, entry, ""))

    def _review(self, group: Group) -> None:
        if group.last:
            self._wake_ups.look_back(group.frames - group.reviewed_frames)
        if group.review():
            self._state.widen(group)


def _choose_in_turn(group: Group, lanes: list[Lane]) -> Unit | None:
    for step in range(len(lanes)):
        unit = _choose(group, lanes[(group.turn + step) % len(lanes)])
        if unit is not None:
            group.turn += step + 1
            return unit
    return None


def _choose(group: Group, lane: Lane) -> Unit | None:
    """The next frame of a lane for which the next queue has a place; the oldest one may take the last place."""
    number = group.number
    ready = lane.queues[number].ready
    if not ready:
        return None
    unit = ready[0]
    if group.last or group.expands:
        return unit
    out = lane.queues[number + 1]
    if out.occupied < out.limit - out.keep_last:
        return unit
    oldest = lane.line.oldest
    if oldest is not None and (oldest is unit or oldest in ready) and out.has_place(oldest=True):
        return oldest
    return None
