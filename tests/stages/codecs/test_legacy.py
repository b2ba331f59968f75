"""Formats of old software: what Pillow writes of them comes back, and nothing else is taken for one."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pictures import decoded, noise, saved, smooth
from PIL import Image

from pipeline import ItemError, Size
from stages.codecs.legacy import Legacy
from stages.media import signatures


@pytest.mark.parametrize(
    ("kind", "channels"),
    [("PCX", 1), ("PCX", 3), ("TGA", 1), ("TGA", 3), ("TGA", 4), ("SGI", 1), ("SGI", 3), ("SGI", 4), ("ICO", 4)],
)
def test_what_pillow_writes(kind: str, channels: int) -> None:
    pixels = noise(40, 40, channels)
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    options = {"sizes": [(40, 40)]} if kind == "ICO" else {}
    data = saved(image, kind, **options)
    assert signatures.legacy(data[:32]) == kind
    spec, got = decoded(Legacy(), data)
    assert (spec.channels, spec.dtype) == (channels, "uint8")
    assert (got.reshape(pixels.shape) == pixels).all()


def test_run_lengths_of_tga() -> None:
    pixels = smooth(20, 30)
    data = saved(Image.fromarray(pixels), "TGA", compression="tga_rle")
    assert (decoded(Legacy(), data)[1] == pixels).all()


def test_a_palette_becomes_colours() -> None:
    image = Image.fromarray(smooth(20, 30)).quantize(16)
    for kind in ("PCX", "TGA"):
        assert (decoded(Legacy(), saved(image, kind))[1] == np.asarray(image.convert("RGB"))).all()


def qoi(pixels: np.ndarray) -> bytes:
    """Every pixel as it is (QOI_OP_RGB)."""
    height, width, _ = pixels.shape
    head = b"qoif" + struct.pack(">IIBB", width, height, 3, 0)
    return head + b"".join(b"\xfe" + bytes(pixel) for pixel in pixels.reshape(-1, 3)) + bytes(7) + b"\1"


def psd(pixels: np.ndarray) -> bytes:
    """A flattened document without layers, unpacked."""
    height, width, channels = pixels.shape
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, height, width, 8, 3)
    return head + struct.pack(">III", 0, 0, 0) + b"\0\0" + pixels.transpose(2, 0, 1).tobytes()


@pytest.mark.parametrize("make", [qoi, psd])
def test_what_pillow_only_reads(make: object) -> None:
    pixels = noise(12, 17)
    spec, got = decoded(Legacy(), make(pixels))  # type: ignore[operator]
    assert spec.size == (12, 17)
    assert (got == pixels).all()


def test_it_shrinks_and_alpha_weighs() -> None:
    """Opaque red beside clear green: red."""
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, ::2], pixels[:, 1::2] = (255, 0, 0, 255), (0, 255, 0, 0)
    data, codec = saved(Image.fromarray(pixels), "TGA"), Legacy()
    spec = codec.shrunk(codec.header(memoryview(data)).spec, Size(4, 4))
    out = np.zeros(spec.shape, np.uint8)
    codec.decode(memoryview(data), spec, out)
    assert np.abs(out.astype(int) - (255, 0, 0, 128)).max() <= 1


@pytest.mark.parametrize("kind", ["PCX", "TGA", "SGI", "ICO"])
def test_a_cut_file_fails(kind: str) -> None:
    data = saved(Image.fromarray(noise(64, 64)), kind)
    for part in (0.05, 0.3, 0.7):
        with pytest.raises(ItemError, match=kind):
            decoded(Legacy(), data[: int(len(data) * part) + 20])


def test_texts_and_zeros_are_no_pictures() -> None:
    """TGA has no mark, so what is impossible in one rules it out."""
    rng = np.random.default_rng(0)
    taken = sum(bool(signatures.legacy(rng.bytes(32))) for _ in range(20_000))
    assert taken <= 2
    for head in (b"", bytes(32), b"Dear diary, today I went out to ", b"\x0a\x0a\x0aThree empty lines, then text.."):
        assert not signatures.legacy(head)
