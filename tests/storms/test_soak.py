"""Hundreds of thousands of frames with a kill each second: memory, descriptors and shared memory stand still."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from harness import write_config
from storm import SCALE, Disturbed, OfWorkers

from pipeline.errors import Exit

FRAMES = 200_000 * SCALE
SLOPE_NBYTES = 1 << 20  # a hundred thousand frames
pytestmark = pytest.mark.timeout(600 * SCALE)


@dataclass
class EachSecond:
    """A worker is killed each second; sizes of the parent are noted."""

    workers: OfWorkers = field(default_factory=OfWorkers)
    rss_nbytes: list[int] = field(default_factory=list)
    fds: list[int] = field(default_factory=list)

    def __call__(self, run: Disturbed) -> float:
        if time.monotonic() >= self.workers.next_s:
            process = psutil.Process(run.process.pid)
            self.rss_nbytes.append(process.memory_info().rss)
            self.fds.append(process.num_fds())
            self.workers(run)
            self.workers.next_s = time.monotonic() + 1.0
        return 0.1


def test_nothing_grows(tmp_path: Path, figure: Callable[..., None]) -> None:
    """The second half of the run takes no more than the first."""
    shm = set(os.listdir("/dev/shm"))
    config = write_config(
        tmp_path, {"use": "synthetic", "height": 48, "width": 64, "frames": FRAMES, "workers": 1},
        [{"stages": ["identity"], "workers": 1}], {"use": "null"}, on_error={"retries": 10},
    )  # fmt: skip
    disturb = EachSecond()
    ended = Disturbed(tmp_path, 0).run(config, disturb)
    assert ended.code == Exit.OK, ended.errors
    assert ended.report is not None
    assert ended.report["done"] == FRAMES
    assert ended.killed["worker"] >= 3
    assert set(os.listdir("/dev/shm")) <= shm
    half = len(disturb.rss_nbytes) // 2
    before, after = disturb.rss_nbytes[half], max(disturb.rss_nbytes[half:])
    grown = (after - before) * 100_000 / (FRAMES / 2)
    measured = f"{grown / 1e6:.2f} MB ({FRAMES:,} frames, {ended.killed['worker']} kills)"
    figure("growth of the parent a hundred thousand frames, a kill each second", "< 1 MB", measured)
    assert grown < SLOPE_NBYTES, disturb.rss_nbytes
    assert max(disturb.fds[half:]) <= max(disturb.fds[: half + 1])
