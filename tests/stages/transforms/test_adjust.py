"""Adjust: numbers of brightness, contrast, saturation and gamma."""

from __future__ import annotations

import math

import numpy as np
import pytest
from formulas import BYTES
from hypothesis import given
from hypothesis import strategies as st
from pictures import noise, one, processed
from PIL import Image

from pipeline import Size, Spec
from stages.transforms.adjust import Adjust
from stages.transforms.grayscale import Grayscale


class TestAdjust:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_does_nothing_by_default(self, dtype: str, channels: int) -> None:
        """Factors of 1 give back every sample."""
        pixels = noise(9, 11, channels, dtype)
        assert (processed(Adjust(), pixels, dtype) == pixels).all()

    @pytest.mark.parametrize(
        ("params", "pixel", "want"),
        [
            ({"brightness": 0.5}, [1, 100, 255], [1, 50, 128]),
            ({"brightness": 2}, [1, 100, 200], [2, 200, 255]),
            ({"contrast": 0}, [0, 100, 255], [128, 128, 128]),
            ({"contrast": 2}, [0, 100, 200], [0, 73, 255]),
            ({"contrast": 0.5}, [0, 101, 255], [64, 114, 191]),
            ({"gamma": 2}, [0, 64, 255], [0, 128, 255]),
            ({"brightness": 2, "contrast": 0.5}, [0, 100, 255], [64, 164, 255]),
            ({"saturation": 0}, [255, 0, 0], [76, 76, 76]),
            ({"saturation": 0.5}, [255, 0, 0], [166, 38, 38]),
            ({"saturation": 2}, [100, 50, 50], [135, 35, 35]),
            ({"saturation": 4}, [255, 0, 128], [255, 0, 239]),
        ],
    )
    def test_gives_these_numbers(self, params: dict[str, float], pixel: list[int], want: list[int]) -> None:
        """Worked by hand: half up, clipped to 0..255, brightness before contrast and nothing clipped between."""
        assert one(Adjust(**params), pixel) == want

    @given(st.tuples(BYTES, BYTES, BYTES))
    def test_no_saturation_is_grayscale(self, pixel: tuple[int, int, int]) -> None:
        """The same luma, exact in 8 bits and in 16."""
        assert one(Adjust(saturation=0), pixel) == one(Grayscale(), pixel) * 3
        words = [v * 257 for v in pixel]
        assert one(Adjust(saturation=0), words, "uint16") == one(Grayscale(), words, "uint16") * 3

    @pytest.mark.parametrize(
        "params", [{"brightness": 1.3}, {"contrast": 1.7, "gamma": 0.6}, {"gamma": 2.2, "saturation": 1.4}]
    )
    def test_dtypes_agree(self, params: dict[str, float]) -> None:
        """8 and 16 bits are what floats give, to half a level."""
        pixels = noise(20, 30, 4)
        want = processed(Adjust(**params), (pixels / 255).astype(np.float32), "float32").astype(float)
        assert np.abs(processed(Adjust(**params), pixels) / 255 - want).max() < 0.501 / 255
        assert (
            np.abs(processed(Adjust(**params), pixels * np.uint16(257), "uint16") / 65535 - want).max() < 0.53 / 65535
        )

    def test_saturation_is_within_two_levels_of_pillow(self) -> None:
        """`ImageEnhance.Color` blends with the gray picture, which is rounded there and not here."""
        from PIL import ImageEnhance

        pixels = noise(20, 30, 3)
        want = np.asarray(ImageEnhance.Color(Image.fromarray(pixels)).enhance(1.5))
        assert np.abs(processed(Adjust(saturation=1.5), pixels).astype(int) - want).max() <= 2

    def test_alpha_is_left_alone_and_gray_has_no_saturation(self) -> None:
        """Everything at once; gray is gray whatever the saturation."""
        stage = Adjust(brightness=0, contrast=0, saturation=0, gamma=3)
        for dtype in ("uint8", "uint16", "float32"):
            assert one(stage, [1, 1, 1, 1], dtype)[3] == 1
            assert one(stage, [1, 1], dtype)[1] == 1
        assert one(Adjust(saturation=3), [9]) == [9]

    def test_floats_come_out_between_black_and_white(self) -> None:
        """NaN as black, without a warning."""
        pixel = [math.nan, -1, 5]
        assert one(Adjust(brightness=2), pixel, "float32") == [0, 0, 1]
        assert one(Adjust(saturation=1.5, gamma=2), pixel, "float32")[2] == 1

    def test_gamma_needs_every_pixel(self) -> None:
        """The mean of a curve is not the curve of the mean; of a straight line it is."""
        spec = Spec.of("rgb", 300, 400)
        assert Adjust(contrast=1.2, saturation=0).required_input(spec, Size(30, 40)) == (30, 40)
        assert Adjust(gamma=1.2).required_input(spec, Size(30, 40)) == (300, 400)
