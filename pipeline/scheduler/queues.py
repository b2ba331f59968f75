"""The bounded queues between groups. Pure, in the parent; no time, no pipe.

A `Line` keeps all live members of one ordering domain (the whole run, or one stream) from oldest to youngest. A `Queue`
is one domain's share of the edge before a group: as completed, or in the order of the line. The line makes order cheap:
a member may leave an in-order queue as soon as its older neighbour has left it, so a member that ends early (skipped,
failed) needs no token, and frames made from one frame are linked in before it.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Self, TypeVar


class Member:
    """A place in a line; what stands in lines and queues derives from it.

    Attributes:
        older, younger: neighbours in the line, None at its ends (and outside a line).
        released: number of the last in-order queue that let it go.
        held_by: the in-order queue in which it waits for its older neighbour.
    """

    __slots__ = ("held_by", "older", "released", "younger")

    older: Self | None
    younger: Self | None
    held_by: Queue[Self] | None

    def __init__(self) -> None:
        self.older = self.younger = None
        self.released = 0
        self.held_by = None


M = TypeVar("M", bound=Member)


class Line(Generic[M]):
    """Live members from oldest to youngest; every operation takes constant time."""

    __slots__ = ("oldest", "youngest")

    def __init__(self) -> None:
        self.oldest: M | None = None
        self.youngest: M | None = None

    def append(self, member: M) -> None:
        """Link in a member as the youngest."""
        member.older, member.younger = self.youngest, None
        if self.youngest is None:
            self.oldest = member
        else:
            self.youngest.younger = member
        self.youngest = member

    def insert_before(self, member: M, producer: M) -> None:
        """Link in what was made from `producer`: older than it, younger than all made before."""
        older = producer.older
        member.older, member.younger = older, producer
        member.released = producer.released
        producer.older = member
        if older is None:
            self.oldest = member
        else:
            older.younger = member

    def remove(self, member: M) -> None:
        """Take a member out; its younger neighbour may leave the queue that held it."""
        older, younger = member.older, member.younger
        if older is None:
            self.oldest = younger
        else:
            older.younger = younger
        if younger is None:
            self.youngest = older
        else:
            younger.older = older
        member.older = member.younger = None
        if younger is not None and younger.held_by is not None:
            younger.held_by.settle(younger)


class Queue(Generic[M]):
    """One domain's share of the edge before a group.

    `occupied` counts the places that are taken: reserved for a frame that is being made, waiting here, or leased to a
    worker of the group. It never exceeds `limit`. Where order matters downstream, the last place is kept for the oldest
    member of the line, so the oldest can always move.

    Args:
        number: of the group this queue feeds; grows along the chain.
        limit: places, at least 1.
        in_order: members leave in the order of the line.
        keep_last: the last place is for the oldest only.
    """

    __slots__ = ("in_order", "keep_last", "limit", "number", "occupied", "ready", "waiting")

    def __init__(self, number: int, *, limit: int, in_order: bool = False, keep_last: bool = False) -> None:
        self.number = number
        self.limit = limit
        self.in_order = in_order
        self.keep_last = keep_last
        self.occupied = 0
        self.waiting = 0
        self.ready: deque[M] = deque()

    def has_place(self, *, oldest: bool) -> bool:
        """Whether a place may be taken, for the oldest member of the line or for another one."""
        return self.occupied < self.limit - (self.keep_last and not oldest)

    def arrive(self, member: M) -> None:
        """A member whose place is reserved already comes in."""
        self.waiting += 1
        if not self.in_order:
            self.ready.append(member)
            return
        member.held_by = self
        self.settle(member)

    def settle(self, member: M) -> None:
        """Let a held member go if its older neighbour has gone, and then those behind it."""
        follower: M | None = member
        while follower is not None and follower.held_by is self:
            older = follower.older
            if older is not None and older.released < self.number:
                return
            follower.held_by = None
            follower.released = self.number
            self.ready.append(follower)
            follower = follower.younger

    def take(self, member: M) -> None:
        """A ready member is given to a worker; its place stays taken until it leaves the group."""
        self.waiting -= 1
        if self.ready[0] is member:
            self.ready.popleft()
        else:
            self.ready.remove(member)

    def put_back(self, member: M) -> None:
        """A member whose worker was lost is the next to be taken; it holds its place still."""
        self.waiting += 1
        self.ready.appendleft(member)

    def drop(self, member: M) -> None:
        """A waiting member is taken out for good; its place is freed."""
        self.waiting -= 1
        self.occupied -= 1
        if member.held_by is self:
            member.held_by = None
        else:
            self.ready.remove(member)
