"""GIF: transparency, palettes, and data that ends too early."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pictures import decoded, encoded, grain, saved, shown, smooth
from PIL import Image

from pipeline import DecodeContext, ItemError
from stages.codecs.gif import Gif


def test_transparency_of_gif() -> None:
    """The transparent colour has alpha 0 and keeps its colour, as Pillow shows it."""
    data = saved(Image.fromarray(grain(3)).quantize(32), "GIF", transparency=3)
    spec, out = decoded(Gif(), data)
    assert spec.model == "rgba"
    assert (out == shown(data, "RGBA")).all()
    assert not out[..., 3].all()


def test_up_to_256_colours_are_exact() -> None:
    """Drawings come back equal, dithered or not."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (200, 3), np.uint8)[rng.integers(0, 200, (60, 70))]
    for codec in (Gif(), Gif(dither=True)):
        assert (decoded(codec, encoded(codec, pixels))[1] == pixels).all()


def test_the_number_of_colours_is_kept_to() -> None:
    """And dithering changes which of them are where."""
    plain, dithered = (decoded(Gif(), encoded(Gif(colours=8, dither=dither), smooth()))[1] for dither in (False, True))
    assert len(np.unique(plain.reshape(-1, 3), axis=0)) <= 8
    assert (plain != dithered).any()


def test_what_a_first_frame_leaves_free_is_transparent() -> None:
    """A frame of 2x1 at (1, 1) on a canvas of 4x3."""
    head = b"GIF89a" + struct.pack("<HHBBB", 4, 3, 0x80, 0, 0) + bytes([10, 20, 30, 40, 50, 60])
    frame = b"," + struct.pack("<HHHHB", 1, 1, 2, 1, 0) + b"\x02" + b"\x02" + bytes([0b00_001_100, 0b0000101_0])
    spec, out = decoded(Gif(), head + frame + b"\0;")
    assert spec.model == "rgba"
    assert (out[1, 1:3] == [(40, 50, 60, 255), (10, 20, 30, 255)]).all()
    assert out[..., 3].sum() == 2 * 255


def test_data_that_ends_before_the_last_pixel_is_damage() -> None:
    """All blocks are there, but hold 3 of 400 pixels."""
    head = b"GIF89a" + struct.pack("<HHBBB", 20, 20, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 20, 20, 0) + b"\x02" + b"\x02" + bytes([0b00_001_100, 0b0000101_0])
    with pytest.raises(ItemError, match="damaged"):
        decoded(Gif(), head + frame + b"\0;")


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_cut_first_picture_fails_or_is_salvaged(part: float) -> None:
    """The rows that are there are exact, and a remark says how many; nothing is read of it unless that is asked for."""
    image = Image.fromarray(np.random.default_rng(1).integers(0, 255, (100, 80), np.uint8))
    whole = saved(image, "GIF", interlace=0)
    data = memoryview(whole[: 800 + int((len(whole) - 800) * part)])  # behind the header and the colours
    spec, said = Gif().header(data).spec, list[str]()
    out = np.zeros(spec.shape, np.uint8)
    with pytest.raises(ItemError, match=r"^truncated GIF: it ends within its first picture; `on_damage: salvage` of"):
        Gif().decode(data, spec, out)
    Gif().decode(data, spec, out, DecodeContext(salvage=True, remark=said.append))
    rows = int(100 * part * 0.9)
    assert (out[:rows, :, 0] == np.asarray(image)[:rows]).all()
    assert rows <= int(said[0].split("about ")[1].split()[0]) <= 100 * part + 2
    assert "salvaged: about" in said[0]
    assert "of 100 rows were read" in said[0]


def test_comments_and_how_often_it_is_shown() -> None:
    """As browsers count: a loop of 0 is for ever, of 2 twice more, none once."""
    frames = [Image.new("L", (8, 8), level) for level in (0, 99, 200)]
    for loop, plays in ((0, 0), (2, 3), (None, 1)):
        more = {} if loop is None else {"loop": loop}
        data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:], comment=b"hello", duration=50, **more)
        header = Gif().header(memoryview(data))
        assert (header.frames, header.plays, header.metadata.comment) == (3, plays, b"hello")
