"""Grayscale: each method exact, against fractions and against Pillow."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from formulas import BYTES, luma, rounded
from hypothesis import given
from hypothesis import strategies as st
from pictures import noise, one, processed
from PIL import Image

from pipeline import Size, Spec
from stages.transforms.grayscale import Grayscale


class TestGrayscale:
    @given(st.tuples(BYTES, BYTES, BYTES))
    def test_methods_round_the_exact_value_half_up(self, pixel: tuple[int, int, int]) -> None:
        """Luma of BT.601, the mean, and the middle of largest and smallest."""
        assert one(Grayscale(), pixel) == [rounded(luma(pixel))]
        assert one(Grayscale(method="average"), pixel) == [rounded(Fraction(sum(pixel), 3))]
        assert one(Grayscale(method="lightness"), pixel) == [rounded(Fraction(max(pixel) + min(pixel), 2))]

    @pytest.mark.parametrize("method", ["luma", "average", "lightness"])
    def test_white_stays_white_and_alpha_stays(self, method: Any) -> None:
        """In every dtype, black and white too, and an alpha is handed on."""
        for dtype, white in (("uint8", 255), ("uint16", 65535), ("float32", 1)):
            stage = Grayscale(method=method)
            assert one(stage, [white] * 3, dtype) == [white]
            assert one(stage, [0, 0, 0, white], dtype) == [0, white]

    def test_is_within_a_level_of_pillow_and_of_a_jpeg(self) -> None:
        """Pillow's "L" and the Y of its "YCbCr" are the same weights in fixed point."""
        pixels = noise(40, 50, 3)
        got = processed(Grayscale(), pixels)[..., 0].astype(int)
        assert np.abs(got - np.asarray(Image.fromarray(pixels).convert("L"))).max() <= 1
        assert np.abs(got - np.asarray(Image.fromarray(pixels).convert("YCbCr"))[..., 0]).max() <= 1

    def test_floats_keep_their_range(self) -> None:
        """A sample beyond white is not clipped: nothing is rounded here."""
        assert one(Grayscale(), [2, 0, 0], "float32") == pytest.approx([0.598])

    def test_gray_passes_and_only_lightness_needs_every_pixel(self) -> None:
        """The same Spec for gray; largest and smallest of averages are not those of the pixels."""
        assert Grayscale().output_spec(Spec.of("gray_alpha", 3, 4)) == Spec.of("gray_alpha", 3, 4)
        assert Grayscale().output_spec(Spec.of("rgba", 3, 4)) == Spec.of("gray_alpha", 3, 4)
        spec = Spec.of("rgb", 300, 400)
        assert Grayscale().required_input(spec, Size(30, 40)) == (30, 40)
        assert Grayscale(method="lightness").required_input(spec, Size(30, 40)) == (300, 400)
