"""`--prune`: outputs of ours whose input is gone go, and nothing else, whatever was renamed, moved or not mounted."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from harness import cli, counts, plan_of
from kept_jobs import FILES, RESIZE, again, job, lay_out
from pictures import ramp

from pipeline.contracts import stamp
from pipeline.errors import EnvironmentRefusal, Exit, UsageError
from pipeline.journal import Options
from pipeline.supervisor import execution


def test_outputs_of_inputs_that_are_gone_are_pruned(home: Path) -> None:
    """They, and nothing else: not what was changed after us, not what is no output."""
    for number in range(4):
        ramp(home / "in" / f"more{number}.png", 40, 30)
    again(job(home))
    for name in ("a.png", "b.png"):
        (home / "in" / name).unlink()
    (home / "out/b.jpg").write_text("mine now")
    (home / "out/foreign.jpg").write_text("mine")
    report = execution.run(job(home), keep=Options(prune=True))
    assert counts(report) == {"up_to_date": 5}
    assert not (home / "out/a.jpg").exists()
    assert (home / "out/b.jpg").read_text() == "mine now"
    assert (home / "out/foreign.jpg").exists()
    assert any("stay: they were changed" in line for line in report.pruned)


def test_pruning_refuses_what_looks_like_a_mistake(home: Path) -> None:
    """More than half gone, or nothing there at all: a folder that is not mounted."""
    again(job(home))
    for name in ("a.png", "b.png"):
        (home / "in" / name).unlink()
    with pytest.raises(UsageError, match="2 of 3 items"):
        again(job(home), prune=True)
    assert (home / "out/a.jpg").exists()
    assert again(job(home), prune=True, force=True) == {"up_to_date": 1}
    assert not (home / "out/a.jpg").exists()
    shutil.rmtree(home / "in")
    (home / "in").mkdir()
    with pytest.raises(EnvironmentRefusal, match="is it mounted"):
        again(job(home), prune=True)
    report = execution.run(job(home), keep=Options())
    assert (report.exit_code, "is the folder of the inputs mounted?" in report.stopped) == (Exit.USAGE, True)


def more(home: Path, count: int = 6) -> None:
    """So many inputs more that what goes is less than half."""
    for number in range(count):
        ramp(home / "in" / f"more{number}.png", 40, 30)


def test_an_output_that_another_input_has_by_now_stays(home: Path) -> None:
    """An input that was renamed has the name of the old one's output: the run that makes it does not prune it."""
    more(home)
    flat = job(home, "out/{stem}.jpg")
    again(flat)
    (home / "in/a.png").unlink()
    ramp(home / "in/a.bmp", 20, 10)
    os.utime(home / "in/a.bmp", ns=(1_700_000_000_123_456_789,) * 2)
    assert again(flat, prune=True) == {"done": 1, "up_to_date": 8}
    assert (home / "out/a.jpg").exists()
    assert again(flat, prune=True) == {"up_to_date": 9}
    assert (home / "out/a.jpg").exists()


def test_an_input_that_comes_back_while_the_run_goes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked for once more before its output is removed."""
    more(home)
    again(job(home))
    kept = (home / "in/a.png").read_bytes()
    (home / "in/a.png").unlink()
    carry_out = execution.Run.carry_out

    def came_back(run: execution.Run, watch: execution.Watch | None) -> object:
        (home / "in/a.png").write_bytes(kept)
        return carry_out(run, watch)

    monkeypatch.setattr(execution.Run, "carry_out", came_back)
    again(job(home), prune=True)
    assert (home / "out/a.jpg").exists()


def test_outputs_of_another_folder_of_inputs_stay(home: Path) -> None:
    """Two folders into one: pruning for one leaves what came from the other, while that is there, or not known."""
    more(home)
    again(job(home))
    other = lay_out(home / "other") / "in"
    for name in FILES:
        (other / name).rename(other / name.replace("/", "/x").replace(".png", "_2.png"))
    plan = job(home, source=other)
    assert again(plan) == {"done": 3}
    before = sorted(path.name for path in (home / "out").rglob("*.jpg"))
    assert again(plan, prune=True) == {"up_to_date": 3}
    assert sorted(path.name for path in (home / "out").rglob("*.jpg")) == before
    (home / "in").rename(home / "not mounted")
    report = execution.run(plan, keep=Options(prune=True))
    assert sorted(path.name for path in (home / "out").rglob("*.jpg")) == before
    assert any("is not there" in line for line in report.pruned)
    (home / "in").mkdir()  # a mount point with nothing in it
    execution.run(plan, keep=Options(prune=True))
    assert sorted(path.name for path in (home / "out").rglob("*.jpg")) == before
    execution.run(plan, keep=Options(prune=True, force=True))
    assert len(list((home / "out").rglob("*.jpg"))) == 3


def test_what_cannot_be_looked_at_is_not_gone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails, a folder that may not be read."""
    lstat = os.lstat

    def failing(path: str, **more: object) -> os.stat_result:
        if str(path).endswith("b.png"):
            raise PermissionError(13, "Permission denied")
        return lstat(path)

    monkeypatch.setattr(stamp.os, "lstat", failing)
    assert not stamp.is_gone(str(home / "in/b.png"))
    assert not stamp.is_gone(str(home / "in/a.png"))
    assert stamp.is_gone(str(home / "in/nothing.png"))
    assert stamp.is_gone(str(home / "in/a.png/below.png"))


def test_a_foreign_file_under_the_name_of_a_part_stays(home: Path) -> None:
    """It was refused when the item came to it, and is not pruned with the item."""
    parts = job(home, "out/{stem}_{index}.jpg")
    again(parts)
    more(home)
    foreign = home / "out/more0_000000.jpg"
    foreign.write_text("mine")
    assert again(parts) == {"done": 5, "failed": 1, "up_to_date": 3}
    (home / "in/more0.png").unlink()
    again(parts, prune=True)
    assert foreign.read_text() == "mine"


def test_the_pictures_at_the_top_of_a_sequence_are_there(home: Path) -> None:
    """Their item has the name of the folder itself."""
    reader = {"use": "sequence", "path": str(home / "in"), "fps": 5}
    writer = {"use": "video", "path": f"{home}/out/{{stem}}.mkv", "codec": "ffv1"}
    film = plan_of(home, reader, [[RESIZE]], writer)
    assert again(film) == {"done": 2}
    assert again(film, prune=True, force=True) == {"up_to_date": 2}
    assert sorted(path.name for path in (home / "out").glob("*.mkv")) == ["in.mkv", "sub.mkv"]


def test_a_dry_run_lists_what_a_run_would_refuse_to_remove(home: Path) -> None:
    """With the reason on stderr, and as one object of JSON."""
    job(home)
    path = str(home / "config.yaml")
    cli("run", path, "-q")
    for name in ("a.png", "b.png"):
        (home / "in" / name).unlink()
    done = cli("run", path, "--prune", "--dry-run", "--json")
    assert sorted(json.loads(done.stdout)["removed"]) == [f"{home}/out/a.jpg", f"{home}/out/b.jpg"]
    assert "2 of 3 items" in done.stderr
    assert (home / "out/a.jpg").exists()
    told = cli("run", path, "--prune")
    assert told.returncode == Exit.USAGE
    assert "run 1 " in cli("report", path).stdout  # what was refused is not the last run
    done = cli("run", path, "--prune", "--force")
    assert "2 outputs of inputs that are gone were removed" in done.stderr
    assert not (home / "out/a.jpg").exists()
    shutil.rmtree(home / "in")
