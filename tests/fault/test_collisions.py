"""Inputs and outputs of one name: which one wins, and no source is ever written over."""

from __future__ import annotations

from pathlib import Path

import pytest
from folder_jobs import RUNS, Run, job, reasons
from harness import counts, tree
from pictures import ramp

from pipeline.contracts.problem import ConfigError
from pipeline.supervisor import execution, serial


@RUNS
def test_the_first_of_two_inputs_for_one_output_is_the_one_in_input_order(tmp_path: Path, run: Run) -> None:
    """Whatever is faster: the second in the order of the input collides, and it names the first."""
    for name in ("a.png", "a.jpg", "a.jpeg", "b.jpg"):
        ramp(tmp_path / "in" / name)
    report = run(job(tmp_path))
    assert counts(report) == {"done": 2, "failed": 2}
    assert {name: kind for name, (kind, _) in reasons(report).items()} == {"a.jpg": "collision", "a.png": "collision"}
    assert all(f"collides with '{tmp_path}/in/a.jpeg'" in reason for _, reason in reasons(report).values())


def test_names_that_only_the_frame_decides_collide_too(tmp_path: Path) -> None:
    """Two pictures of one size for a name made of sizes: one is done, the other collides, nothing is overwritten."""
    ramp(tmp_path / "in" / "a.jpg")
    ramp(tmp_path / "in" / "b.jpg")
    ramp(tmp_path / "in" / "c.jpg", 30, 10)
    for run in (execution.run, serial.run):
        report = run(job(tmp_path, "out/{width}x{height}.png"))
        assert counts(report) == {"done": 2, "failed": 1}
        assert "collides with" in report.failures[0].reason


@RUNS
def test_outputs_replace_those_of_an_earlier_run(tmp_path: Path, run: Run) -> None:
    """A second run does everything again and leaves the same files, also where one of them was damaged or a link."""
    ramp(tmp_path / "in" / "a.jpg")
    ramp(tmp_path / "in" / "deep" / "b.jpg")
    run(job(tmp_path))
    first = tree(tmp_path / "out")
    (tmp_path / "out" / "a.png").write_bytes(b"half")
    (tmp_path / "out" / "deep" / "b.png").unlink()
    (tmp_path / "out" / "deep" / "b.png").symlink_to("nowhere")
    assert counts(run(job(tmp_path))) == {"done": 2}
    assert tree(tmp_path / "out") == first


def test_outputs_beside_their_inputs_are_refused(tmp_path: Path) -> None:
    """`in/{stem}-small.jpg` over `in` would be read by the next run: the plan says so, with both remedies."""
    ramp(tmp_path / "in" / "a.jpg")
    with pytest.raises(ConfigError, match=r"among the inputs.*folder of their own.*'\*\*/\*-small.jpg'"):
        job(tmp_path, "in/{stem}-small.jpg")
    assert job(tmp_path, "in/{stem}-small.jpg", include=["**/*.png"])
    with pytest.raises(ConfigError, match="among the inputs"):
        job(tmp_path, "in/{stem}-small.jpg", include=["a*.jpg"])


def test_outputs_beside_their_inputs_may_be_excluded(tmp_path: Path) -> None:
    """With `exclude` the second run finds the same inputs, and replaces its earlier outputs."""
    ramp(tmp_path / "in" / "a.jpg")
    looks = []
    for _ in range(2):
        report = execution.run(job(tmp_path, "in/{stem}-small.jpg", exclude=["**/*-small.jpg"]))
        looks.append((counts(report), tree(tmp_path / "in")))
    assert looks[0] == looks[1]
    assert looks[0][0] == {"done": 1}


@pytest.mark.parametrize("target", ["in/{stem}.png", "in/{name}", "in/{dir}/{stem}.{ext}", "other/{stem}.png"])
def test_outputs_with_the_names_of_their_inputs_are_refused(tmp_path: Path, target: str) -> None:
    """The same names, directly or through a linked folder: nothing is started."""
    ramp(tmp_path / "in" / "a.png")
    (tmp_path / "other").symlink_to("in")
    with pytest.raises(ConfigError, match="among the inputs"):
        job(tmp_path, target)


@RUNS
def test_a_source_is_never_written_over(tmp_path: Path, run: Run) -> None:
    """An output whose name is a link to its source: the item fails and the source has its bytes."""
    ramp(tmp_path / "in" / "a.png")
    before = tree(tmp_path / "in")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").hardlink_to(tmp_path / "in" / "a.png")
    report = run(job(tmp_path, "out/{stem}.png"))
    assert counts(report) == {"failed": 1}
    assert "would overwrite" in report.failures[0].reason
    assert tree(tmp_path / "in") == before
