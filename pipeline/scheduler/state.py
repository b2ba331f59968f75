"""What is true of a run now, and what waits to be carried out. The collaborators of the core share one `State`."""

from __future__ import annotations

from collections import deque

from ..plan.model import Plan
from ..transport.records import Record
from .commands import Halt, Kill, Order, Outcome
from .entities import Entry, Group, Lane, Unit, Worker
from .queues import Queue

Send = tuple[Worker, Record, Entry | None, str]  # to whom; what; the job, or a text, that its text slot is to hold


class State:
    """The state of a run. The lists and queues stay the same objects as long as it lasts.

    Attributes:
        groups: in the order of the chain. workers: of all groups, each at the place that its name says.
        fused: one group does all. streams: items are streams, each with a lane of its own. many: items are several
            frames each; these two do not hold where all is fused.
        items: found and not begun. retry: to be read again. place_wait: producers that wait for a place, then memory.
        lanes: those with units in flight; `run_lane` is the only one where items are no streams.
        sends, orders: what the supervisor is to send and to carry out.
        done_items: done since the supervisor last looked; all other ends are orders.
        open: items that have begun and are not over.
        moved: events that moved a frame, for the stall guard. stale: words of workers that came too late.
        exhausted: no more items will be found. draining: none is begun any more.
    """

    def __init__(self, plan: Plan) -> None:
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
        self.items: deque[Entry] = deque()
        self.retry: deque[Unit] = deque()
        self.place_wait: deque[Unit] = deque()
        self.run_lane = self._new_lane(ordered=plan.in_order, share=1)
        self.lanes: list[Lane] = [] if self.streams else [self.run_lane]
        self.sends: list[Send] = []
        self.orders: list[Order] = []
        self.done_items: list[Entry] = []
        self.open = self.moved = self.stale = 0
        self.exhausted = self.draining = False
        self._lease = 0

    def begin(self, lane: Lane) -> Unit:
        """The next item begins: as a unit of this lane, which no worker has yet."""
        entry = self.items.popleft()
        unit = Unit(entry, lane)
        entry.live = 1
        self.open += 1
        if lane.ordered:
            lane.line.append(unit)
        return unit

    def lease(self, worker: Worker, unit: Unit) -> int:
        """Give a unit to a worker; the number of the lease.

        Written down before the record is sent: what a dead worker held is known whatever it had read.
        """
        self._lease = lease = (self._lease + 1) & 0xFFFFFFFF
        unit.lease = lease
        unit.worker = worker
        unit.slot = worker.texts.pop()
        worker.leases[lease] = unit
        worker.load += 1
        worker.taken += 1
        group = worker.group
        if worker.only is None and worker.load <= group.credit:
            group.spare -= 1
        return lease

    def replace(self, worker: Worker) -> None:
        """End a worker that is not to blame for anything, so that a fresh one takes its place."""
        worker.up = False
        worker.group.recount()
        self.orders.append(Kill(worker.name, ""))

    def retire(self, worker: Worker) -> None:
        """A worker is given nothing more and ends what it has in hand; one that a stream holds, once that is over.

        One with a last attempt is left alone.
        """
        if not worker.up:
            return
        worker.due = worker.sticky is not None
        if worker.sticky is None and worker.only is None:
            worker.up, worker.retiring = False, True
            worker.group.recount()

    def order(self, outcome: Outcome, halt: Halt | None) -> None:
        """An item was counted: tell the supervisor, and also when it was one failure too many."""
        self.orders.append(outcome)
        if halt is not None:
            self.orders.append(halt)

    def open_stream(self, writer: Worker) -> Lane:
        """A lane for one more stream, whose writer this is."""
        lane = self._new_lane(ordered=True, share=self.max_streams)
        lane.writer, writer.sticky = writer, lane
        self.lanes.append(lane)
        return lane

    def close_stream(self, lane: Lane) -> None:
        """The stream is over, or starts once more: its writer is free for another."""
        if lane.writer is not None:
            lane.writer.sticky = None
            if lane.writer.due:
                self.retire(lane.writer)
        if lane in self.lanes:
            self.lanes.remove(lane)

    def widen(self, group: Group) -> None:
        """The group's credit has changed. Queues grow with it and never shrink.

        For the place that is kept for the oldest frame must not be taken away.
        """
        group.recount()
        if group.number:
            for lane in {*self.lanes, self.run_lane}:
                queue = lane.queues[group.number]
                queue.limit = max(queue.limit, group.limit // (1 if lane is self.run_lane else self.max_streams))

    def _new_lane(self, *, ordered: bool, share: int) -> Lane:
        queues: list[Queue[Unit]] = [Queue(0, limit=1)]
        for group in self.groups[1:]:
            limit = max(1, group.limit // share)
            in_order = group.plan.queue.in_order
            queues.append(Queue(group.number, limit=limit, in_order=in_order, keep_last=ordered))
        return Lane(queues, ordered=ordered)
