"""JPEG 2000: what Pillow and imagecodecs write comes back, at the size that is needed, with what stands beside it."""

from __future__ import annotations

import io
import struct

import imagecodecs
import numpy as np
import pytest
from pictures import decoded, noise, saved, smooth
from PIL import Image

from pipeline import ItemError, Size
from stages.codecs.jpeg2000 import XMP, Jpeg2000


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)])
@pytest.mark.parametrize("bare", [False, True])
def test_eight_bits_are_exact(mode: str, channels: int, bare: bool) -> None:
    pixels = noise(33, 45, channels)
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels, mode)
    data = saved(image, "JPEG2000", irreversible=False, no_jp2=bare)
    spec, got = decoded(Jpeg2000(), data)
    assert (spec.size, spec.channels, spec.dtype) == ((33, 45), channels, "uint8")
    assert (got.reshape(pixels.shape) == pixels).all()


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_deep_samples_are_stretched_to_sixteen(bits: int, channels: int) -> None:
    pixels = (noise(20, 30, channels, "uint16") >> (16 - bits)).astype(np.uint16)
    data = imagecodecs.jpeg2k_encode(pixels[..., 0] if channels == 1 else pixels, level=0, bitspersample=bits)
    spec, got = decoded(Jpeg2000(), data)
    most = (1 << bits) - 1
    assert spec.dtype == "uint16"
    assert (got.reshape(pixels.shape) == (pixels.astype(int) * 65535 + most // 2) // most).all()


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_averages_lie_where_they_belong(factor: int) -> None:
    """In the middle of the pixels that they stand for; the size is rounded up."""
    data = saved(Image.fromarray(smooth(133, 201)), "JPEG2000", irreversible=False)
    codec = Jpeg2000()
    full = codec.header(memoryview(data)).spec
    spec = codec.shrunk(full, Size(-(-133 // factor), -(-201 // factor)))
    assert spec.size == (-(-133 // factor), -(-201 // factor))
    out = np.zeros(spec.shape, np.uint8)
    codec.decode(memoryview(data), spec, out)
    assert np.abs(out.astype(int) - np.asarray(Image.fromarray(smooth(133, 201)).reduce(factor))).max() <= 1


def test_profile_and_xmp_of_a_jp2_file() -> None:
    """The profile in place of the coded colour space; XMP in its box."""
    data = bytearray(saved(Image.fromarray(smooth()), "JPEG2000"))
    at = data.index(b"colr") - 4
    length = struct.unpack_from(">I", data, at)[0]
    profile = struct.pack(">I", 132) + bytes(32) + b"acsp" + bytes(92)
    box = struct.pack(">I4sBBB", 11 + len(profile), b"colr", 2, 0, 0) + profile
    header = data.index(b"jp2h") - 4
    grown = struct.unpack_from(">I", data, header)[0] + len(box) - length
    data[header : header + 4] = struct.pack(">I", grown)
    data[at : at + length] = box
    data += struct.pack(">I4s", 24 + 4, b"uuid") + XMP + b"<x/>"
    found = Jpeg2000().header(memoryview(bytes(data))).metadata
    assert (found.icc, found.xmp) == (profile, b"<x/>")


@pytest.mark.parametrize("end", [20, 60, 90, 200])
def test_a_cut_file_fails(end: int) -> None:
    data = saved(Image.fromarray(noise(64, 64)), "JPEG2000", irreversible=False)[:end]
    with pytest.raises(ItemError, match="JPEG 2000"):
        decoded(Jpeg2000(), data)


def test_doctor_is_told() -> None:
    assert ".jp2" in Jpeg2000.health().says


def test_palettes_become_colours() -> None:
    """Or are refused: never gray indices."""
    file = io.BytesIO()
    Image.fromarray(smooth()).quantize(16).convert("RGB").save(file, "JPEG2000")
    assert Jpeg2000().header(memoryview(file.getvalue())).spec.model == "rgb"
