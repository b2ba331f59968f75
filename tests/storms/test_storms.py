"""Storms of kills: thousands of files, ten seeds each. `make fault` runs them; they take minutes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from harness import tree
from storm import SCALE, Disturbed, OfAll, OfStarts, OfWorkers, job

from pipeline.errors import Exit

SEEDS = range(6 * SCALE)
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("seed", SEEDS[:5])
def test_workers_killed_all_the_time(
    tmp_path: Path, pictures: Path, expected: dict[str, str], figure: Callable[..., None], seed: int
) -> None:
    """A worker is killed every 50 to 200 ms: every output is there, as in an undisturbed run."""
    figure("storms: workers killed all the time", "5 seeds")
    ended = Disturbed(tmp_path, seed).run(job(tmp_path, pictures), OfWorkers())
    assert ended.code == Exit.OK, ended.errors
    assert ended.report is not None
    assert ended.report["done"] == len(expected)
    assert tree(tmp_path / "out") == expected
    assert ended.killed["worker"] >= 10


@pytest.mark.parametrize("seed", SEEDS)
def test_any_process_below_the_run_killed(
    tmp_path: Path, pictures: Path, expected: dict[str, str], figure: Callable[..., None], seed: int
) -> None:
    """The fork server too, once a frame was finished since its last death: every output as in an undisturbed run."""
    figure("storms: any process below the run killed", f"{len(SEEDS)} seeds")
    ended = Disturbed(tmp_path, seed).run(job(tmp_path, pictures), OfAll())
    assert ended.code == Exit.OK, ended.errors
    assert ended.report is not None
    assert ended.report["done"] == len(expected)
    assert tree(tmp_path / "out") == expected
    assert ended.killed["worker"] >= 10
    assert ended.killed["fork server"] >= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_no_fork_server_reaches_its_first_frame(
    tmp_path: Path, pictures: Path, figure: Callable[..., None], seed: int
) -> None:
    """After six of them in a row the run ends with exit 3 and its report."""
    figure("storms: no fork server reaches its first frame: exit 3", f"{len(SEEDS)} seeds")
    ended = Disturbed(tmp_path, seed).run(job(tmp_path, pictures), OfStarts())
    assert ended.code == Exit.STOPPED, ended.errors
    assert ended.report is not None
    assert ended.report["stopped"]
    assert ended.report["done"] == 0
    assert ended.killed == {"fork server": 6}
