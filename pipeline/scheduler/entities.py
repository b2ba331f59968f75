"""Who holds what: items, units in flight, workers, groups and lanes. Plain mutable records of the core."""

from __future__ import annotations

from collections import deque

from ..contracts.cause import Cause
from ..contracts.frame import Item
from ..plan.model import GroupPlan
from ..transport.records import NO_SPEC
from .queues import Line, Member, Queue

IN_HAND_US = 8_000  # work that a worker has in hand: enough for the parent to come round in good time
REVIEW_FIRST, REVIEW_EVERY = 16, 64  # finished frames after which a group's credit is looked at


class Entry:
    """One item on its way, over when none of its units is live.

    Attributes:
        text: its job as the supervisor encoded it.
        busy_us: what stages took for its frames, all attempts together.
        remarks: what stages had to say of it, each once.
        failure: why it failed. skip: why a frame of it was dropped on purpose.
    """

    __slots__ = (
        "attempt", "busy_us", "cancelled", "failure", "frames", "item", "live", "number", "quarantined", "remarks",
        "skip", "target", "text",
    )  # fmt: skip

    def __init__(self, item: Item, target: str) -> None:
        self.item = item
        self.target = target
        self.text = b""
        self.number = item.number
        self.live = 0
        self.attempt = 0
        self.frames = self.busy_us = 0
        self.failure: Cause | None = None
        self.skip: Cause | None = None
        self.quarantined = self.cancelled = False
        self.remarks: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """How it ended, now that it has no live frame left: a name of the ledger's counts."""
        if self.cancelled:
            return "cancelled"
        if self.failure:
            return "quarantined" if self.quarantined else "failed"
        return "done" if self.frames or not self.skip else "skipped"


class Need:
    """The region that one frame needs: extents in units of 64 bytes, and its whole size in bytes."""

    __slots__ = ("a", "b", "m", "span")

    def __init__(self, a: int, b: int, m: int, span: int) -> None:
        self.a = a
        self.b = b
        self.m = m
        self.span = span


class Unit(Member):
    """What a lease is about: an item before it is read, a frame afterwards; also the producer of several frames.

    Attributes:
        group: number of the group whose queue or worker it is in.
        attempt: attempts that ended in a crash, a time-out or a memory kill.
        index: position in its item. made: frames that a producer has sent on.
        region: offset in the arena, -1 for none. a, b, m: its extents, in units of 64 bytes. span: its whole size.
        flags: SIDE_B and PROPERTIES of the pixels as they lie now.
        lease, slot: valid while `worker` is set.
        producer: the unit whose slots the region is one of.
        slots: free regions for frames of this producer; grants: regions lent to it and not yet filled, oldest first;
            each: what each of its frames needs, None for a unit that makes no several frames, or has not said yet.
        asking: waits for memory. placed: holds a place in the next queue.
        ended: its lease is over, its frames are not. dead: to be dropped as soon as its worker lets go of it.
    """

    __slots__ = (
        "a", "asking", "attempt", "b", "children", "dead", "each", "ended", "flags", "grants", "group", "index", "item",
        "lane", "lease", "m", "made", "placed", "producer", "region", "slot", "slots", "solo", "span", "spec", "worker",
    )  # fmt: skip

    def __init__(self, item: Entry, lane: Lane, group: int = 0) -> None:
        self.older = self.younger = None  # as Member does, without a call: one is made for each frame
        self.released = 0
        self.held_by = None
        self.item = item
        self.lane = lane
        self.group = group
        self.attempt = item.attempt
        self.index = self.made = 0
        self.region = -1
        self.a = self.b = self.m = self.span = 0
        self.flags = 0
        self.spec = NO_SPEC
        self.worker: Worker | None = None
        self.lease = self.slot = 0
        self.producer: Unit | None = None
        self.children = 0
        self.slots: list[int] | None = None
        self.grants: deque[int] | None = None
        self.each: Need | None = None
        self.asking = self.placed = self.ended = self.dead = self.solo = False


class Worker:
    """A worker process as the scheduler knows it: a name, its leases, oldest first, and its free text slots.

    Attributes:
        load: how many leases.
        up: it has opened its stages and may be given leases. fresh: no lease of it has ended yet.
        retiring: it is given nothing more and will be replaced. due: the same, once its stream is over.
        taken: leases it was given.
        asks: its oldest lease waits for memory; the ones behind it must not hold any meanwhile.
        only: a last attempt that it must work on alone. sticky: the stream whose writer it is.
    """

    __slots__ = (
        "asks", "due", "fresh", "group", "leases", "load", "name", "only", "retiring", "sticky", "taken", "texts", "up",
    )  # fmt: skip

    def __init__(self, name: int, group: Group) -> None:
        self.name = name
        self.group = group
        self.leases: dict[int, Unit] = {}
        self.load = 0
        self.texts = list(range(group.most_credit))
        self.up = self.asks = False
        self.fresh = True
        self.retiring, self.due, self.taken = False, False, 0
        self.only: Unit | None = None
        self.sticky: Lane | None = None

    @property
    def closes(self) -> bool:
        """Whether it closes the output of a stream, which may take long: a file is written a second time."""
        return self.sticky is not None and self.sticky.closing

    def release(self, lease: int) -> Unit | None:
        """A lease is over, whatever came of it; None for one that it does not hold."""
        unit = self.leases.pop(lease, None)
        if unit is None:
            return None
        unit.worker = None
        self.load -= 1
        self.texts.append(unit.slot)
        self.fresh = False
        if self.only is None:
            if self.load < self.group.credit and self.up:
                self.group.spare += 1
        elif self.only is unit:  # it was kept for one last attempt, and may take others again
            self.only = None
            self.group.recount()
        return unit

    def lose(self) -> list[Unit]:
        """It has ended, and the next one of its name will be fresh. What it held, oldest first."""
        units = list(self.leases.values())
        for unit in units:
            unit.worker = None
        self.leases.clear()
        self.load, self.texts = 0, list(range(self.group.most_credit))
        self.up, self.fresh, self.only, self.asks = False, True, None, False
        self.retiring, self.due, self.taken = False, False, 0
        self.group.recount()
        return units


class Group:
    """A group as the scheduler knows it.

    Attributes:
        credit: leases a worker may have; between the plan's two numbers, as long as leases are short.
        spare: what is left of it over the workers that are up.
        limit: places of the queue before the group, leases included: what bounds waiting + leased.
        lease_us: how long one takes, 0 until that is known.
        nbytes: what its leases said they wrote (read, for readers).
        ahead: its workers fetch items before they read them, and ask for place and memory then.
        solo: units that wait for a fresh worker of their own. producers: leased units that make several frames.
        unready_deaths, unproductive: workers in a row that ended before they were ready, before they ended a lease.
            The first count begins anew with a worker that gets ready, and where another one is.
        has_started: whether a worker of it ever got ready.
    """

    __slots__ = (
        "ahead", "busy_us", "credit", "expands", "frames", "has_started", "last", "lease_us", "limit", "most_credit",
        "name", "nbytes", "nbytes_read", "number", "plan", "producers", "restarts", "review_at", "reviewed_busy_us",
        "reviewed_frames", "solo", "spare", "turn", "unproductive", "unready_deaths", "workers",
    )  # fmt: skip

    def __init__(self, plan: GroupPlan, number: int, *, last: bool) -> None:
        self.plan = plan
        self.name = plan.name
        self.number = number
        self.last = last
        self.credit = plan.queue.credit.first
        self.most_credit = plan.queue.credit.most
        self.limit = self._limit()
        self.review_at = REVIEW_FIRST
        self.reviewed_frames = self.reviewed_busy_us = 0
        self.lease_us = 0
        self.expands = plan.expands
        self.ahead = plan.threads > 0
        self.workers: list[Worker] = []
        self.spare = 0
        self.solo: deque[Unit] = deque()
        self.producers: list[Unit] = []
        self.turn = 0
        self.has_started = False
        self.nbytes = self.nbytes_read = 0
        self.frames = self.busy_us = self.restarts = self.unready_deaths = self.unproductive = 0

    def review(self) -> bool:
        """Fit the credit to how long leases take, so that a worker has about IN_HAND_US of work; whether it changed."""
        frames, busy_us = self.frames - self.reviewed_frames, self.busy_us - self.reviewed_busy_us
        self.reviewed_frames, self.reviewed_busy_us = self.frames, self.busy_us
        self.review_at = self.frames + REVIEW_EVERY
        self.lease_us = busy_us // frames
        fit = IN_HAND_US * frames // max(1, busy_us)
        credit = min(self.most_credit, max(self.plan.queue.credit.first, fit))
        changed, self.credit = credit != self.credit, credit
        self.limit = self._limit()
        return changed

    def _limit(self) -> int:
        return self.plan.queue.depth + self.credit * self.plan.workers

    def recount(self) -> None:
        """Count `spare` anew, after workers came or went or the credit changed."""
        self.spare = sum(max(0, self.credit - w.load) for w in self.workers if w.up and w.only is None)

    def pick(self) -> Worker | None:
        """The least loaded worker with credit."""
        best, least = None, self.credit
        for worker in self.workers:
            if worker.load < least and worker.up and worker.only is None:
                if not worker.load:
                    return worker
                best, least = worker, worker.load
        return best


class Lane:
    """An ordering domain: the whole run, or one stream with its own writer.

    Attributes:
        queues: `queues[g]` feeds group g. `queues[0]` is never used, as items are not queued: it holds the index.
        producer, writer: of a stream.
        closing: its writer closes the output. dead: it was broken off.
    """

    __slots__ = ("closing", "dead", "line", "ordered", "producer", "queues", "writer")

    def __init__(self, queues: list[Queue[Unit]], *, ordered: bool) -> None:
        self.queues = queues
        self.line: Line[Unit] = Line()
        self.ordered = ordered
        self.writer: Worker | None = None
        self.producer: Unit | None = None
        self.closing = False
        self.dead = False
