"""`pipeline.frames`: the caller's loop in place of the writer."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from harness import ROOT
from PIL import Image

import pipeline
from pipeline import StopRun, UsageError
from pipeline.supervisor.caller import Frames

CONFIG = """
version: 1
reader: {use: folder, path: in}
transforms: [{name: shrink, stages: [orient, resize: {width: 32, height: 32}]}]
writer: {use: files, path: 'out/{stem}.png'}
queues: {memory: 16MiB, order: input}
on_error: {max_failures: none}
"""
SYNTHETIC = """
version: 1
reader: {use: synthetic, height: 8, width: 8, frames: 40, streams: 3, workers: 2}
transforms: [{name: look, stages: [identity]}]
writer: {use: 'null'}
queues: {memory: 16MiB, order: input}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty pictures of different colours and a broken one."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number in range(60):
        Image.new("RGB", (50, 40), (number, 100, 200)).save(f"in/{number:02d}.png")
    Path("in/30.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Path("c.yaml").write_text(CONFIG)
    return tmp_path


def test_frames_come_in_order_and_are_those_of_a_run(here: Path) -> None:
    """Each once, in input order, with the pixels that a run writes; the broken one is in the report."""
    pipeline.run("c.yaml")
    frames = pipeline.frames("c.yaml", workers={"shrink": 2})
    names = []
    for frame in frames:
        assert not frame.pixels.flags.writeable
        assert frame.spec.shape == frame.pixels.shape == (32, 32, 3)
        assert (frame.pixels == pixels_of(f"out/{frame.item.stem}.png")).all()
        names.append(frame.item.stem)
    assert names == [f"{number:02d}" for number in range(60) if number != 30]
    assert (frames.report.ledger.done, frames.report.ledger.failed) == (59, 1)
    assert [failure.item for failure in frames.report.failures] == ["in/30.png"]
    assert frames.report.exit_code == 1


def test_a_loop_that_is_left_ends_the_run(here: Path) -> None:
    """After `break`, and after an exception, no worker is left and the ledger balances."""
    with pipeline.frames("c.yaml") as frames:
        for _ in frames:
            break
    assert frames.report.ledger.balances
    assert frames.report.ledger.done <= 1 < frames.report.ledger.found
    assert not Path("out").exists()  # nothing is written, so no journal is kept
    frames = pipeline.frames("c.yaml")
    with pytest.raises(RuntimeError, match="mine"):
        _raise_in(frames)
    assert frames.report.ledger.cancelled > 0


def pixels_of(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def _raise_in(frames: Frames) -> None:
    with frames:
        for _ in frames:
            raise RuntimeError("mine")


def test_a_worker_that_is_killed_costs_nothing(here: Path) -> None:
    """Killed in the midst, its frame is made again: each frame comes once."""
    seen = []
    with pipeline.frames("c.yaml", workers={"all": 1}) as frames:
        for frame in frames:
            seen.append(frame.item.stem)
            if len(seen) == 5:
                handle = frames._loop.handles[1]
                assert handle.process is not None
                os.kill(handle.process.pid, signal.SIGKILL)
    assert seen == [f"{number:02d}" for number in range(60) if number != 30]
    assert sum(group.restarts for group in frames.report.groups) == 1


def test_streams_come_whole_and_in_order(here: Path) -> None:
    """Each stream's frames count up from 0."""
    Path("s.yaml").write_text(SYNTHETIC)
    indices: dict[str, list[int]] = {}
    frames = pipeline.frames("s.yaml")
    for frame in frames:
        indices.setdefault(frame.item.source, []).append(frame.index)
    assert list(indices.values()) == [list(range(40))] * 3
    assert frames.report.ledger.done == 3


def test_the_end_is_told_by_an_exception_where_the_run_was_stopped(here: Path) -> None:
    """More failures than allowed, and no input at all."""
    for number in range(10):
        Path(f"in/{number:02d}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(StopRun, match="more than 2 items failed"):
        list(pipeline.frames("c.yaml", {"on_error.max_failures": 2}))
    with pytest.raises(UsageError, match="no input"):
        list(pipeline.frames("c.yaml", {"reader.include": ["**/*.tif"]}))


def test_thumbnails_without_transforms_are_srgb_too(here: Path) -> None:
    """The stage that the plan puts before the writer runs in a group of its own."""
    import profiles

    icc = profiles.rgb(profiles.P3, 2.2)
    Image.new("RGB", (4, 4), (250, 10, 10)).save("in/00.png", icc_profile=icc)
    with pipeline.frames(ROOT / "configs/thumbnail.yaml", {"reader.path": "in", "transforms": []}, limit=1) as frames:
        (colour,) = [frame.pixels[0, 0].tolist() for frame in frames]
    assert colour[0] == 255
    assert colour[1] < 10
