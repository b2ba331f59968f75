"""The allocator under any order of requests, and the arena that it lends from."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from pipeline.errors import EnvironmentRefusal
from pipeline.transport import arena as arenas
from pipeline.transport.allocator import Allocator
from pipeline.transport.arena import Arena, GrowingPool, map_arena
from pipeline.transport.records import PAGE

SIZES = st.one_of(
    st.integers(1, 3 * PAGE), st.sampled_from([1, PAGE - 1, PAGE, PAGE + 1, 5 * PAGE]), st.integers(1, 40 * PAGE)
)


def pages(nbytes: int) -> int:
    return -(-nbytes // PAGE) * PAGE


class AllocatorMachine(RuleBasedStateMachine):
    """Ranges are taken, given back in any order, and the arena may shrink while they are lent."""

    lent = Bundle("lent")

    @initialize(start=st.integers(0, 3), size=st.integers(1, 64), odd=st.integers(0, PAGE - 1))
    def begin(self, start: int, size: int, odd: int) -> None:
        self.start = start * PAGE
        self.limit = self.start + size * PAGE + odd
        self.allocator = Allocator(start=self.start, limit=self.limit)
        self.held: dict[int, int] = {}
        self.last: dict[int, list[int]] = {}  # by size, what came back since the ranges were last merged
        self.top = self.start

    @rule(target=lent, nbytes=SIZES)
    def take(self, nbytes: int) -> object:
        offset = self.allocator.take(nbytes)
        if offset is None:
            free = self.allocator.free_ranges()
            assert all(high - low < nbytes for low, high in free), "room enough, and it was not lent"
            self.last.clear()
            return multiple()
        size = pages(nbytes)
        if self.last.get(size):
            assert offset == self.last[size].pop(), "not the range of this size that came back last"
        else:
            self.last.clear()
        assert offset % PAGE == 0
        assert self.start <= offset
        assert offset + nbytes <= self.limit
        self.held[offset] = size
        self.top = max(self.top, offset + size)
        return offset

    @rule(offset=consumes(lent))
    def give(self, offset: int) -> None:
        self.allocator.give(offset)
        size = self.held.pop(offset)
        if offset + size <= self.limit:
            self.last.setdefault(size, []).append(offset)

    @rule(offset=st.integers(0, 1 << 20))
    def give_what_is_not_lent(self, offset: int) -> None:
        if offset not in self.held:
            with pytest.raises(KeyError):
                self.allocator.give(offset)

    @rule(share=st.floats(0, 1))
    def shrink(self, share: float) -> None:
        """As the supervisor does when /dev/shm is full: to whole pages, perhaps below what is lent."""
        self.limit = (self.start + int((self.limit - self.start) * share)) // PAGE * PAGE
        self.limit = max(self.limit, self.start)
        self.allocator.shrink(self.limit)
        self.last.clear()

    @invariant()
    def nothing_overlaps_and_nothing_is_lost(self) -> None:
        if not hasattr(self, "held"):
            return
        assert self.allocator.lent_ranges() == sorted((low, low + size) for low, size in self.held.items())
        assert self.allocator.in_use == sum(self.held.values())
        assert all(first[1] <= second[0] for first, second in pairwise(self.allocator.lent_ranges()))
        assert self.allocator.capacity == (self.limit - self.start) // PAGE * PAGE

    def teardown(self) -> None:
        """Everything comes back: the whole capacity is one piece, and a request as large as it is served."""
        if not hasattr(self, "held"):
            return
        for offset in list(self.held):
            self.allocator.give(offset)
        assert self.allocator.in_use == 0
        assert self.allocator.lent_ranges() == []
        free = self.allocator.free_ranges()
        capacity = self.allocator.capacity
        assert sum(high - low for low, high in free) == capacity
        assert len(free) == (capacity > 0)
        if capacity:
            assert self.allocator.take(capacity) == self.start, "what fits could not be lent"


AllocatorMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestAllocator = AllocatorMachine.TestCase


def test_ranges_of_one_size_come_back_in_reverse() -> None:
    """What was given back last is lent first, so that its pages are warm; the lowest gap is cut first."""
    allocator = Allocator(start=0, limit=10 * PAGE)
    first, second, third = (allocator.take(PAGE) for _ in range(3))
    assert (first, second, third) == (0, PAGE, 2 * PAGE)
    for offset in (0, 2 * PAGE):
        allocator.give(offset)
    assert allocator.take(PAGE - 5) == 2 * PAGE
    assert allocator.take(2 * PAGE) == 3 * PAGE
    assert allocator.take(PAGE) == 0


def test_the_high_water_mark_stays_low() -> None:
    """Sizes that alternate do not climb: kept ranges are merged before new memory is cut."""
    allocator = Allocator(start=0, limit=1000 * PAGE)
    for round_ in range(200):
        taken = [allocator.take((1 + (round_ + number) % 7) * PAGE) for number in range(5)]
        for offset in taken:
            assert offset is not None
            allocator.give(offset)
    assert allocator.high_water <= 35 * PAGE


def test_what_is_said_to_fit_is_lent() -> None:
    """An arena whose size is not whole pages never promises its last part of a page."""
    allocator = Allocator(start=0, limit=100_000)
    assert allocator.take(allocator.capacity) is not None


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arenas, "GROW_NBYTES", 4 * PAGE)


@pytest.mark.usefixtures("small_steps")
def test_memory_is_allocated_only_as_far_as_it_is_lent() -> None:
    """The segment is as large as its budget, allocated in steps, and has no name any more."""
    arena = Arena(100 * PAGE - 1)
    try:
        assert (arena.kind, arena.nbytes, arena.allocated) == ("shm", 100 * PAGE, 4 * PAGE)
        assert os.fstat(arena.fd).st_blocks * 512 == 4 * PAGE
        assert arena.ensure(5 * PAGE)
        assert arena.allocated == 8 * PAGE
        assert arena.ensure(100 * PAGE)
        assert os.readlink(f"/proc/self/fd/{arena.fd}").endswith("(deleted)")
        other = map_arena(arena.fd, arena.nbytes)
        arena.map[:5] = b"hello"
        assert other[:5] == b"hello"
        other.close()
    finally:
        arena.close()


def limited(monkeypatch: pytest.MonkeyPatch, nbytes: int) -> list[int]:
    """posix_fallocate on a file system of so many bytes; the ends that were asked for in vain."""
    refused: list[int] = []
    real = os.posix_fallocate

    def fallocate(fd: int, offset: int, length: int) -> None:
        if offset + length > nbytes:
            refused.append(offset + length)
            raise OSError(28, "No space left on device")
        real(fd, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", fallocate)
    return refused


@pytest.mark.usefixtures("small_steps")
def test_a_full_shared_memory_limits_the_arena(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shared memory that runs out is an answer: the pool goes on with what it has, and does not ask again."""
    refused = limited(monkeypatch, 10 * PAGE)
    arena = Arena(100 * PAGE)
    try:
        pool = GrowingPool(arena, Allocator(start=PAGE, limit=100 * PAGE))
        held = [pool.take(3 * PAGE) for _ in range(4)]
        assert held == [PAGE, 4 * PAGE, 7 * PAGE, None]
        assert pool.short
        assert arena.allocated == 10 * PAGE
        assert pool.capacity == 9 * PAGE
        asked = len(refused)
        for _ in range(5):
            assert pool.take(2 * PAGE) is None
            pool.give(PAGE)
            assert pool.take(3 * PAGE) == PAGE
        assert len(refused) == asked, "memory that cannot be had is asked for again for each frame"
        assert pool.allocator.high_water <= arena.allocated
    finally:
        arena.close()


@pytest.mark.usefixtures("small_steps")
def test_without_shared_memory_the_arena_lies_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /dev/shm is missing or cannot give the first step, an anonymous file takes its place."""

    monkeypatch.setattr(arenas, "SHM", "/dev/shm/none")
    arena = Arena(10 * PAGE)
    assert arena.kind == "memfd"
    arena.map[-1:] = b"x"
    arena.close()


@pytest.mark.usefixtures("small_steps")
def test_without_any_memory_the_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how much was asked for and what to do; nothing is left open."""
    limited(monkeypatch, PAGE)
    with pytest.raises(EnvironmentRefusal, match="--shm-size"):
        Arena(10 * PAGE)
