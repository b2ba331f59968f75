"""Sharpen is the unsharp mask, without wrapping and without halos."""

from __future__ import annotations

import numpy as np
import pytest
from formulas import gaussian, step
from pictures import DTYPES, WHITE, noise, processed

from stages.transforms.sharpen import Sharpen


class TestSharpen:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("channels", [1, 3])
    def test_is_the_unsharp_mask(self, dtype: str, channels: int) -> None:
        """Noise comes out as in + amount (in - blur) within 1.5 levels of 8 bits, cut to the range of whole numbers."""
        pixels = (noise(20, 30, channels) / 255 * WHITE[dtype]).astype(dtype)
        want = pixels + 0.8 * (pixels - gaussian(pixels, 1.2))
        if dtype != "float32":
            want = want.clip(0, WHITE[dtype])
        error = np.abs(processed(Sharpen(sigma=1.2, amount=0.8), pixels) - want)
        assert error.max() <= {"uint8": 1.5, "uint16": 20, "float32": 1e-5}[dtype]

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_raises_edges_and_leaves_plain_areas(self, dtype: str) -> None:
        """An edge of 100 to 150 gets a darker and a brighter rim; four pixels beside it nothing has changed."""
        unit = WHITE[dtype] / 255
        pixels = step(100 * unit, 150 * unit, 3, dtype)
        sharp = processed(Sharpen(), pixels)
        assert sharp.max() > 160 * unit
        assert sharp.min() < 90 * unit
        np.testing.assert_allclose(sharp[:, :11], pixels[:, :11], rtol=1e-5)
        np.testing.assert_allclose(sharp[:, 21:], pixels[:, 21:], rtol=1e-5)

    def test_never_wraps_around(self) -> None:
        """Black beside white cannot get steeper: it stays as it is."""
        assert (processed(Sharpen(amount=5), step(0, 255)) == step(0, 255)).all()

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_differences_up_to_the_threshold_are_left(self, dtype: str) -> None:
        """A step of 8 levels differs from its blur by 2.4: kept at a threshold of 3, sharpened at 1."""
        unit = WHITE[dtype] / 255
        pixels = step(100 * unit, 108 * unit, 1, dtype)
        assert (processed(Sharpen(threshold=3), pixels) == pixels).all()
        assert (processed(Sharpen(threshold=1), pixels) != pixels).any()
        at_most = processed(Sharpen(threshold=2), pixels)  # a difference of 2.4 is 2 in whole numbers
        assert (at_most == pixels).all() == (dtype == "uint8")

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("channels", [2, 4])
    def test_hidden_colours_cast_no_halo(self, dtype: str, channels: int) -> None:
        """A plain area beside transparent white stays plain, and alpha stays as it is."""
        white = WHITE[dtype]
        pixels = np.full((9, 20, channels), 0.4 * white).astype(dtype)
        pixels[:, :10, -1] = white
        pixels[:, 10:, :-1] = white
        pixels[:, 10:, -1] = 0
        sharp = processed(Sharpen(amount=3), pixels)
        np.testing.assert_allclose(sharp[:, :10, :-1], pixels[:, :10, :-1], rtol=1e-5)
        assert (sharp[:, :, -1] == pixels[:, :, -1]).all()
