"""The search of `pipeline tune` on simulated machines: finds what is better, and only that, within its time."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import EnvironmentRefusal, UsageError
from pipeline.tune.figures import Demand, GroupFigures, Trial, Vector, demand, expected, limit_of, neighbours, propose
from pipeline.tune.judgement import FEW, GAIN, compare, recommend
from pipeline.tune.search import OVERTIME, Search

CORES = 2
START_S = 0.6  # of a trial, beside its window


@dataclass
class Machine:
    """Groups with CPU and waiting seconds a unit, on so many cores; rates with noise and a slow drift.

    crowd: what one more process than needed costs, as a share.
    """

    cpu_s: tuple[float, ...]
    wait_s: tuple[float, ...]
    noise: float = 0.0
    crowd: float = 0.004
    drift: float = 0.2
    cores: int = CORES
    seed: int = 0
    now: float = 0.0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    def rate(self, vector: Vector) -> float:
        by_group = min(n / (c + w) for n, c, w in zip(vector, self.cpu_s, self.wait_s, strict=True))
        return min(by_group, self.cores / sum(self.cpu_s)) * (1 - self.crowd * sum(vector))

    def attempt(self, vector: Vector, window_s: float) -> Trial:
        self.now += window_s + START_S
        drift = 1 + self.drift * math.sin(self.now / 20)
        rate = self.rate(vector) * drift * math.exp(self.random.gauss(0, self.noise))
        units = max(1, round(rate * window_s))
        groups = tuple(
            GroupFigures(f"g{n}", workers, None, units, units * (c + w), units * c, 0.0, 1.0, 0.0)
            for n, (workers, c, w) in enumerate(zip(vector, self.cpu_s, self.wait_s, strict=True))
        )
        return Trial(vector, units, window_s, 0.0, groups)

    def search(self, present: Vector, most: int = 8, seconds: float = 60.0) -> Search:
        return Search(present, (most,) * len(present), self.cores, seconds, self.attempt, lambda: self.now)

    def best(self, most: int) -> float:
        return max(self.rate(v) for v in product(range(1, most + 1), repeat=len(self.cpu_s)))


CASES = {
    "thumbnails": ((0.0007, 0.0004, 0.0003), (0.0, 0.0, 0.0002)),
    "a stage that sleeps": ((0.0007, 0.0004, 0.0003), (0.0, 0.02, 0.0)),
    "a writer that waits for its disk": ((0.001, 0.001, 0.0004), (0.0, 0.0, 0.004)),
    "decoding is all": ((0.02, 0.001, 0.0002), (0.0, 0.0, 0.0)),
    "one group": ((0.002,), (0.006,)),
    "five groups": ((0.001, 0.002, 0.0005, 0.001, 0.0002), (0.0, 0.003, 0.0, 0.0, 0.0)),
}


@pytest.mark.parametrize("noise", [0.0, 0.03])
@pytest.mark.parametrize("case", CASES)
def test_within_five_percent_of_the_best_in_its_time(case: str, noise: float) -> None:
    """From the vector that `auto` gives and from one of ones; the time is kept."""
    cpu, wait = CASES[case]
    for start in ((2,) * len(cpu), (1,) * len(cpu)):
        machine = Machine(cpu, wait, noise)
        result = machine.search(start).go()
        assert machine.rate(result.recommended) >= 0.95 * machine.best(4)
        assert machine.now <= 60.0
        assert result.line(result.recommended).rounds >= FEW


def test_nothing_is_recommended_inside_the_noise() -> None:
    """On a machine where all vectors are alike the present one stays, whatever the noise shows."""
    changed = 0
    for seed in range(100):
        machine = Machine((0.001, 0.001), (0.0, 0.0), noise=0.06, crowd=0.0, seed=seed)
        changed += machine.search((2, 2), most=3).go().changed
    assert changed <= 5


@pytest.mark.parametrize("seed", range(5))
def test_a_small_gain_is_not_worth_an_edit(seed: int) -> None:
    """Two processes fewer save one percent here."""
    machine = Machine((0.001, 0.001, 0.001), (0.0, 0.0, 0.0), noise=0.005, crowd=0.005, seed=seed)
    assert not machine.search((2, 2, 1)).go().changed


def test_of_equals_the_one_with_fewer_processes() -> None:
    """Where four workers hide the waiting and the core is full, sixteen are not asked for."""
    machine = Machine((0.0001, 0.0004), (0.0, 0.0016), crowd=0.0, drift=0.0, cores=1)
    result = machine.search((1, 1), most=16).go()
    assert result.recommended == (1, 4)


def test_too_little_time_says_so() -> None:
    """With trials of ten seconds nothing can be told in twenty."""
    machine = Machine((0.002, 0.002), (0.0, 0.1))
    search = machine.search((1, 2), seconds=20.0)
    slow = machine.attempt

    def attempt(vector: Vector, window_s: float) -> Trial:
        machine.now += 5.0
        return slow(vector, window_s)

    search.attempt = attempt
    result = search.go()
    assert result.too_few
    assert not result.changed


def test_trials_that_turn_slower_still_get_a_judgement() -> None:
    """A neighbour that starts when most of the time is spent costs some overtime, not the answer."""
    machine = Machine((0.002, 0.002), (0.0, 0.02))
    search = machine.search((1, 1), seconds=26.0)
    usual = machine.attempt

    def attempt(vector: Vector, window_s: float) -> Trial:
        machine.now += 1.0 if search.contested else 0.0  # from the first round of the final on
        return usual(vector, window_s)

    search.attempt = attempt
    result = search.go()
    assert result.changed
    assert not result.too_few
    assert machine.now <= 26.0 * OVERTIME


def test_the_most_that_is_tried_is_named() -> None:
    """A stage that waits a second wants more workers than it is given."""
    machine = Machine((0.001, 0.001), (0.0, 1.0), drift=0.0)
    result = machine.search((1, 1), most=4).go()
    assert result.recommended == (1, 4)
    assert result.capped == "g1"
    assert "g1" in result.limit
    assert "waiting" in result.limit


def test_a_sleeping_stage_is_told_from_a_computing_one() -> None:
    """Time in service holds waiting, and not what contention for cores adds."""
    groups = (
        GroupFigures("computes", 4, None, 100, busy_s=4.0, cpu_s=1.0, queued_s=3.0, starved=1, blocked=0),
        GroupFigures("sleeps", 4, None, 100, busy_s=4.0, cpu_s=0.1, queued_s=0.1, starved=1, blocked=0),
    )
    cost = demand(Trial((4, 4), 100, 1.0, 0.2, groups))
    assert cost.service_s == pytest.approx((0.01, 0.039))
    assert cost.total_cpu_s == pytest.approx(0.013)


def test_who_loses_more_is_not_faster() -> None:
    """A service that turns away what comes too often: many workers end many items, and lose most of them."""
    machine = Machine((0.0005, 0.0005), (0.0, 0.02))
    search = machine.search((1, 2))
    honest = machine.attempt

    def attempt(vector: Vector, window_s: float) -> Trial:
        trial = honest(vector, window_s)
        return replace(trial, lost=trial.units // 2 if vector[1] > 4 else 0)

    search.attempt = attempt
    assert search.go().recommended == (1, 4)


def test_a_vector_that_the_machine_refuses_is_left_out() -> None:
    """More processes than there is memory for: the others are compared, and the present one must be possible."""
    machine = Machine((0.0005, 0.0005), (0.0, 0.02))
    search = machine.search((1, 2))
    honest = machine.attempt

    def attempt(vector: Vector, window_s: float) -> Trial:
        if vector[1] > 6:
            raise EnvironmentRefusal("no more processes")
        return honest(vector, window_s)

    search.attempt = attempt
    result = search.go()
    assert result.changed
    assert result.recommended[1] <= 6
    with pytest.raises(EnvironmentRefusal):
        replace(search, present=(1, 7), rounds=[]).go()


def test_inputs_that_take_longer_than_a_trial() -> None:
    """Nothing ended: that is said, with what to do."""
    machine = Machine((0.001, 0.001), (0.0, 0.0))
    search = machine.search((1, 1))
    search.attempt = lambda vector, window_s: replace(machine.attempt(vector, window_s), units=0)
    with pytest.raises(UsageError, match="takes too long to tell; give --seconds more"):
        search.go()


def test_only_one_vector_is_possible() -> None:
    """Nothing to compare: one look, and no minute spent."""
    machine = Machine((0.001, 0.001), (0.0, 0.0))
    result = machine.search((1, 1), most=1).go()
    assert (result.trials, result.changed, result.too_few) == (1, False, False)


def test_the_table_shows_the_gains_that_were_judged() -> None:
    """Of finalists, those of the final; the present one has none; every figure is a number that JSON knows."""
    result = Machine((0.0007, 0.0004), (0.0, 0.02), noise=0.02).search((1, 1)).go()
    assert [line.final for line in result.lines][:1] == [True]
    assert result.line(result.present).gain is None
    assert "Infinity" not in json.dumps([asdict(line) for line in result.lines])
    chosen = result.line(result.recommended)
    assert chosen.gain is not None
    assert chosen.error is not None
    assert chosen.gain > 4 * chosen.error > 0


def test_many_cores_do_not_turn_the_order_around() -> None:
    """On 32 cores a stage that waits wants hundreds of workers, and gets them."""
    machine = Machine((0.0002, 0.0002), (0.0, 0.05), cores=32, crowd=0.0)
    result = machine.search((32, 32), most=256).go()
    assert result.recommended[1] >= 240


def test_the_limit_is_told_over_all_trials() -> None:
    """Of one vector, as a run's last line does."""
    trial = Machine((0.001, 0.0005), (0.0, 0.0)).attempt((2, 1), 1.0)
    assert limit_of([trial, trial], CORES).startswith("the 2 cores: all busy")


vectors = st.lists(st.integers(1, 8), min_size=1, max_size=5).map(tuple)
costs = st.floats(1e-6, 1.0)


@given(data=st.data(), most=vectors, cores=st.integers(1, 64))
@settings(max_examples=100, deadline=None)
def test_what_is_proposed_may_be_tried(data: st.DataObject, most: Vector, cores: int) -> None:
    """Between one and the most, without repeats, and none promises much less than the best there is."""
    service = data.draw(st.tuples(*[costs for _ in most]))
    cpu = tuple(value / 2 for value in service)
    cost = Demand(cpu, service, sum(cpu))
    found = propose(cost, most, cores, 5)
    assert len(set(found)) == len(found) >= 1
    assert all(1 <= n <= limit for vector in found for n, limit in zip(vector, most, strict=True))
    assert max(expected(v, cost, cores) for v in found) >= 0.85 * expected(most, cost, cores)


@given(vector=vectors, busy=st.lists(st.floats(0, 10), min_size=5, max_size=5))
@settings(max_examples=100, deadline=None)
def test_neighbours_are_one_step_away(vector: Vector, busy: list[float]) -> None:
    """One worker more in one group, one less in another, or both; never the vector itself."""
    groups = tuple(GroupFigures(str(n), workers, None, 1, busy[n], 0.1, 0.0, 1, 0) for n, workers in enumerate(vector))
    found = neighbours(Trial(vector, 10, 1.0, 0.0, groups), (8,) * len(vector))
    assert vector not in found
    assert all(sum(abs(a - b) for a, b in zip(vector, other, strict=True)) <= 2 for other in found)


def test_rounds_decide_and_not_the_drift() -> None:
    """A machine that gets faster all the time: the later vector is not the better one."""
    rounds = []
    for number in range(6):
        pace = 1 + number
        rounds.append({v: Trial(v, round(1000 * pace), 1.0, 0.0, ()) for v in ((1,), (2,))})
    assert compare((2,), (1,), rounds)[0] == pytest.approx(0.0, abs=1e-3)
    assert recommend((1,), rounds) == (1,)


def test_a_clear_gain_is_recommended() -> None:
    """Beyond GAIN and beyond the noise; three rounds are too few for any."""
    better = round(1000 * (1 + 2 * GAIN))
    rounds = [{(1,): Trial((1,), 1000, 1.0, 0.0, ()), (2,): Trial((2,), better + n, 1.0, 0.0, ())} for n in range(FEW)]
    assert recommend((1,), rounds) == (2,)
    assert recommend((1,), rounds[:-1]) == (1,)
