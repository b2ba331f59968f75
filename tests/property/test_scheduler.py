"""The pure core under random runs: random shapes, sizes, interleavings and deaths."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

sys.path.insert(0, str(Path(__file__).parent))
from simulation import Shape, World, disturbed

shapes = st.builds(
    Shape,
    workers=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    depth=st.integers(1, 4),
    credit=st.integers(1, 3),
    most_credit=st.sampled_from([0, 0, 5]),
    in_order=st.booleans(),
    kind=st.sampled_from(["single", "single", "many", "streams"]),
    expands=st.sampled_from([1, 1, 3]),
    items=st.integers(1, 12),
    frames=st.integers(0, 5),
    big=st.booleans(),
    threads=st.sampled_from([0, 0, 4]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shapes, st.integers(0, 2**32))
def test_undisturbed_runs_end_and_lose_nothing(shape: Shape, seed: int) -> None:
    """Without deaths every item is done, every region comes back, and order holds where it was asked for."""
    world = World(shape, seed)
    world.run_out()
    assert not world.halted
    assert set(world.outcomes.values()) <= {"done"}
    if shape.in_order and len(shape.workers) > 1 and shape.workers[-1] == 1 and shape.kind != "streams":
        assert world.written == sorted(world.written), "an in-order writer got frames out of order"
    if shape.kind == "streams" and len(shape.workers) > 1:
        assert sorted(world.finished) == list(range(shape.items))
        for item in range(shape.items):
            frames = [index for number, index in world.written if number == item]
            assert frames == sorted(set(frames)), "a stream's writer got its frames out of order, or twice"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shapes, st.integers(0, 2**32), st.sets(st.integers(0, 11), max_size=3))
def test_deaths_lose_nothing(shape: Shape, seed: int, poison: set[int]) -> None:
    """Items that kill their worker are quarantined, whatever else dies beside them; all the others are done."""
    world = World(shape, seed)
    world.poison = poison
    disturbed(world)
    if world.halted:
        return
    killers = poison & set(range(shape.items)) if shape.frames or shape.kind == "single" else set()
    for number, outcome in world.outcomes.items():
        assert outcome in ("done", "quarantined")
        if number in killers and len(shape.workers) > 1:
            assert outcome == "quarantined"


class SchedulerMachine(RuleBasedStateMachine):
    """Events in any order Hypothesis likes; it shrinks a failure to the shortest story."""

    @initialize(shape=shapes, seed=st.integers(0, 999))
    def begin(self, shape: Shape, seed: int) -> None:
        self.world = World(shape, seed)
        self.world.settle()

    @rule()
    def offer(self) -> None:
        self.world.offer()
        self.world.settle()

    @rule(which=st.integers(0, 11), times=st.integers(1, 6))
    def step(self, which: int, times: int) -> None:
        processes = self.world.processes
        for _ in range(times):
            self.world.step(processes[which % len(processes)])
            self.world.settle()

    @rule(which=st.integers(0, 11))
    def kill(self, which: int) -> None:
        self.world.kill(self.world.processes[which % len(self.world.processes)])
        self.world.settle()

    @rule(which=st.integers(0, 11))
    def retire(self, which: int) -> None:
        self.world.retire(self.world.processes[which % len(self.world.processes)])
        self.world.settle()

    @rule()
    def drain(self) -> None:
        self.world.core.drain()
        self.world.shape.items = self.world.found
        self.world.settle()

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.run_out()


SchedulerMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestSchedulerMachine = pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")(
    SchedulerMachine.TestCase
)
