"""Denoise takes noise and leaves edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pictures import WHITE, Pixels, processed

from pipeline import Spec, SpecError
from stages.transforms.denoise import Denoise


def flat_noise(shape: tuple[int, ...], middle: float, deviation: float, dtype: str = "uint8") -> Pixels:
    """Gaussian noise in levels of 8 bits, in the scale of a dtype."""
    levels = np.random.default_rng(1).normal(middle, deviation, shape) * WHITE[dtype] / 255
    return (levels if dtype == "float32" else np.rint(levels)).astype(dtype)


class TestDenoise:
    @pytest.mark.parametrize(("method", "dtype", "factor"), [
        ("bilateral", "uint8", 3), ("bilateral", "uint16", 3), ("bilateral", "float32", 3), ("nlmeans", "uint8", 8),
    ])  # fmt: skip
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_less_noise_and_the_same_edge(self, method: Any, dtype: str, factor: float, channels: int) -> None:
        """Noise of 10 levels falls to a third (bilateral) or an eighth (nlmeans); an edge of 90 keeps 85 of them."""
        unit = WHITE[dtype] / 255
        pixels = flat_noise((64, 64, channels), 80, 10, dtype)
        pixels[:, 32:] = flat_noise((64, 32, channels), 170, 10, dtype)
        clean = processed(Denoise(strength=10, method=method), pixels)
        colours = channels - (channels in (2, 4))
        for place in range(colours):
            left, right = clean[:, :32, place] / unit, clean[:, 32:, place] / unit
            assert left[:, 8:24].std() < pixels[:, 8:24, place].std() / unit / factor
            assert right[:, 1].mean() - left[:, -2].mean() > 85
        assert (clean[:, :, colours:] == pixels[:, :, colours:]).all()

    @pytest.mark.parametrize("method", ["bilateral", "nlmeans"])
    def test_neutral_rgb_is_gray(self, method: Any) -> None:
        """Three equal channels come out equal, and the bilateral filter makes of them what it makes of one."""
        gray = flat_noise((40, 40, 1), 120, 10)
        colour = processed(Denoise(strength=10, method=method), np.repeat(gray, 3, axis=2))
        assert (np.ptp(colour, axis=2) == 0).all()
        if method == "bilateral":
            assert (colour[:, :, :1] == processed(Denoise(strength=10), gray)).all()

    def test_sixteen_bits_stay_sixteen(self) -> None:
        """Levels between those of 8 bits come out, and details larger than the noise stay within a level of 8 bits."""
        ramp = np.repeat(np.arange(1000, 3560, 40, dtype=np.uint16)[:, np.newaxis], 64, axis=1)[:, :, np.newaxis]
        clean = processed(Denoise(strength=1), ramp)
        assert len(np.unique(clean)) > 40
        assert np.abs(clean.astype(int) - ramp)[4:-4].max() < 257

    def test_what_cannot_be_denoised_is_refused_with_a_remedy(self) -> None:
        """Planes, inks, and non-local means beyond 8 bits; the message says which dtype is wanted."""
        with pytest.raises(SpecError, match="nlmeans wants dtype uint8, got uint16; convert before this stage, or use"):
            Denoise(method="nlmeans").output_spec(Spec.of("rgb", 9, 9, dtype="uint16"))
        for spec in (Spec.of("yuv420", 9, 9), Spec.of("cmyk", 9, 9)):
            with pytest.raises(SpecError) as caught:
                Denoise().output_spec(spec)
            assert caught.value.remedy
