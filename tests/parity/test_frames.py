"""Streams, several frames an item, frames made of frames: the same names and bytes from workers as from one process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from harness import NUMBERED, Stages, counts, fused, plan_of, stage, tree

from pipeline.supervisor import execution, serial

HALVES = stage("stages_for_tests.steps:Halves")
INVERT = stage("stages_for_tests.steps:Invert")


class Shape(NamedTuple):
    order: str
    together: bool
    workers: int
    credit: int

    def __str__(self) -> str:
        return f"{self.order}-{'fused' if self.together else 'staged'}-{self.workers}-{self.credit}"


SHAPES = [
    Shape("input", False, 1, 1),
    Shape("input", False, 2, 2),
    Shape("completed", False, 2, 2),
    Shape("completed", False, 2, 8),
    Shape("completed", True, 2, 2),
]
STAGED, FUSED = SHAPES[2], SHAPES[4]


def tiles(**params: Any) -> dict[str, Any]:
    return stage("stages_for_tests.steps:Tiles", **params)


def compared(
    folder: Path, shape: Shape, reader: dict[str, Any], groups: Sequence[Stages] = (), name: str = "{stem}-{index}"
) -> dict[str, str]:
    """Run a config in workers and in one process; the files that both made."""
    made = []
    for run in (execution.run, serial.run):
        out = folder / run.__module__
        plan = plan_of(
            folder,
            {"workers": shape.workers, **reader},
            [{"stages": group, "workers": shape.workers} for group in groups],
            {"use": "files", "path": f"{out}/{name}.png", "workers": shape.workers},
            queues={"order": shape.order, "credit": shape.credit, "depth": 3, "memory": "1MiB"},
        )
        if shape.together and run is execution.run:
            plan = fused(plan, shape.workers)
        report = run(plan)
        assert not report.failures
        made.append((counts(report), report.frames, report.skips, tree(out)))
    assert made[0] == made[1]
    return made[0][3]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    ("reader", "files"),
    [({"frames": 9, "streams": 3}, 27), ({"frames": 8, "fan_out": 5}, 40), ({"frames": 30}, 30)],
    ids=["streams", "fan-out", "single"],
)
def test_synthetic_frames(tmp_path: Path, shape: Shape, reader: dict[str, Any], files: int) -> None:
    """Frames of random sizes through two groups, one of which works in place, have the same pixels and names."""
    synthetic = {"use": "synthetic", "height": 40, "width": 50, "random_sizes": True, "seed": 3, **reader}
    groups = [["identity"], [{"resize": {"width": 20, "height": 20, "fit": "inside"}}, INVERT]]
    assert len(compared(tmp_path, shape, synthetic, groups)) == files


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_frames_made_of_frames(tmp_path: Path, shape: Shape) -> None:
    """Tiles of pictures of random sizes, the last of each row and column smaller, some pictures dropped."""
    reader = {"use": "synthetic", "height": 30, "width": 40, "frames": 16, "random_sizes": True, "seed": 1}
    groups = [["identity"], [tiles(side=8, least=5, most=20)], [INVERT]]
    assert len(compared(tmp_path, shape, reader, groups)) > 100


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_frames_made_of_frames_of_frames(tmp_path: Path, shape: Shape) -> None:
    """Two expanding groups one after the other: every part of every part has its own number."""
    reader = {"use": "synthetic", "height": 9, "width": 20, "frames": 5}
    assert len(compared(tmp_path, shape, reader, [[tiles(side=5, most=8)], [HALVES]])) == 5 * 8 * 2


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("reader", [{"frames": 4, "streams": 3}, {"frames": 5, "fan_out": 3}], ids=["streams", "many"])
def test_frames_made_of_each_frame_of_an_item(tmp_path: Path, shape: Shape, reader: dict[str, Any]) -> None:
    """The parts of the frames of a stream, and of an item of several frames, are numbered through the item."""
    synthetic = {"use": "synthetic", "height": 9, "width": 20, **reader}
    frames = 12 if "streams" in reader else 15
    assert len(compared(tmp_path, shape, synthetic, [[tiles(side=5, most=8)]])) == frames * 8


@pytest.mark.parametrize("shape", [STAGED, FUSED], ids=str)
def test_parts_may_be_smaller_than_declared_in_any_order(tmp_path: Path, shape: Shape) -> None:
    """The first part of a frame may be the smallest one: what counts is the declared bound."""
    reader = {"use": "synthetic", "height": 30, "width": 40, "frames": 4}
    assert len(compared(tmp_path, shape, reader, [[tiles(side=12, growing=True)]])) == 4 * 12


@pytest.mark.parametrize("shape", [STAGED, FUSED], ids=str)
def test_names_that_the_frame_decides(tmp_path: Path, shape: Shape) -> None:
    """Width and height stand in the name, below a folder that is made for it."""
    reader = {"use": NUMBERED, "items": 5, "height": 3, "width": 4}
    assert set(compared(tmp_path, shape, reader, name="{stem}/{width}x{height}")) == {
        f"{number:03d}/4x3.png" for number in range(5)
    }


@pytest.mark.parametrize("shape", [STAGED, FUSED], ids=str)
def test_an_item_without_frames_is_done(tmp_path: Path, shape: Shape) -> None:
    """Streams of no frames end at once, and none of them is lost."""
    assert compared(tmp_path, shape, {"use": NUMBERED, "items": 4, "frames": 0, "streamed": True}) == {}


@pytest.mark.parametrize(
    ("shape", "streamed", "side"),
    [(STAGED, False, 0), (STAGED, True, 0), (STAGED, False, 2), (STAGED, True, 2), (FUSED, False, 2)],
    ids=str,
)
def test_metadata_and_time_stamps_ride_along(tmp_path: Path, shape: Shape, streamed: bool, side: int) -> None:
    """An ICC profile larger than its picture, and the PTS of each frame, reach the writer by every way."""
    reader = {"use": NUMBERED, "items": 3, "frames": 4, "streamed": streamed, "icc_nbytes": 3000}
    groups = [["identity"], [{"crop": {"width": 4, "height": 4}}], *([[tiles(side=side, most=4)]] if side else [])]
    name = "{stem}-{index}" if side else "{stem}-{pts}"
    made = compared(tmp_path, shape, reader, groups, name=name)
    assert len(made) == 3 * 4 * (4 if side else 1)
    assert side or "002-21.png" in made
    for path in made:
        assert b"iCCP" in (tmp_path / "pipeline.supervisor.execution" / path).read_bytes()
