"""JPEG XL: what libjxl writes comes back, at the size that is needed, upright and in its colours.

The files beside these tests are of cjxl, from a ramp of 90x60 pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from harness import counts, plan_of
from pictures import decoded, noise, smooth
from PIL import Image

from pipeline import ItemError, Size
from pipeline.supervisor import serial
from stages.codecs.jpegxl import Jpegxl
from stages.media import icc

FILES = Path(__file__).with_name("jpegxl")


def ramp() -> np.ndarray[Any, Any]:
    """(60, 90, 3) uint8: what the files were made of."""
    y, x = np.mgrid[0:60, 0:90]
    return np.stack([x * 255 // 89, y * 255 // 59, (x + y) * 255 // 148], -1).astype(np.uint8)


def file(name: str) -> bytes:
    return (FILES / f"{name}.jxl").read_bytes()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("container", [False, True])
def test_eight_bits_are_exact(channels: int, container: bool) -> None:
    pixels = noise(33, 45, channels)
    data = imagecodecs.jpegxl_encode(
        pixels[..., 0] if channels == 1 else pixels, lossless=True, usecontainer=container
    )  # fmt: skip
    spec, got = decoded(Jpegxl(), data)
    assert (spec.size, spec.channels, spec.dtype) == ((33, 45), channels, "uint8")
    assert (got.reshape(pixels.shape) == pixels).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_exact(channels: int) -> None:
    pixels = noise(20, 30, channels, "uint16")
    spec, got = decoded(Jpegxl(), imagecodecs.jpegxl_encode(pixels[..., 0] if channels == 1 else pixels, lossless=True))
    assert spec.dtype == "uint16"
    assert (got.reshape(pixels.shape) == pixels).all()


@pytest.mark.parametrize(("height", "width"), [(8, 8), (64, 64), (256, 128), (100, 75), (90, 160), (1, 513), (600, 7)])
def test_sizes_are_told_in_several_ways(height: int, width: int) -> None:
    """In eighths, as a ratio, in numbers of several lengths."""
    pixels = smooth(height, width)
    spec, got = decoded(Jpegxl(), imagecodecs.jpegxl_encode(pixels, lossless=True))
    assert spec.size == (height, width)
    assert (got == pixels).all()


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_averages_lie_where_they_belong(factor: int) -> None:
    codec, data = Jpegxl(), imagecodecs.jpegxl_encode(smooth(133, 201), lossless=True)
    full = codec.header(memoryview(data)).spec
    spec = codec.shrunk(full, Size(-(-133 // factor), -(-201 // factor)))
    out = np.zeros(spec.shape, np.uint8)
    codec.decode(memoryview(data), spec, out)
    assert np.abs(out.astype(int) - np.asarray(Image.fromarray(smooth(133, 201)).reduce(factor))).max() <= 1


@pytest.mark.parametrize("bits", [1, 2, 4, 7, 10, 12])
def test_few_bits_and_many_are_stretched(bits: int) -> None:
    pixels = (noise(20, 30, 3, "uint16") >> (16 - bits)).astype(np.uint8 if bits <= 8 else np.uint16)
    spec, got = decoded(Jpegxl(), imagecodecs.jpegxl_encode(pixels, lossless=True, bitspersample=bits))
    most, white = (1 << bits) - 1, 255 if bits <= 8 else 65535
    assert spec.dtype == ("uint8" if bits <= 8 else "uint16")
    assert (got == (pixels.astype(int) * white + most // 2) // most).all()


def test_premultiplied_colours_become_straight() -> None:
    """Of a ramp whose alpha is 128 on the left: the colours are the ramp's, but for rounding."""
    spec, got = decoded(Jpegxl(), file("premultiplied"))
    assert spec.model == "rgba"
    assert set(np.unique(got[..., 3])) == {128, 255}
    assert np.abs(got[..., :3].astype(int) - ramp()).max() <= 2


def test_colours_that_make_no_sense_are_no_crash() -> None:
    """Any header: read, or refused in one line."""
    rng, head = np.random.default_rng(3), file("p3")
    for _ in range(3000):
        data = head[:4] + rng.bytes(40) + head[44:]
        try:
            Jpegxl().header(memoryview(data))
        except ItemError as error:
            assert "\n" not in str(error)


def test_ten_bits_are_refused_with_a_packed_profile() -> None:
    with pytest.raises(ItemError, match="ICC profile packed into it"):
        Jpegxl().header(memoryview(file("ten_bits")))


def converted(name: str, folder: Path, ext: str = "png") -> np.ndarray[Any, Any]:
    (folder / "in").mkdir()
    (folder / "in/a.jxl").write_bytes(file(name))
    writer = {"use": "files", "path": f"{folder}/out/{{stem}}.{ext}"}
    report = serial.run(plan_of(folder, {"use": "folder", "path": str(folder / "in")}, [["orient"]], writer))
    assert counts(report) == {"done": 1}, report.failures
    with Image.open(folder / f"out/a.{ext}") as image:
        return np.asarray(image).astype(int)


def in_srgb(profile: bytes) -> np.ndarray[Any, Any]:
    """The ramp as Little CMS shows it."""
    import io

    from PIL import ImageCms

    source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    shown = ImageCms.profileToProfile(Image.fromarray(ramp()), source, target, renderingIntent=1)
    return np.asarray(shown).astype(int)


def test_codes_of_p3_are_heeded(tmp_path: Path) -> None:
    """Custom chromaticities, as cjxl makes of a profile; lossy, so within its loss."""
    wanted = in_srgb(icc.matrix_profile(icc.CODED[12], 0.0))
    got = converted("p3", tmp_path)
    assert np.abs(got - wanted).mean() <= 3
    assert np.abs(got - ramp()).mean() > 2 * np.abs(got - wanted).mean()


def test_a_profile_of_a_lossy_file_is_the_decoders_matter(tmp_path: Path) -> None:
    """Adobe RGB: the decoder gives linear sRGB, in 8 bits, so dark levels are coarse."""
    wanted = in_srgb(icc.matrix_profile(icc.ADOBE_RGB, icc.ADOBE_GAMMA))
    assert np.abs(converted("adobe_lossy", tmp_path) - wanted).mean() <= 5


def test_a_packed_profile_is_refused_by_name() -> None:
    """Rather than shown in wrong colours."""
    with pytest.raises(ItemError, match="ICC profile packed into it") as error:
        Jpegxl().header(memoryview(file("adobe_lossless")))
    assert "djxl" in error.value.remedy


def test_a_packed_jpeg(tmp_path: Path) -> None:
    """Turned as it says, in the colours of its profile, with its copyright."""
    header = Jpegxl().header(memoryview(file("packed_jpeg")))
    assert header.spec.orientation == 6
    assert header.metadata.icc
    assert b"(c) Ada" in header.metadata.exif
    upright = np.rot90(in_srgb(icc.matrix_profile(icc.CODED[12], 0.0)), -1)
    assert np.abs(converted("packed_jpeg", tmp_path) - upright).mean() <= 4


def test_of_an_animation_the_first_frame_is_read() -> None:
    header = Jpegxl().header(memoryview(file("animation")))
    assert header.remarks == ("is an animation: its first frame was read",)
    _, got = decoded(Jpegxl(), file("animation"))
    assert np.abs(got[..., :3].astype(int) - ramp()).mean() < 12  # of a GIF's 256 colours


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_file_that_is_cut_fails(cut: int) -> None:
    data = imagecodecs.jpegxl_encode(noise(40, 50), lossless=True)
    with pytest.raises(ItemError):
        decoded(Jpegxl(), data[: len(data) * cut // 20])


@pytest.mark.parametrize(
    "head", [b"\xff\x0a", b"\xff\x0a\xfe\xff", b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a\0\0\0\x14ftypjxl "]
)
def test_a_header_that_is_cut_is_named(head: bytes) -> None:
    with pytest.raises(ItemError, match="JPEG XL"):
        Jpegxl().header(memoryview(head))
