"""Twenty thousand simulated runs of the pure core, with faults; `make fault` runs them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from storm import SCALE

PROPERTY = str(Path(__file__).parents[1] / "property")
SEEDS = 20_000 * SCALE
AT_ONCE = 250
pytestmark = pytest.mark.timeout(3600 * SCALE)


def some(first: int) -> tuple[Counter[str], list[str]]:
    """So many schedules: how items ended, and those that broke a promise with the command that repeats them."""
    sys.path.insert(0, PROPERTY)
    from simulation import schedule

    outcomes: Counter[str] = Counter()
    broken = []
    for seed in range(first, first + AT_ONCE):
        try:
            world = schedule(seed)
        except AssertionError as error:
            broken.append(f"python tests/property/simulation.py {seed}: {error}")
            continue
        outcomes.update(world.outcomes.values())
        outcomes["stopped"] += bool(world.halted)
    return outcomes, broken


def test_schedules(figure: Callable[..., None]) -> None:
    """Nothing lost, nothing twice, no region or place leaked, no stall: in each of them."""
    outcomes: Counter[str] = Counter()
    broken: list[str] = []
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for counted, failed in pool.map(some, range(0, SEEDS, AT_ONCE)):
            outcomes += counted
            broken += failed
    figure("simulated schedules with faults", f"{SEEDS:,}", f"{SEEDS:,}: {dict(outcomes)}, broken {len(broken)}")
    assert not broken, "\n".join(broken[:20])
    assert outcomes["done"] > SEEDS
    assert outcomes["quarantined"] > SEEDS // 10
