"""The shape of films: rotation, pixels that are not square, a size that changes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from films import clips, job, made, reasons, see
from harness import counts, tree


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_applied_once(tmp_path: Path, rotation: int) -> None:
    """Upright pixels, no tag left, blocks readable; with `autorotate: false` pixels and tag as they were."""
    clip = clips.Clip("phone.mp4", 320, 180, 5, rotation=rotation)
    path = made(tmp_path, clip)
    assert counts(job(tmp_path, path)) == {"done": 1}
    output = see(tmp_path / "out/phone.mp4")
    assert output.rotation == 0
    assert output.size == ((180, 320) if rotation != 180 else (320, 180))
    assert output.ids == list(range(5))
    rows, columns = clips.marker_box(*output.size)
    red = output.first[rows, columns][4:-4, 4:-4].mean(axis=(0, 1))
    assert red[0] - red[2] >= 150, "the marker is where it belongs"
    assert counts(job(tmp_path, path, reader={"autorotate": False})) == {"done": 1}
    output = see(tmp_path / "out/phone.mp4")
    assert output.rotation % 360 == rotation
    assert output.size == (320, 180)


def test_pixels_that_are_not_square(gallery: Path, tmp_path: Path) -> None:
    """240x180 of 2:3, also scaled down: the shape as shown changes by less than 0.5 %."""
    for steps in ([], [[{"resize": {"width": 120}}]]):
        assert counts(job(tmp_path, gallery / "anamorphic.mp4", steps=steps)) == {"done": 1}
        output = see(tmp_path / "out/anamorphic.mp4")
        shape = output.size[0] / output.size[1] * output.sar
        assert abs(shape / (Fraction(240, 180) * Fraction(2, 3)) - 1) < 0.005


@pytest.mark.parametrize(("codec", "ext"), [("vp9", "mp4"), ("av1", "mp4"), ("hevc", "mkv"), ("vp9", "webm")])
def test_every_codec_keeps_the_shape_of_pixels(gallery: Path, tmp_path: Path, codec: str, ext: str) -> None:
    """In the stream or in the container; where neither can say it, the film fails with what to do."""
    writer = {"codec": codec, "preset": {"vp9": 8, "av1": 12}.get(codec, "ultrafast"), "crf": 40}
    report = job(tmp_path, gallery / "anamorphic.mp4", writer=writer, ext=ext)
    if ext == "webm":
        assert counts(report) == {"failed": 1}
        assert "has pixels of 2:3" in reasons(report)
    else:
        assert counts(report) == {"done": 1}, reasons(report)
        assert see(tmp_path / f"out/anamorphic.{ext}").sar == Fraction(2, 3)


def test_a_film_of_422_that_lies_on_its_side(tmp_path: Path) -> None:
    """As phones record it: turned, and readable."""
    clip = clips.Clip("side.mov", 320, 180, 4, codec="libx264", pix_fmt="yuv422p10le", rotation=90)
    report = job(tmp_path, made(tmp_path, clip))
    assert counts(report) == {"done": 1}, reasons(report)
    output = see(tmp_path / "out/side.mp4")
    assert (output.size, output.format) == ((180, 320), "yuv420p10le")
    assert output.ids == list(range(4))


def test_a_turned_picture_turns_its_pixels_too(tmp_path: Path) -> None:
    """2:3 pixels of a clip that lies on its side stand 3:2."""
    path = made(tmp_path, clips.Clip("side.mp4", 240, 180, 5, rotation=90, sar=Fraction(2, 3)))
    assert counts(job(tmp_path, path)) == {"done": 1}
    assert see(tmp_path / "out/side.mp4").sar == Fraction(3, 2)


def test_a_size_that_changes_in_midstream(tmp_path: Path) -> None:
    """Two clips of different size in one transport stream: an error that names the frame, and no output."""
    parts = [made(tmp_path, clips.Clip(f"{w}.ts", w, 96, 10, time_base=Fraction(1, 90000))) for w in (176, 160)]
    (tmp_path / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    report = job(tmp_path, tmp_path / "both.ts")
    assert counts(report) == {"failed": 1}
    assert "a video has one size" in reasons(report)
    assert not tree(tmp_path / "out")
