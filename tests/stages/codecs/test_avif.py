"""AVIF: its depths, gray, and which boxes are AVIF."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pictures import decoded, encoded, grain, smooth

from stages.codecs.avif import Avif


@pytest.mark.parametrize("depth", [10, 12])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_deep_avif_keeps_its_bits(depth: int, channels: int) -> None:
    """10 and 12 bits, which Pillow cuts to 8, become uint16 over its whole range."""
    import cv2

    stored = grain(channels, "uint16") >> (16 - depth)
    bgra = stored if channels == 1 else stored[:, :, [2, 1, 0, 3][:channels]]
    done, data = cv2.imencode(".avif", bgra, [cv2.IMWRITE_AVIF_DEPTH, depth, cv2.IMWRITE_AVIF_QUALITY, 100])
    assert done
    spec, out = decoded(Avif(), data.tobytes())
    assert (spec.dtype, spec.channels) == ("uint16", channels)
    assert (out == np.rint(stored / ((1 << depth) - 1) * 65535)).all()


@pytest.mark.parametrize(
    ("head", "is_avif"),
    [(b"avif\0\0\0\0mif1miaf", True), (b"avis\0\0\0\0msf1", True), (b"mif1\0\0\0\0mif1avif", True),
     (b"heic\0\0\0\0mif1heic", False), (b"mif1\0\0\0\0mif1heic", False), (b"isom\0\0\0\0iso2mp41", False)],
)  # fmt: skip
def test_avif_is_told_from_heic_and_mp4(head: bytes, is_avif: bool) -> None:
    """By the brands within the first box; what stands behind it does not count."""
    box = struct.pack(">I4s", len(head) + 8, b"ftyp") + head
    assert Avif().matches((box + b"avif" * 8)[:32]) is is_avif


def test_gray_stays_gray_in_avif() -> None:
    """Monochrome in, monochrome out."""
    assert decoded(Avif(), encoded(Avif(), smooth()[:, :, 0]))[0].model == "gray"
