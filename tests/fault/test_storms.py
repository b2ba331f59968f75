"""Storms of kills on few files and two seeds; tests/storms has the long ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import storm
from harness import tree
from storm import Disturbed, OfAll, OfStarts, OfWorkers, job

from pipeline.errors import Exit

FILES = 1000
SEEDS = pytest.mark.parametrize("seed", range(1))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small pictures."""
    return storm.lay_out(tmp_path_factory.mktemp("storm") / "in", FILES)


@pytest.fixture(scope="module")
def expected(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The outputs of an undisturbed run."""
    return storm.undisturbed(tmp_path_factory.mktemp("undisturbed"), pictures)


@pytest.mark.alone
@SEEDS
@pytest.mark.parametrize("disturb", [OfWorkers, OfAll])
def test_any_process_below_the_run_killed(
    tmp_path: Path, pictures: Path, expected: dict[str, str], disturb: type[OfWorkers | OfAll], seed: int
) -> None:
    """Workers every 50 to 200 ms, the fork server after a frame: every output is there, as in an undisturbed run."""
    ended = Disturbed(tmp_path, seed).run(job(tmp_path, pictures), disturb())
    assert ended.code == Exit.OK, ended.errors
    assert ended.report is not None
    assert ended.report["done"] == FILES
    assert tree(tmp_path / "out") == expected
    assert ended.killed


@SEEDS
def test_no_fork_server_reaches_its_first_frame(tmp_path: Path, pictures: Path, seed: int) -> None:
    """After six of them in a row the run ends with exit 3 and its report."""
    ended = Disturbed(tmp_path, seed).run(job(tmp_path, pictures), OfStarts())
    assert ended.code == Exit.STOPPED, ended.errors
    assert ended.report is not None
    assert ended.report["stopped"]
    assert ended.report["done"] == 0
    assert ended.killed == {"fork server": 6}
