"""Blur by its formula; alpha, edges and small pictures."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from formulas import gaussian, step
from pictures import DTYPES, WHITE, noise, processed

from pipeline import Spec, SpecError, UsageError
from stages.transforms.blur import Blur


class TestBlur:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize(
        ("kind", "channels"),
        [*itertools.product(("gaussian", "box"), (1, 2, 3, 4)), ("median", 1), ("median", 3)],
    )
    def test_a_plain_picture_stays_as_it_is(self, kind: Any, dtype: str, channels: int) -> None:
        """One colour blurred is that colour, up to the border and at half transparency."""
        colour = (np.array([0.7, 0.5, 0.2, 0.5][:channels]) * WHITE[dtype]).astype(dtype)
        pixels = np.broadcast_to(colour, (9, 7, channels))
        np.testing.assert_allclose(processed(Blur(sigma=1.4, kind=kind), pixels), pixels, rtol=1e-5)

    @pytest.mark.parametrize("sigma", [0.8, 2.0, 4.5])
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_a_point_becomes_the_bell_curve(self, sigma: float, dtype: str) -> None:
        """The response to one white pixel is the Gaussian, within a level of 8 bits."""
        pixels = np.zeros((51, 51, 1), dtype)
        pixels[25, 25] = WHITE[dtype]
        error = processed(Blur(sigma=sigma), pixels) - gaussian(pixels, sigma)
        assert np.abs(error).max() <= WHITE[dtype] / 255

    def test_the_picture_goes_on_as_its_mirror_image(self) -> None:
        """Borders of noise are what the formula gives on the mirrored picture; beyond 8 bits within 20 of 65535."""
        pixels = noise(20, 30, 3).astype(np.uint16) * 257
        assert np.abs(processed(Blur(sigma=2), pixels) - gaussian(pixels, 2)).max() < 20

    @pytest.mark.parametrize("kind", ["gaussian", "box"])
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("channels", [2, 4])
    def test_hidden_colours_do_not_show(self, kind: Any, dtype: str, channels: int) -> None:
        """Red beside transparent green stays pure red where anything is seen; alpha is blurred as a plain picture."""
        white = WHITE[dtype]
        pixels = np.zeros((9, 20, channels), dtype)
        pixels[:, :10, 0] = pixels[:, :10, -1] = white
        pixels[:, 10:, -2] = white  # the hidden colour; with gray_alpha it is as white as what is seen
        blurred = processed(Blur(sigma=2, kind=kind), pixels)
        alpha = processed(Blur(sigma=2, kind=kind), pixels[:, :, -1:])[:, :, 0]
        assert np.abs(blurred[:, :, -1].astype(float) - alpha).max() <= white * 2 / 255
        seen = blurred[:, :, -1] > white / 1000
        assert 100 < seen.sum() < 180
        np.testing.assert_allclose(blurred[seen][:, 0], white, rtol=1e-4)
        if channels == 4:
            assert blurred[seen][:, 1:3].max() <= white * 1e-4
        assert (blurred[:, 18:] == 0).all()  # out of reach

    def test_opaque_pictures_do_not_care_that_they_could_be_transparent(self) -> None:
        """RGBA with alpha at its most gives the colours that RGB gives."""
        colours = noise(17, 23, 3)
        pixels = np.dstack([colours, np.full((17, 23), 255, np.uint8)])
        blurred = processed(Blur(sigma=1.5), pixels)
        assert (blurred[:, :, :3] == processed(Blur(sigma=1.5), colours)).all()
        assert (blurred[:, :, 3] == 255).all()

    @pytest.mark.parametrize(("sigma", "width"), [(0.5, 3), (1.0, 3), (1.4, 5), (2.0, 7), (10.0, 35)])
    def test_a_box_is_as_wide_as_sigma_says(self, sigma: float, width: int) -> None:
        """The window is the odd one whose variance is nearest, and each pixel in it weighs the same."""
        pixels = np.zeros((51, 51, 1), np.float32)
        pixels[25, 25] = 1
        blurred = processed(Blur(sigma=sigma, kind="box"), pixels)[:, :, 0]
        reach = width // 2
        inside = blurred[25 - reach : 26 + reach, 25 - reach : 26 + reach]
        np.testing.assert_allclose(inside, 1 / width**2, rtol=1e-5)
        assert blurred.sum() == pytest.approx(1)

    def test_a_median_takes_specks_out_and_keeps_edges(self) -> None:
        """A white pixel vanishes, and the edge beside it stays where it was."""
        pixels = step(50, 150, 3)
        speck = pixels.copy()
        speck[12, 5] = 255
        assert (processed(Blur(sigma=1, kind="median"), speck) == pixels).all()

    def test_what_cannot_be_blurred_is_refused_with_a_remedy(self) -> None:
        """Planes, five channels; medians of alpha, of two channels, of wide windows beyond 8 bits."""
        plain, median = Blur(sigma=1), Blur(sigma=2, kind="median")
        for stage, spec in (
            (plain, Spec(9, 9, model="yuv420")),
            (plain, Spec(9, 9, 5, model="other")),
            (median, Spec.of("rgba", 9, 9)),
            (median, Spec(9, 9, 2, model="other")),
            (median, Spec.of("gray", 9, 9, dtype="uint16")),
        ):
            with pytest.raises(SpecError) as caught:
                stage.output_spec(spec)
            assert caught.value.remedy
        with pytest.raises(UsageError):
            Blur(sigma=90, kind="median")
