"""PNM: binary and plain, every range of samples, and damage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pictures import decoded, encoded, grain, saved
from PIL import Image

from pipeline import ItemError
from stages.codecs.pnm import Pnm


def test_sixteen_bits_are_flattened_exactly() -> None:
    """Half transparent black over white."""
    pixels = np.full((2, 3, 2), 32768, np.uint16)
    pixels[..., 0] = 0
    assert (decoded(Pnm(), encoded(Pnm(), pixels))[1] == 32767).all()


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "I;16"])
def test_binary_pnm_as_pillow_writes_it(mode: str) -> None:
    """P4, P5 and P6, 8 and 16 bits."""
    image = Image.fromarray(grain(1, "uint16")) if mode == "I;16" else Image.fromarray(grain(3)).convert(mode)
    out = decoded(Pnm(), saved(image, "PPM"))[1]
    assert (out == np.asarray(image.convert("L") if mode == "1" else image)).all()


@pytest.mark.parametrize(
    ("data", "want"),
    [(b"P1 3 2\n010\n1 1 0", [[255, 0, 255], [0, 0, 255]]), (b"P2\n# made by\n2 1 # size\n255\n7 250\n", [[7, 250]]),
     (b"P3 1 1 15 0 7 15", [[[0, 119, 255]]]), (b"P2 3 1 300 0 150 300", [[0, 32768, 65535]]),
     (b"P5 2 1 3\n\1\3", [[85, 255]]), (b"P4 9 1\n\xaa\x80", [[0, 255] * 4 + [0]])],
)  # fmt: skip
def test_plain_pnm_and_other_ranges(data: bytes, want: list[Any]) -> None:
    """Digits that touch, comments, and largest samples that are stretched to the range of the dtype."""
    assert Pnm().matches(data[:32])
    assert decoded(Pnm(), data)[1].tolist() == want


@pytest.mark.parametrize(
    "data",
    [b"P5", b"P5 2 2 255\n123", b"P5 0 2 255\n", b"P5 2 2 65536\n12345678", b"P2 2 1 255\n1 256", b"P2 2 1 255\n1    ",
     b"P2 1 1 255 -1", b"P2 1 1 255     ", b"P1 2 2 0102", b"P6 999999999 999999999 255\n", b"P5 2 1 3\n\1\4",
     b"P2 1 1 255 99999999999999999999"],
)  # fmt: skip
def test_damaged_pnm_is_refused(data: bytes) -> None:
    """Cut, impossible, beyond its largest sample, or no numbers."""
    with pytest.raises(ItemError, match=r"(damaged|truncated) PNM"):
        decoded(Pnm(), data)


def test_pictures_of_a_pnm_stream_are_counted() -> None:
    """Netpbm's tools write them one after the other."""
    data = encoded(Pnm(), grain(3)) + encoded(Pnm(), grain(1))
    assert Pnm().header(memoryview(data)).frames == 2
    assert (decoded(Pnm(), data)[1] == grain(3)).all()
