"""The writer of files: where an output goes, in which format, with which settings. How it is saved: tests/worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from harness import counts, plan_of
from pictures import frame_of, noise, ramp, smooth
from PIL import Image

from pipeline import UsageError
from pipeline.supervisor import serial
from stages.codecs.pnm import Pnm
from stages.writers.files import Files


class Saved:
    """A WriteContext that keeps what is saved."""

    def __init__(self, encoder: Any) -> None:
        self.encoder = encoder
        self.data = b""

    def save(self, data: bytes | memoryview, *, mtime_ns: int | None = None) -> int:
        self.data += bytes(data)
        return len(data)


def test_an_output_is_what_the_encoder_makes() -> None:
    """Saved once, and its length is returned."""
    frame, context = frame_of(noise(4, 5)), Saved(Pnm())
    assert Files(path="{stem}.ppm").write(frame, context) == len(context.data)  # type: ignore[arg-type]
    assert context.data == bytes(Pnm().encode(frame))


def test_the_path_is_a_template() -> None:
    """Its extension names the format; a field that is not known is a mistake in the config."""
    assert Files(path="out/{dir}/{stem}.WebP").destination().format == "webp"
    with pytest.raises(UsageError, match="nme"):
        Files(path="out/{nme}.jpg").destination()


def test_without_an_encoder_it_says_so() -> None:
    """Which is a defect of the engine."""
    with pytest.raises(TypeError, match="encoder"):
        Files(path="a.jpg").write(frame_of(noise(4, 5)), Saved(None))  # type: ignore[arg-type]


@pytest.mark.parametrize(("ext", "kind"), [("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"), ("TIF", "TIFF")])
def test_the_extension_chooses_the_format(tmp_path: Path, ext: str, kind: str) -> None:
    """In capitals too."""
    ramp(tmp_path / "in/a.bmp")
    writer = {"use": "files", "path": f"{tmp_path}/out/{{stem}}.{ext}"}
    report = serial.run(plan_of(tmp_path, {"use": "folder", "path": str(tmp_path / "in")}, [], writer))
    assert counts(report) == {"done": 1}
    with Image.open(tmp_path / f"out/a.{ext}") as picture:
        assert (picture.format, picture.size) == (kind, (24, 16))


def test_the_block_of_a_format_overrides_the_quality_of_all(tmp_path: Path) -> None:
    """`quality` is for every lossy format, `jpeg: {quality}` for JPEG alone."""
    (tmp_path / "in").mkdir()
    Image.fromarray(smooth(200, 300)).save(tmp_path / "in/a.png")
    sizes = []
    for more in ({"quality": 95}, {"quality": 30}, {"quality": 95, "jpeg": {"quality": 30}}):
        writer = {"use": "files", "path": f"{tmp_path}/out/{{stem}}.jpg", **more}
        serial.run(plan_of(tmp_path, {"use": "folder", "path": str(tmp_path / "in")}, [], writer))
        sizes.append((tmp_path / "out/a.jpg").stat().st_size)
    assert sizes[0] > sizes[1] == sizes[2]
