"""The state of a run, and what is lent of it: memory that was asked for, places and regions of producers. Pure."""

from __future__ import annotations

from collections import deque

from ..plan.model import Plan
from ..transport.records import GRANT, REFUSE, UNIT, VOID, Record, region_nbytes
from ..transport.records import record as make
from .budget import Verdicts
from .memory import Admission, Pool
from .queues import Queue
from .state import Entry, Group, Halt, Kill, Lane, Outcome, Start, Unit, Worker
from .wake_ups import Pace

GRANT_WINDOW = 2  # regions a producer holds ahead: one being filled, one to go on with
Send = tuple[Worker, Record, Entry | None, str]


class Lending:
    """The state of a run, and the answers to workers that ask; `handout.Handout` adds what is handed out unasked.

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
        self.verdicts = Verdicts(plan.settings.on_error)
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

    def _new_lane(self, *, ordered: bool, share: int) -> Lane:
        queues: list[Queue | None] = [None]
        for group in self.groups[1:]:
            limit = max(1, group.limit // share)
            in_order = group.plan.queue.in_order
            queues.append(Queue(group.number, limit=limit, in_order=in_order, keep_last=ordered))
        return Lane(queues, ordered=ordered)

    # ---- answers -----------------------------------------------------------------------------------------------

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

    def _refuse_dead(self, worker: Worker | None, unit: Unit | None) -> None:
        """A producer whose item is given up is told so; what it was lent comes back when it answers."""
        if unit is None:
            self.stale += 1
        elif worker is not None:
            self.sends.append((worker, short(REFUSE, unit, self._answered(worker)), None, "cancelled"))


def short(kind: int, unit: Unit, flags: int = 0) -> Record:
    return make(kind, flags, unit.slot, unit.lease, nth=unit.index)


def grant(unit: Unit, offset: int, extents: tuple[int, int, int], span: int, flags: int = 0) -> Record:
    return make(GRANT, flags, unit.slot, unit.lease, nth=unit.index, offset=offset, extents=extents, extra=span // UNIT)
