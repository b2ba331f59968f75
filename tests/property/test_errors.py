"""The pure core where stages raise, skip, or fail for a moment, beside deaths; and stories that once went wrong."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from simulation import Process, Shape, World
from test_scheduler import shapes

from pipeline.contracts.cause import Cause
from pipeline.transport.records import ASSIGN, KIND, LEASE, TRANSIENT


class Rough(World):
    """Stages that raise, now and then, wherever a real one could."""

    share = 0.0

    def work(self, process: Process) -> bool:
        job = process.job
        assert job is not None
        unit = process.worker.leases.get(job[LEASE])
        waits = unit is not None and (unit.asking or unit in self.core.state.place_wait)
        if job[KIND] != ASSIGN or waits or self.random.random() >= self.share:
            return super().work(process)
        process.job = None
        how = self.random.choice(("raise", "skip", "transient"))
        if how == "skip":
            self.core.skipped(process.worker, job[LEASE], Cause("s", "skip", "too small"))
        else:
            flags = TRANSIENT if how == "transient" else 0
            self.core.failed(process.worker, flags, job[LEASE], Cause("s", "input", "is bad"))
        return True


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shapes, st.integers(0, 2**32), st.sampled_from([0.02, 0.1, 0.5]), st.integers(0, 6), st.booleans())
def test_errors_among_deaths_lose_nothing(shape: Shape, seed: int, share: float, kills: int, drain: bool) -> None:
    """Every item comes to exactly one end, and every region and place comes back, also when the run is broken off."""
    world = Rough(shape, seed)
    world.share = share
    chance = Random(seed + 1)
    for _ in range(200):
        world.offer()
        world.settle()
        process = chance.choice(world.processes)
        if kills and chance.random() < 0.05:
            kills -= 1
            world.kill(process)
        elif drain and chance.random() < 0.01:
            drain = False
            world.core.drain()
            shape.items = world.found
        else:
            world.step(process)
    world.run_out()
    assert set(world.outcomes.values()) <= {"done", "failed", "skipped", "quarantined", "cancelled"}


def moved_on(world: World, process: Process, *, until_leased: Process | None = None) -> None:
    """Let one process go on until it can do nothing more, or another one has something to do."""
    for _ in range(20):
        world.offer()
        world.settle()
        if until_leased is not None and until_leased.worker.leases:
            return
        world.step(process)
    world.settle()


@pytest.mark.parametrize("depth", [1, 2])
def test_a_stream_starts_over_while_parts_of_a_retried_frame_are_written(depth: int) -> None:
    """A frame whose worker died stays whole as long as a part of it is at the writer, though the stream is given up."""
    shape = Shape([1, 1, 1], depth=depth, credit=1, kind="streams", expands=3, items=1, frames=1)
    world = World(replace(shape), 0)
    reader, cutter, writer = world.processes
    moved_on(world, reader, until_leased=cutter)
    moved_on(world, cutter, until_leased=writer)
    assert writer.worker.leases
    world.kill(cutter)  # both are lost before the frame is handed out again
    world.kill(reader)
    world.settle()
    world.run_out()
    assert world.outcomes == {0: "done"}
