"""Gain maps of Ultra HDR JPEG: carried to an output that shows the whole picture, and lost aloud anywhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import counts, plan_of
from PIL import Image

from pipeline.supervisor import execution, serial
from pipeline.supervisor.report import Report
from stages.media import vips

HEIGHT, WIDTH = 96, 160


def photo(path: Path, turn: int = 1) -> None:
    """Dark to the left, brighter than white to the right, with the orientation of a camera."""
    path.parent.mkdir(exist_ok=True)
    light = np.broadcast_to(np.linspace(0, 4, WIDTH, dtype=np.float32)[None, :, None], (HEIGHT, WIDTH, 3))
    library = vips.library()
    image = library.Image.new_from_array(np.ascontiguousarray(light)).copy(interpretation="scrgb")
    image.set_type(library.GValue.gint_type, "orientation", turn)
    path.write_bytes(image.uhdrsave_buffer(Q=92))


def run(folder: Path, steps: list[Any], runs: Any = serial.run, keep: tuple[str, ...] = ("gain_map",)) -> Report:
    plan = plan_of(
        folder, {"use": "folder", "path": str(folder / "in")}, [steps],
        {"use": "files", "path": f"{folder}/out/{{stem}}.jpg", "keep": keep, "overwrite": "always"},
    )  # fmt: skip
    report: Report = runs(plan)
    assert counts(report) == {"done": 1}, report.failures
    return report


def gain(path: Path) -> np.ndarray[Any, Any] | None:
    """The map in a file, (H, W); None where there is none."""
    library = vips.library()
    try:
        image = library.Image.uhdrload_buffer(path.read_bytes())
    except library.Error:
        return None
    return vips.array_of(library.Image.jpegload_buffer(image.get("gainmap-data")))[:, :, 0]


@pytest.mark.parametrize("runs", [serial.run, execution.run], ids=["serial", "workers"])
def test_the_map_goes_with_a_smaller_picture(tmp_path: Path, runs: Any) -> None:
    """Of the same light: what was brighter than white still is, and by as much; common decoders see the picture."""
    photo(tmp_path / "in/a.jpg")
    run(tmp_path, ["orient", {"resize": {"width": 80}}], runs)
    before, after = gain(tmp_path / "in/a.jpg"), gain(tmp_path / "out/a.jpg")
    assert before is not None
    assert after is not None
    assert max(after.shape) <= 80
    for place in (0.1, 0.5, 0.9):
        wanted, found = (int(each[each.shape[0] // 2, int(each.shape[1] * place)]) for each in (before, after))
        assert abs(wanted - found) <= 6
    with Image.open(tmp_path / "out/a.jpg") as small, Image.open(tmp_path / "in/a.jpg") as large:
        assert small.size == (80, 48)
        wanted = np.asarray(large.convert("RGB").resize((80, 48), Image.Resampling.LANCZOS)).astype(int)
        assert abs(np.asarray(small.convert("RGB")).astype(int) - wanted).mean() <= 3
    library = vips.library()
    told = [library.Image.uhdrload_buffer((tmp_path / name).read_bytes()) for name in ("in/a.jpg", "out/a.jpg")]
    assert told[0].get("gainmap-max-content-boost") == pytest.approx(told[1].get("gainmap-max-content-boost"), rel=0.01)


@pytest.mark.parametrize(
    ("turn", "brightest"),
    [(1, (0, 1)), (3, (0, -1)), (6, (1, 0)), (8, (-1, 0)), (2, (0, -1)), (4, (0, 1)), (5, (1, 0)), (7, (-1, 0))],
)
def test_the_map_is_turned_with_the_picture(tmp_path: Path, turn: int, brightest: tuple[int, int]) -> None:
    photo(tmp_path / "in/a.jpg", turn)
    run(tmp_path, ["orient"])
    after = gain(tmp_path / "out/a.jpg")
    assert after is not None
    down, across = brightest
    rows, columns = after.mean(axis=1), after.mean(axis=0)
    assert np.sign(round((rows[-1] - rows[0]) / 20)) == down
    assert np.sign(round((columns[-1] - columns[0]) / 20)) == across
    with Image.open(tmp_path / "out/a.jpg") as image:
        assert image.getexif().get(0x0112, 1) == 1
        assert (image.width > image.height) == (after.shape[1] > after.shape[0])


@pytest.mark.parametrize(
    "step", [{"crop": {"width": 40, "height": 40}}, {"resize": {"width": 40, "height": 40}}, {"pad": {"top": 4}}],
    ids=["crop", "cover", "pad"],
)  # fmt: skip
def test_it_is_lost_aloud_where_it_would_not_fit(tmp_path: Path, step: dict[str, Any]) -> None:
    photo(tmp_path / "in/a.jpg")
    report = run(tmp_path, [step])
    assert gain(tmp_path / "out/a.jpg") is None
    assert any("gain map was not kept" in remark.text for remark in report.remarks), report.remarks


def test_it_is_lost_aloud_unasked(tmp_path: Path) -> None:
    photo(tmp_path / "in/a.jpg")
    report = run(tmp_path, ["orient"], keep=())
    assert gain(tmp_path / "out/a.jpg") is None
    assert any("HDR gain map" in remark.text for remark in report.remarks), report.remarks


def test_other_metadata_comes_along(tmp_path: Path) -> None:
    """Beside it, and the map is still found where the file says it is."""
    photo(tmp_path / "in/a.jpg")
    exif = Image.Exif()
    exif[0x8298] = "(c) Ada MPF"
    from stages.media import exif as blocks

    data, content = (tmp_path / "in/a.jpg").read_bytes(), exif.tobytes()
    content = content if content.startswith(blocks.EXIF) else blocks.EXIF + content
    marked = data[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content + data[2:]
    (tmp_path / "in/a.jpg").write_bytes(marked)
    run(tmp_path, [{"resize": {"width": 80}}], keep=("gain_map", "copyright"))
    assert gain(tmp_path / "out/a.jpg") is not None
    with Image.open(tmp_path / "out/a.jpg") as image:
        assert image.getexif()[0x8298] == "(c) Ada MPF"
        first = image.mpinfo[0xB002][0]["Size"]  # type: ignore[attr-defined]
    written = (tmp_path / "out/a.jpg").read_bytes()
    assert written[first - 2 : first + 2] == b"\xff\xd9\xff\xd8", "the first picture ends where it is said to"


def test_other_jpegs_are_as_ever(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (32, 32), "olive").save(tmp_path / "in/a.jpg")
    assert not run(tmp_path, ["orient"]).remarks
