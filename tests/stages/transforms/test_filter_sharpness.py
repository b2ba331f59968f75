"""Pictures left out because they are blurred."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import DTYPES, WHITE, frame_of, noise, processed

from pipeline import Frame, Item, Skip, Spec, SpecError
from stages.transforms.blur import Blur
from stages.transforms.filter_sharpness import FilterSharpness

NOTHING = np.empty(0)


class TestFilterSharpness:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_measures_what_people_know_the_measure_by(self, dtype: str, channels: int) -> None:
        """Within a hundredth of `cv2.Laplacian(gray, cv2.CV_64F).var()` on 8-bit gray, for every dtype and model."""
        import cv2

        levels = processed(Blur(sigma=1), noise(40, 60, channels))
        gray = levels[:, :, 0] if channels < 3 else cv2.cvtColor(levels[:, :, :3].copy(), cv2.COLOR_RGB2GRAY)
        want = cv2.Laplacian(gray, cv2.CV_64F).var()
        pixels = levels if dtype == "uint8" else (levels / 255 * WHITE[dtype]).astype(dtype)
        frame = frame_of(pixels)
        FilterSharpness(min=want * 0.99).process(frame, NOTHING)
        with pytest.raises(Skip):
            FilterSharpness(min=want * 1.01).process(frame, NOTHING)

    def test_says_how_blurred(self) -> None:
        """A flat picture has no variance at all; the message names both numbers."""
        with pytest.raises(Skip) as caught:
            FilterSharpness(min=100).process(frame_of(np.full((8, 8, 3), 77, np.uint8)), NOTHING)
        assert str(caught.value) == "blurred: the variance of its Laplacian is 0.0, below min 100"

    def test_a_blurred_picture_is_left_out_and_its_original_is_not(self) -> None:
        """The bound lies between a picture and its blur by two pixels."""
        pixels = noise(64, 64, 3)
        stage = FilterSharpness(min=100)
        stage.process(frame_of(pixels), NOTHING)
        with pytest.raises(Skip):
            stage.process(frame_of(processed(Blur(sigma=2), pixels)), NOTHING)

    @pytest.mark.parametrize("spec", [Spec.of("yuv420", 8, 8), Spec.of("cmyk", 8, 8)], ids=str)
    def test_what_has_no_luma_is_refused_with_a_remedy(self, spec: Spec) -> None:
        """Planes and inks."""
        frame = Frame(Item(0, ""), 0, spec, np.zeros(spec.shape, np.uint8))
        with pytest.raises(SpecError) as caught:
            FilterSharpness(min=100).process(frame, NOTHING)
        assert caught.value.remedy
