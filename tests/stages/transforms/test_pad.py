"""Pad: where the picture lies, and on what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import WHITE, noise, plain, processed
from PIL import Image

from pipeline import Colour, Size, Spec, UsageError
from stages.transforms.pad import Pad

SIDES = st.integers(1, 5000)
SIZES = st.builds(Size, SIDES, SIDES)


class TestPad:
    @given(SIZES, SIZES, st.sampled_from(["centre", "top", "west", "right bottom", "northeast"]))
    def test_a_canvas_is_as_large_as_asked_for_and_never_crops(self, full: Size, want: Size, position: str) -> None:
        """Each side is the longer of picture and canvas, and the picture lies within."""
        stage = Pad(width=want.width, height=want.height, position=position)  # type: ignore[arg-type]
        size, top, left = stage.layout(full)
        assert size == (max(full.height, want.height), max(full.width, want.width))
        assert 0 <= top <= size.height - full.height
        assert 0 <= left <= size.width - full.width

    @pytest.mark.parametrize(
        ("position", "want"),
        [
            ("centre", (2, 1)), ("center", (2, 1)), ("top", (0, 1)), ("right top", (0, 3)), ("right", (2, 3)),
            ("right bottom", (5, 3)), ("bottom", (5, 1)), ("left bottom", (5, 0)), ("left", (2, 0)),
            ("left top", (0, 0)), ("north", (0, 1)), ("northeast", (0, 3)), ("east", (2, 3)), ("southeast", (5, 3)),
            ("south", (5, 1)), ("southwest", (5, 0)), ("west", (2, 0)), ("northwest", (0, 0)),
        ],
    )  # fmt: skip
    def test_places(self, position: Any, want: tuple[int, int]) -> None:
        """5 free rows and 3 free columns; the centre leaves the odd one after the picture."""
        assert Pad(width=7, height=8, position=position).layout(Size(3, 4)) == ((8, 7), *want)

    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_the_picture_lies_on_the_background(self, dtype: str, channels: int) -> None:
        """Margins of different widths, each dtype and model; the picture is not changed."""
        pixels = noise(3, 5, channels, dtype)
        out = processed(Pad(left=1, top=2, right=3, bottom=4, background=Colour(0x33, 0x66, 0x99, 0x80)), pixels)
        assert out.shape == (9, 9, channels)
        assert (out[2:5, 1:6] == pixels).all()
        luma = (299 * 0x33 + 587 * 0x66 + 114 * 0x99) / 1000
        levels = ([luma] if channels < 3 else [0x33, 0x66, 0x99]) + [0x80] * (channels in (2, 4))
        want = np.array(levels) * WHITE[dtype] / 255
        want = want.astype(np.float32) if dtype == "float32" else np.floor(want + 0.5)
        outside = np.ones((9, 9), bool)
        outside[2:5, 1:6] = False
        assert (out[outside] == want).all()

    def test_agrees_with_pillow(self) -> None:
        """`ImageOps.expand` with a border of one width."""
        from PIL import ImageOps

        pixels = noise(6, 9, 3)
        want = np.asarray(ImageOps.expand(Image.fromarray(pixels), 4, "#102030"))
        assert (
            processed(Pad(left=4, top=4, right=4, bottom=4, background=Colour(0x10, 0x20, 0x30)), pixels) == want
        ).all()

    def test_a_background_without_alpha_is_opaque(self) -> None:
        """And the default is black."""
        assert processed(Pad(width=2), plain(1, 1, 9, 9, 9, 9)).tolist() == [[[9, 9, 9, 9], [0, 0, 0, 255]]]

    def test_what_is_large_enough_passes(self) -> None:
        """The same Spec; no picture is read smaller before a pad, as its sizes are those of the whole picture."""
        spec = Spec(50, 60)
        assert Pad(width=60, height=10).output_spec(spec) == spec
        assert Pad(width=61).output_spec(spec).size == (50, 61)
        assert Pad(width=61).required_input(spec, Size(1, 1)) == (50, 60)

    @pytest.mark.parametrize("params", [{}, {"left": 0}, {"width": 3, "top": 1}])
    def test_refuses_what_makes_no_sense(self, params: dict[str, Any]) -> None:
        """Nothing to do, both ways at once."""
        with pytest.raises(UsageError):
            Pad(**params)
