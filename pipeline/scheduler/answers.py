"""What workers that ask are told: memory, a place in the next queue, or that it can never be had. Pure.

Also who holds the regions that a producer fills one after the other. Called by the facade when a worker asks, and by
`dispatch` for those that wait.
"""

from __future__ import annotations

from collections import deque

from ..transport.records import GRANT, NO_SPEC, REFUSE, UNIT, VOID, Record, record, region_nbytes
from .entities import Group, Need, Unit, Worker
from .memory import Memory
from .state import State
from .wake_ups import WakeUps

GRANT_WINDOW = 2  # regions a producer holds ahead: one being filled, one to go on with


class Answers:
    """The answers to workers that ask."""

    def __init__(self, state: State, memory: Memory, wake_ups: WakeUps) -> None:
        self._state = state
        self._memory = memory
        self._wake_ups = wake_ups

    def need(self, worker: Worker, lease: int, extents: tuple[int, int, int], span: int, slots: int) -> None:
        """A producer knows how much memory its frame (or, with slots, each of its frames) needs.

        Args:
            extents: a, b, m in units of 64 bytes.
            span: bytes of one region with all that belongs to it.
            slots: regions for several frames of this lease; 0 asks for one frame.
        """
        memory = self._memory
        unit = worker.leases.get(lease)
        if unit is None or unit.dead:
            self.cancel(worker, unit)
            return
        if slots and unit.group:
            self._carve(unit, Need(*extents, span))
            return
        self._wake_ups.asked += 1
        if not slots:
            memory.learn(extents)
        if unit.region >= 0:
            memory.recall(unit)
        if unit.placed and not slots and memory.ask_now(unit, extents, span):
            self._granted(unit)
            return
        self._void_behind(worker, unit)
        total = span * max(1, slots)
        unit.a, unit.b, unit.m, unit.span = *extents, total
        if not memory.fits(total):
            self._refuse(unit, slots)
            return
        if slots:
            unit.each = Need(*extents, span)
        if unit.placed or self._state.streams:
            memory.ask(unit)
        else:
            self._state.place_wait.append(unit)

    def serve(self) -> None:
        """Tell those that wait and can have it now: first a place in the next queue, then memory."""
        if self._state.place_wait:
            self._serve_places()
        granted, refused = self._memory.serve()
        for unit in granted:
            self._granted(unit)
        for unit in refused:
            self._refuse(unit, unit.span // unit.each.span if unit.each else 1)

    def lend_slots(self, group: Group) -> None:
        """Lend free slots to the producers of a group, with a place in the next queue each."""
        sends, number = self._state.sends, group.number + 1
        for unit in group.producers:
            slots, grants, each, worker = unit.slots, unit.grants, unit.each, unit.worker
            if not slots or grants is None or each is None or unit.dead or worker is None:
                continue
            queue = unit.lane.queues[number]
            while slots and len(grants) < GRANT_WINDOW:
                oldest = not grants and unit.lane.line.oldest is unit
                if not queue.has_place(oldest=oldest):
                    break
                queue.occupied += 1
                offset = slots.pop()
                grants.append(offset)
                sends.append((worker, _grant(unit, offset, each), None, ""))

    def take_back_slots(self, unit: Unit) -> None:
        """What a producer was lent and has not filled is free again; so are the places that came with it."""
        if unit.grants:
            assert unit.slots is not None
            unit.lane.queues[unit.group + 1].occupied -= len(unit.grants)
            unit.slots.extend(unit.grants)
            unit.grants.clear()

    def cancel(self, worker: Worker | None, unit: Unit | None) -> None:
        """A producer whose item is given up is told so; what it was lent comes back when it answers."""
        if unit is None:
            self._state.stale += 1
        elif worker is not None:
            self._tell(worker, _short(unit, self._answered(worker)), "cancelled")

    # ---- memory and places -------------------------------------------------------------------------------------

    def _serve_places(self) -> None:
        place_wait = self._state.place_wait
        for unit in list(place_wait):
            queue = unit.lane.queues[1]
            if not unit.dead and not queue.has_place(oldest=unit.lane.line.oldest is unit):
                continue
            place_wait.remove(unit)
            if not unit.dead:
                queue.occupied += 1
                unit.placed = True
                self._memory.ask(unit)

    def _granted(self, unit: Unit) -> None:
        worker = unit.worker
        if unit.dead or worker is None:
            self.cancel(worker, unit)
            return
        void = self._answered(worker)
        each = unit.each
        if each is None:
            whole = Need(unit.a, unit.b, unit.m, unit.span)
            self._tell(worker, _grant(unit, unit.region, whole, void))
            return
        group = worker.group
        unit.slots = _cut(unit.region, unit.span, each.span)
        unit.grants = deque()
        group.producers.append(unit)
        self.lend_slots(group)

    def _refuse(self, unit: Unit, slots: int) -> None:
        """What it asks for can never be had."""
        if unit.worker is not None:
            text = self._memory.refusal(unit, slots)
            self._tell(unit.worker, _short(unit, self._answered(unit.worker)), text)

    def _void_behind(self, worker: Worker, unit: Unit) -> None:
        """What was lent to leases that this worker has not begun is taken back while it waits for memory.

        Else they would hold memory and wait for their worker, which waits for memory. The answer tells it so (VOID).
        """
        worker.asks = True
        for other in worker.leases.values():
            if other is not unit and other.region >= 0 and other.slots is None:
                self._memory.recall(other)

    def _answered(self, worker: Worker) -> int:
        """The worker waits no longer; the flag that says whether leases behind lost what was lent to them meanwhile."""
        void = VOID if worker.asks else 0
        worker.asks = False
        return void

    def _carve(self, unit: Unit, each: Need) -> None:
        """Cut the regions of an expanding frame's parts from what was reserved behind its own extents."""
        if unit.each is None:  # else this is a retry, and parts made before may still lie there
            own = region_nbytes(unit.a, unit.b, unit.m)
            unit.each = each
            unit.slots = _cut(unit.region + own, unit.span - own, each.span)
            if not unit.slots and unit.worker is not None:
                text = f"its parts need {each.span} bytes each, {unit.span - own} bytes were reserved for all of them"
                self._tell(unit.worker, _short(unit), text)
        self.lend_slots(self._state.groups[unit.group])

    def _tell(self, worker: Worker, answer: Record, text: str = "") -> None:
        self._state.sends.append((worker, answer, None, text))


def _cut(start: int, nbytes: int, span: int) -> list[int]:
    """Offsets of regions of `span` bytes, the first one last, as they are taken from the end."""
    return [start + n * span for n in range(nbytes // span)][::-1]


def _short(unit: Unit, flags: int = 0) -> Record:
    return record(REFUSE, flags, unit.slot, unit.lease, nth=unit.index)


def _grant(unit: Unit, offset: int, need: Need, flags: int = 0) -> Record:
    return (  # in the order of the fields, without a call: one is sent for each frame of a stream
        GRANT, flags, unit.slot, unit.lease, unit.index, offset, need.a, need.b, need.m, NO_SPEC, 0, need.span // UNIT
    )  # fmt: skip
