"""Lines and queues: members leave an in-order queue oldest first, whatever arrives, ends early or comes back."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.scheduler.queues import Line, Member, Queue

LAST = 1 << 30  # a producer comes after all that it makes


class Token(Member):
    """A member with its place in the true order."""

    def __init__(self, rank: tuple[int, ...]) -> None:
        super().__init__()
        self.rank = rank
        self.at = 0  # 0 with the producer, 1 and 2 waiting in a queue or held by its worker, 3 through
        self.made = 0


class LineMachine(RuleBasedStateMachine):
    """Members go through two queues one after the other; some end early, some come back, some make others."""

    @initialize(limits=st.tuples(st.integers(1, 4), st.integers(1, 4)), ordered=st.tuples(st.booleans(), st.booleans()))
    def begin(self, limits: tuple[int, int], ordered: tuple[bool, bool]) -> None:
        self.line = Line()
        self.queues = [
            Queue(number + 1, limit=limit, in_order=in_order, keep_last=True)
            for number, (limit, in_order) in enumerate(zip(limits, ordered, strict=True))
        ]
        self.members: list[Token] = []  # the true order, oldest first
        self.taken: list[list[Token]] = [[], []]
        self.left: list[list[tuple[int, ...]]] = [[], []]
        self.ranks = 0

    def pick(self, members: list[Token], which: int) -> Token:
        return members[which % len(members)]

    def may_enter(self, member: Token, number: int) -> bool:
        return self.queues[number].has_place(oldest=self.line.oldest is member)

    # ---- what happens --------------------------------------------------------------------------------------

    @rule()
    def append(self) -> None:
        """A new item begins, if the first queue has a place for what comes of it."""
        queue = self.queues[0]
        if queue.has_place(oldest=self.line.oldest is None):
            queue.occupied += 1
            member = Token((self.ranks, LAST))
            self.ranks += 1
            self.line.append(member)
            self.members.append(member)

    @precondition(lambda self: any(not member.at for member in self.members))
    @rule(which=st.integers(0, 50))
    def arrive(self, which: int) -> None:
        """One that was being made comes in."""
        member = self.pick([member for member in self.members if not member.at], which)
        member.at = 1
        self.queues[0].arrive(member)

    @rule(number=st.integers(0, 1), youngest=st.booleans())
    def take(self, number: int, youngest: bool) -> None:
        """A worker is given a ready member, where the next queue has a place for it."""
        ready = self.queues[number].ready
        if not ready:
            return
        member = ready[-1] if youngest and not self.queues[number].in_order else ready[0]
        assert isinstance(member, Token)
        if number == 0:
            if not self.may_enter(member, 1):
                return
            self.queues[1].occupied += 1
        self.queues[number].take(member)
        self.taken[number].append(member)
        if self.queues[number].in_order:
            self.left[number].append(member.rank)

    @precondition(lambda self: self.taken[0])
    @rule(which=st.integers(0, 50))
    def go_on(self, which: int) -> None:
        """The first worker is done with one: it waits before the second."""
        member = self.pick(self.taken[0], which)
        self.taken[0].remove(member)
        self.queues[0].occupied -= 1
        member.at = 2
        self.queues[1].arrive(member)

    @precondition(lambda self: self.taken[1])
    @rule(which=st.integers(0, 50))
    def leave(self, which: int) -> None:
        """The last worker is done with one."""
        self.end(self.pick(self.taken[1], which))

    @precondition(lambda self: any(self.taken))
    @rule(which=st.integers(0, 50))
    def fail(self, which: int) -> None:
        """A worker gives one up."""
        self.end(self.pick(self.taken[0] + self.taken[1], which))

    @precondition(lambda self: any(member.at in (1, 2) for member in self.members))
    @rule(which=st.integers(0, 50))
    def drop(self, which: int) -> None:
        """One that waits is given up."""
        waiting = [m for m in self.members if m.at and m not in self.taken[0] and m not in self.taken[1]]
        if waiting:
            member = self.pick(waiting, which)
            self.queues[member.at - 1].drop(member)
            self.forget(member)

    @precondition(lambda self: any(self.taken))
    @rule(number=st.integers(0, 1))
    def lose(self, number: int) -> None:
        """A worker is lost: what it held comes back, youngest first, and is the next to be taken."""
        queue = self.queues[number]
        for member in sorted(self.taken[number], key=self.members.index, reverse=True):
            if number == 0:
                self.queues[1].occupied -= 1
            queue.put_back(member)
            assert queue.ready[0] is member
            self.left[number] = [rank for rank in self.left[number] if rank < member.rank]  # it leaves once more
        self.taken[number].clear()

    @precondition(lambda self: any(member.at == 0 for member in self.members))
    @rule(which=st.integers(0, 50))
    def emit(self, which: int) -> None:
        """A producer makes one of several frames, older than itself, if the queue has a place."""
        producer = self.pick([member for member in self.members if not member.at], which)
        queue = self.queues[0]
        if queue.has_place(oldest=self.line.oldest is producer):
            queue.occupied += 1
            child = Token((producer.rank[0], producer.made))
            producer.made += 1
            self.line.insert_before(child, producer)
            self.members.insert(self.members.index(producer), child)
            child.at = 1
            queue.arrive(child)

    def end(self, member: Token) -> None:
        for number in (0, 1):
            if member in self.taken[number]:
                self.taken[number].remove(member)
                self.queues[number].occupied -= 1
                if number == 0:
                    self.queues[1].occupied -= 1
        self.forget(member)

    def forget(self, member: Token) -> None:
        member.at = 3
        self.line.remove(member)
        self.members.remove(member)

    # ---- what must hold ------------------------------------------------------------------------------------

    @invariant()
    def the_line_is_the_order(self) -> None:
        if not hasattr(self, "line"):
            return
        found, member = [], self.line.oldest
        while member is not None:
            assert isinstance(member, Token)
            assert member.younger is None or member.younger.older is member
            found.append(member)
            member = member.younger
        assert found == self.members
        assert self.line.youngest is (self.members[-1] if self.members else None)

    @invariant()
    def queues_are_bounded_and_in_order(self) -> None:
        if not hasattr(self, "line"):
            return
        for number, queue in enumerate(self.queues):
            waiting = [m for m in self.members if m.at == number + 1 and m not in self.taken[number]]
            assert queue.waiting == len(waiting)
            assert 0 <= queue.occupied <= queue.limit
            assert queue.occupied >= len(waiting) + len(self.taken[number])
            if not queue.in_order:
                assert set(queue.ready) == set(waiting)
                continue
            for member in waiting:  # ready, unless an older one has not passed this queue
                older = self.members[: self.members.index(member)]
                blocked = any(m.released < queue.number for m in older)
                assert (member in queue.ready) == (not blocked)

    @invariant()
    def what_left_in_order_left_in_order(self) -> None:
        if hasattr(self, "line"):
            for left in self.left:
                assert left == sorted(left)

    def teardown(self) -> None:
        """Left alone, every member gets through: the oldest can always move."""
        if not hasattr(self, "line"):
            return
        for _ in range(10 * len(self.members) + 10):
            for member in [member for member in self.members if not member.at]:
                member.at = 1
                self.queues[0].arrive(member)
            self.take(1, False)
            while self.taken[1]:
                self.leave(0)
            self.take(0, False)
            if self.taken[0]:
                self.go_on(0)
            if not self.members:
                break
            self.oldest_first()
        assert not self.members
        assert all(not queue.occupied and not queue.waiting for queue in self.queues)

    def oldest_first(self) -> None:
        """As the core does: where nothing else may go on, the oldest member does, from anywhere in the queue."""
        oldest, queue = self.line.oldest, self.queues[0]
        if oldest in queue.ready and self.queues[1].has_place(oldest=True):
            assert isinstance(oldest, Token)
            self.queues[1].occupied += 1
            queue.take(oldest)
            self.taken[0].append(oldest)
            self.go_on(self.taken[0].index(oldest))


LineMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestLine = LineMachine.TestCase


def test_the_last_place_is_for_the_oldest() -> None:
    """Where order matters the oldest member always finds a place; without order all places are alike."""
    kept, free = (Queue(1, limit=2, keep_last=keep) for keep in (True, False))
    for queue in (kept, free):
        queue.occupied = 1
    assert [kept.has_place(oldest=False), kept.has_place(oldest=True)] == [False, True]
    assert [free.has_place(oldest=False), free.has_place(oldest=True)] == [True, True]
    kept.occupied = free.occupied = 2
    assert not kept.has_place(oldest=True)
    assert not free.has_place(oldest=True)


def test_one_that_ends_early_lets_all_behind_it_go() -> None:
    """No token is needed for a frame that is skipped: those that waited for it leave in order."""
    line, queue = Line(), Queue(1, limit=9, in_order=True)
    first, second, third, fourth = (Token((number,)) for number in range(4))
    for member in (first, second, third, fourth):
        line.append(member)
    queue.arrive(fourth)
    queue.arrive(second)
    queue.arrive(third)
    assert list(queue.ready) == []
    line.remove(first)
    assert list(queue.ready) == [second, third, fourth]


def test_a_part_is_older_than_what_it_was_made_of() -> None:
    """Parts take their maker's place in the order: what came after it waits until it has made them all."""
    line, queue = Line(), Queue(1, limit=9, in_order=True)
    maker, after = Token((0,)), Token((1,))
    line.append(maker)
    line.append(after)
    queue.arrive(after)
    parts = [Token((0, number)) for number in range(2)]
    for part in parts:
        line.insert_before(part, maker)
        queue.arrive(part)
    assert list(queue.ready) == parts
    line.remove(maker)
    assert list(queue.ready) == [*parts, after]
