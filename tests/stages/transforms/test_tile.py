"""Transform tile: parts that cover a picture, their places, and how many there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import ROOT, counts, plan_of, tree
from hypothesis import given
from hypothesis import strategies as st

from pipeline import Frame, Item, Part, Size, Spec, SpecError, UsageError, config
from pipeline.contracts.problem import ConfigError
from pipeline.plan import planning
from pipeline.supervisor import execution, serial
from stages.transforms.tile import Tile

SIDES = st.integers(1, 60)
PHOTOS = {"use": "folder", "path": str(ROOT / "samples/photos")}


def cut(stage: Tile, pixels: np.ndarray, **properties: Any) -> list[tuple[Part, np.ndarray]]:
    """The parts of (H, W, C) uint8 pixels, each with its own."""
    spec = Spec(*pixels.shape, model="other")
    made = []
    for part in stage.expand(Frame(Item(0, ""), 0, spec, pixels, **properties)):
        out = np.empty(part.spec.shape, part.spec.dtype)
        part.fill(out)
        made.append((part, out))
    return made


@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 59))
def test_parts_cover_the_picture_and_have_one_size(
    height: int, width: int, part_height: int, part_width: int, overlap: int
) -> None:
    """Any size, part and overlap: all of the announced Spec and number, each pixel in one at least, at its place."""
    stage = Tile(part_width, part_height, min(overlap, part_width - 1, part_height - 1))
    pixels = np.arange(height * width, dtype=np.uint16).view(np.uint8).reshape(height, width, 2)
    spec = Spec(height, width, 2, model="other")
    made = cut(stage, pixels)
    assert len(made) == stage.expands(spec)
    assert {part.spec for part, _ in made} == {stage.output_spec(spec)}
    tops, lefts = stage.places(spec.size)
    seen = np.zeros((height, width), bool)
    for part, out in made:
        assert part.row is not None
        assert part.column is not None
        top, left = tops[part.row], lefts[part.column]
        place = slice(top, top + part.spec.height), slice(left, left + part.spec.width)
        assert (out == pixels[place]).all()
        seen[place] = True
    assert seen.all()


@given(SIDES, SIDES, st.integers(0, 59))
def test_neighbours_share_what_is_asked_for(side: int, part: int, overlap: int) -> None:
    """Each part begins `part - overlap` after the one before; only the last may begin sooner."""
    overlap = min(overlap, part - 1)
    tops, _ = Tile(part, part, overlap).places(Size(side, 1))
    steps = np.diff(tops)
    assert (steps[:-1] == part - overlap).all()
    assert all(0 < step <= part - overlap for step in steps[-1:])
    assert tops[-1] == max(0, side - part)


def test_parts_come_row_by_row() -> None:
    """Rows and columns count from 0; the last column of 7 is shifted inwards by two."""
    pixels = np.arange(28, dtype=np.uint8).reshape(4, 7, 1)
    made = cut(Tile(3, 2), pixels)
    assert [(part.row, part.column) for part, _ in made] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert [out[0, 0, 0] for _, out in made] == [0, 3, 4, 14, 17, 18]


def test_a_smaller_picture_is_one_part() -> None:
    """As it is; in one direction only, the other is cut."""
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    [(part, out)] = cut(Tile(10, 10), pixels)
    assert (part.row, part.column) == (0, 0)
    assert (out == pixels).all()
    assert [out.shape[:2] for _, out in cut(Tile(2, 10), pixels)] == [(3, 2), (3, 2)]


def test_decoders_do_not_shrink_before_it() -> None:
    """Parts are counted in pixels of the file."""
    spec = Spec(400, 600)
    assert Tile(64, 64).required_input(spec, Size(64, 64)) == spec.size


@pytest.mark.parametrize(("width", "height", "overlap"), [(8, 8, 8), (8, 4, 4), (4, 8, 9)])
def test_an_overlap_as_long_as_a_side_is_refused(width: int, height: int, overlap: int) -> None:
    """The next part would begin where this one does; the message says the limit and what to do."""
    limit = f"less than {min(width, height)}"
    with pytest.raises(UsageError, match=f"overlap {overlap} is not smaller than a part .* {limit}.*reduce overlap"):
        Tile(width, height, overlap)


def test_planes_are_refused_with_a_remedy() -> None:
    """The plan puts `rgb` before it; by hand the message says so."""
    with pytest.raises(SpecError, match="put rgb before"):
        Tile(4, 4).output_spec(Spec.of("yuv420", 8, 8))


@pytest.mark.parametrize("credit", [1, 4])
def test_workers_make_what_one_process_makes(credit: int, tmp_path: Path) -> None:
    """Names by row and column and by index, several workers a group: the same files with the same bytes."""
    made = []
    for run in (execution.run, serial.run):
        out = tmp_path / run.__module__
        plan = plan_of(
            tmp_path,
            PHOTOS,
            [
                {"stages": ["orient", {"tile": {"width": 100, "height": 90, "overlap": 10}}], "workers": 2},
                {"stages": [{"resize": {"width": 50}}], "workers": 2},
            ],
            {"use": "files", "path": f"{out}/{{stem}}_{{row}}_{{column}}_{{index}}.png", "workers": 2},
            queues={"credit": credit, "memory": "8MiB"},
        )
        report = run(plan)
        assert not report.failures
        made.append((counts(report), report.frames, tree(out)))
    assert made[0] == made[1]
    names = sorted(name for name in made[0][2] if name.startswith("valley_"))  # 360x540
    assert names[:5] == [f"valley_{n // 4:03d}_{n % 4:03d}_{n:06d}.png" for n in range(5)]
    assert len(names) == 4 * 7


@pytest.mark.parametrize("cuts", [1, 2])
def test_no_two_parts_of_an_item_have_one_index(cuts: int, tmp_path: Path) -> None:
    """Frames of different sizes become different numbers of parts; each has a file of its own."""
    reader = {
        "use": "synthetic", "height": 200, "width": 200, "frames": 2, "fan_out": 5, "random_sizes": True, "seed": 1,
    }  # fmt: skip
    groups = [{"stages": [{"tile": {"width": 64 >> n, "height": 64 >> n}}], "workers": 2} for n in range(cuts)]
    made = []
    for run in (execution.run, serial.run):
        out = tmp_path / run.__module__
        report = run(plan_of(tmp_path, reader, groups, {"use": "files", "path": f"{out}/{{stem}}_{{index}}.png"}))
        assert not report.failures
        files = tree(out)
        assert len(files) == report.frames > 20
        made.append(files)
    assert made[0] == made[1]


def planned(text: str, path: Path) -> planning.Plan:
    file = path / "config.yaml"
    file.write_text(text)
    return planning.build(config.load(file))


TILED = "version: 1\nreader: {{use: folder, path: {photos}}}\ntransforms: [{{name: cut, stages: [{stages}]}}]\n"
TILED += "writer: {{use: files, path: '{path}'}}\n{more}"


@pytest.mark.parametrize(
    ("stages", "path", "more", "message"),
    [
        ("orient", "o/{stem}_{row}.png", "", "the path has {row}, and no stage cuts pictures .* add the stage tile"),
        ("orient", "o/{stem}_{column}_{row}.png", "", "the path has {column}, and no stage cuts"),
        ("CUT", "o/{stem}_{row}.png", "", "tile makes several frames .* the same name; add {index}"),
        ("CUT", "o/{stem}_{pts}.png", "", "tile makes several frames .* the same name; add {index}"),
        ("CUT, flatten", "o/{stem}_{index}.png", "", "flatten follows in its group; it must be the last of its group"),
        ("CUT", "o/{stem}_{index}.png", "fuse: all\n", "files follows in its group; .* use fuse: none"),
    ],
)  # fmt: skip
def test_what_the_plan_refuses(stages: str, path: str, more: str, message: str, tmp_path: Path) -> None:
    """Places without a cut, names that are not one a part, and stages that follow in the same worker."""
    text = TILED.format(
        photos=ROOT / "samples/photos", path=path, more=more,
        stages=stages.replace("CUT", "tile: {width: 64, height: 64}"),
    )  # fmt: skip
    with pytest.raises(ConfigError, match=message):
        planned(text, tmp_path)


@pytest.mark.parametrize("name", ["{stem}_{row}_{column}", "{stem}_{index}"])
def test_names_that_are_one_a_part_are_taken(name: str, tmp_path: Path) -> None:
    """Row and column together, or the index."""
    text = TILED.format(
        photos=ROOT / "samples/photos", path=f"o/{name}.png", more="", stages="tile: {width: 64, height: 64}"
    )
    assert planned(text, tmp_path).destination == f"o/{name}.png"


@pytest.mark.parametrize("name", ["{stem}_{row}_{column}", "{stem}_{pts}"])
def test_parts_of_a_video_need_time_and_place(name: str, tmp_path: Path) -> None:
    """Each frame has the same places, and all parts of a frame its time stamp; both together tell them apart."""
    text = TILED.replace("use: folder", "use: video").replace("{photos}", "{clips}")
    fill = {"clips": ROOT / "samples/clips", "more": "", "stages": "tile: {width: 64, height: 64}"}
    with pytest.raises(ConfigError, match="some get the same name"):
        planned(text.format(path=f"o/{name}.png", **fill), tmp_path)
    whole = "o/{stem}_{pts}_{row}_{column}.png"
    assert planned(text.format(path=whole, **fill), tmp_path).destination == whole
