"""Pictures that no stage changes: their own code is written on request, and only where it is what was read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import counts, plan_of
from pictures import noise
from PIL import Image

from pipeline.supervisor import execution, serial
from pipeline.supervisor.report import Report


def picture(folder: Path, name: str, **options: Any) -> bytes:
    """A picture that no encoder here would make again from its pixels."""
    (folder / "in").mkdir(exist_ok=True)
    path = folder / "in" / name
    Image.fromarray(noise(48, 64)).save(path, **{"quality": 37, "subsampling": 0, "comment": b"a note", **options})
    return path.read_bytes()


def run(folder: Path, steps: list[Any], run: Any = serial.run, *, reader: Any = (), **writer: Any) -> Report:
    plan = plan_of(
        folder, {"use": "folder", "path": str(folder / "in"), **dict(reader)}, [steps] if steps else [],
        {"use": "files", "path": f"{folder}/out/{{stem}}.jpg", "unchanged": "copy", **writer},
    )  # fmt: skip
    report: Report = run(plan)
    return report


def same(folder: Path) -> bool:
    """Whether the code of the first scan is the source's."""
    source, made = ((folder / name).read_bytes() for name in ("in/a.jpg", "out/a.jpg"))
    return source[source.index(b"\xff\xda") :] == made[made.index(b"\xff\xda") :]


@pytest.mark.parametrize("runs", [serial.run, execution.run], ids=["serial", "workers"])
@pytest.mark.parametrize("steps", [[], ["orient", {"resize": {"width": 999, "without_enlargement": True}}]])
def test_the_code_is_copied_and_the_comment_is_not(tmp_path: Path, runs: Any, steps: list[Any]) -> None:
    """Also by workers, which are confined."""
    picture(tmp_path, "a.jpg")
    assert counts(run(tmp_path, steps, runs)) == {"done": 1}
    assert same(tmp_path)
    assert b"a note" not in (tmp_path / "out/a.jpg").read_bytes()


def test_what_is_to_be_kept_comes_along(tmp_path: Path) -> None:
    picture(tmp_path, "a.jpg", dpi=(300, 300))
    run(tmp_path, [], keep=["comment", "density"])
    assert same(tmp_path)
    with Image.open(tmp_path / "out/a.jpg") as image:
        assert image.info["comment"] == b"a note"
        assert image.info["dpi"] == (300, 300)


@pytest.mark.parametrize(
    ("steps", "options"),
    [
        ([{"resize": {"width": 32}}], {}),
        ([{"adjust": {"contrast": 1.1}}], {}),
        (["orient"], {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"}),
    ],
    ids=["smaller", "contrast", "turned"],
)  # fmt: skip
def test_what_a_stage_changes_is_encoded(tmp_path: Path, steps: list[Any], options: dict[str, Any]) -> None:
    picture(tmp_path, "a.jpg", **options)
    assert counts(run(tmp_path, steps)) == {"done": 1}
    assert not same(tmp_path)


def test_another_format_is_encoded(tmp_path: Path) -> None:
    """Known by its bytes, whatever its name is; a JPEG of CMYK is another one than the output too."""
    picture(tmp_path, "a.jpg", format="PNG")
    Image.new("CMYK", (32, 32), "red").save(tmp_path / "in/b.jpg")
    assert counts(run(tmp_path, [])) == {"done": 2}
    for name in ("a", "b"):
        with Image.open(tmp_path / f"out/{name}.jpg") as image:
            assert (image.format, image.mode) == ("JPEG", "RGB")


def test_salvaged_pictures_are_encoded(tmp_path: Path) -> None:
    """A copy would be as damaged as its source; a whole one beside it is copied."""
    whole = picture(tmp_path, "a.jpg")
    (tmp_path / "in/b.jpg").write_bytes(whole[: len(whole) // 2])
    report = run(tmp_path, [], reader={"on_damage": "salvage"})
    assert counts(report) == {"done": 2}, report.failures
    assert same(tmp_path)
    with Image.open(tmp_path / "out/b.jpg") as image:
        assert np.asarray(image).shape == (48, 64, 3)  # read to its end: it is whole


def test_beside_code_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose file a confined worker could not read; what it may have changed is encoded."""
    home = tmp_path / "elsewhere"
    home.mkdir()
    (home / "mine.py").write_text("def same(pixels):\n    return pixels\n")
    picture(tmp_path, "a.jpg")
    monkeypatch.chdir(home)
    plan = plan_of(
        tmp_path, {"use": "folder", "path": str(tmp_path / "in")}, [["./mine.py"], ["orient"]],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}.jpg", "unchanged": "copy"},
    )  # fmt: skip
    report = execution.run(plan)
    assert counts(report) == {"done": 1}, report.failures
    assert not same(tmp_path)


def test_nothing_of_the_first_segment_is_kept(tmp_path: Path) -> None:
    """Density and thumbnail of JFIF are metadata as well."""
    data = picture(tmp_path, "a.jpg", dpi=(300, 300))
    end = 4 + int.from_bytes(data[4:6], "big")
    thumbnail = data[:4] + (16 + 3).to_bytes(2, "big") + data[6:18] + b"\1\1abc"
    (tmp_path / "in/a.jpg").write_bytes(thumbnail + data[end:])
    run(tmp_path, [], keep=[])
    assert same(tmp_path)
    made = (tmp_path / "out/a.jpg").read_bytes()
    assert b"abc" not in made[:64]
    with Image.open(tmp_path / "out/a.jpg") as image:
        assert image.info.get("dpi", (1, 1)) != (300, 300)
