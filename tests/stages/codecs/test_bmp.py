"""BMP: palettes, the order of rows, run lengths."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pictures import decoded, encoded, grain, saved
from PIL import Image

from pipeline import DecodeContext, ItemError
from stages.codecs.bmp import Bmp


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_bmp_as_pillow_shows_it(mode: str) -> None:
    """1 bit becomes 0 and 255, palettes become rgb."""
    image = Image.fromarray(grain(3))
    image = image.quantize(200) if mode == "P" else image.convert(mode)
    want = {"1": "L", "P": "RGB"}.get(mode, mode)
    assert (decoded(Bmp(), saved(image, "BMP"))[1] == np.asarray(image.convert(want))).all()


def test_rows_of_bmp_may_stand_from_the_top() -> None:
    """A negative height turns the order of rows."""
    data = bytearray(encoded(Bmp(), grain(3)))
    struct.pack_into("<i", data, 22, -33)
    assert (decoded(Bmp(), bytes(data))[1] == grain(3)[::-1]).all()


def test_run_lengths_of_bmp() -> None:
    """RLE8: runs, literals and line ends; a cut is seen though its size is not known beforehand."""
    rows = bytes([4, 1, 0, 0]) + bytes([0, 4, 0, 1, 2, 3]) + bytes([0, 1])
    palette = bytes([0, 0, 200, 0, 0, 100, 0, 0, 50, 0, 0, 0, 9, 9, 9, 0])
    info = struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 8, 1, len(rows), 0, 0, 4, 0)
    data = struct.pack("<2sIII", b"BM", 54 + 16 + len(rows), 0, 70) + info + palette + rows
    out = decoded(Bmp(), data)[1]
    assert (out == [[(200, 0, 0), (0, 100, 0), (0, 0, 50), (9, 9, 9)], [(0, 100, 0)] * 4]).all()
    assert (decoded(Bmp(), data[:-1])[1] == out).all(), "half of the end mark, which no pixel needs"
    with pytest.raises(ItemError, match=r"damaged|truncated"):
        decoded(Bmp(), data[:-6])


def test_the_padding_of_the_last_row_may_be_missing() -> None:
    """No pixel is in it; a byte less, and one is."""
    pixels, said = grain(3)[:, :31], list[str]()
    whole = encoded(Bmp(), pixels)
    for left, fine in ((3, True), (4, False)):
        data = memoryview(whole[: len(whole) - left])
        spec = Bmp().header(data).spec
        out = np.zeros(spec.shape, np.uint8)
        if fine:
            Bmp().decode(data, spec, out, DecodeContext(remark=said.append))
            assert (out == pixels).all()
        else:
            with pytest.raises(ItemError, match="truncated BMP"):
                Bmp().decode(data, spec, out)
    assert said == ["lacks the padding of its last row; every pixel was read"]


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_a_cut_file_fails_or_is_salvaged(mode: str) -> None:
    """Rows stand from the bottom up, so the lower ones are there; a remark says how many."""
    pixels = np.random.default_rng(1).integers(0, 255, (50, 60, {"L": 1, "RGB": 3, "RGBA": 4}[mode]), np.uint8)
    whole = encoded(Bmp(), pixels)
    data = memoryview(whole[: len(whole) * 6 // 10])
    spec, said = Bmp().header(data).spec, list[str]()
    out = np.full(spec.shape, 7, np.uint8)
    with pytest.raises(ItemError, match=r"truncated BMP.*; `on_damage: salvage` of the reader"):
        Bmp().decode(data, spec, out)
    Bmp().decode(data, spec, out, DecodeContext(salvage=True, remark=said.append))
    there = int(said[0].split("the lower ")[1].split()[0])
    assert 20 <= there <= 30
    assert (out[-there:, :, : pixels.shape[2]] == pixels[-there:]).all()


def test_density() -> None:
    """Pixels a metre, to and from pixels an inch."""
    data = saved(Image.new("RGB", (4, 4)), "BMP", dpi=(300, 300))
    assert Bmp().header(memoryview(data)).metadata.density == pytest.approx((300, 300), abs=0.1)
