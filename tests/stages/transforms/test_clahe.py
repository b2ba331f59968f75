"""Clahe raises contrast within its limit and keeps colours."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import WHITE, Pixels, noise, processed

from pipeline import Spec, SpecError
from stages.transforms.blur import Blur
from stages.transforms.clahe import Clahe


def flat_noise(shape: tuple[int, ...], middle: float, deviation: float, dtype: str = "uint8") -> Pixels:
    """Gaussian noise in levels of 8 bits, in the scale of a dtype."""
    levels = np.random.default_rng(1).normal(middle, deviation, shape) * WHITE[dtype] / 255
    return (levels if dtype == "float32" else np.rint(levels)).astype(dtype)


class TestClahe:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_raises_low_contrast(self, dtype: str, channels: int) -> None:
        """A dull gradient gets at least 1.5 times the standard deviation, alpha stays as it is."""
        waves = 128 + 8 * np.sin(np.arange(96) / 5)[:, np.newaxis] + 8 * np.sin(np.arange(128) / 7)
        pixels = np.rint(np.repeat(waves[:, :, np.newaxis], channels, axis=2) * WHITE[dtype] / 255).astype(dtype)
        even = processed(Clahe(clip_limit=4), pixels)
        assert even[:, :, 0].std() > 1.5 * pixels[:, :, 0].std()
        if channels in (2, 4):
            assert (even[:, :, -1] == pixels[:, :, -1]).all()

    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    def test_neutral_colours_stay_neutral(self, dtype: str) -> None:
        """Every gray of rgb comes out with equal red, green and blue (beyond 8 bits within a thousandth)."""
        gray = np.random.default_rng(0).integers(0, WHITE[dtype] + 1, (64, 96, 1), dtype)
        even = processed(Clahe(clip_limit=3), np.repeat(gray, 3, axis=2))
        assert np.ptp(even.astype(int), axis=2).max() <= {"uint8": 0, "uint16": 65}[dtype]

    def test_a_plain_picture_stays_as_it_is(self) -> None:
        """Nothing to even out: black, white and the strongest colours come back within a level."""
        for colour in [*noise(1, 40)[0], (255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)]:
            pixels = np.broadcast_to(np.array(colour, np.uint8), (24, 32, 3))
            assert np.abs(processed(Clahe(), pixels).astype(int) - pixels).max() <= 1

    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    def test_black_and_white_stay(self, dtype: str) -> None:
        """However levels are moved, those at the ends are not: a white background stays white."""
        pixels = noise(64, 96, 1).astype(dtype) * int(WHITE[dtype] // 255)
        pixels[:20], pixels[50:] = 0, WHITE[dtype]
        even = processed(Clahe(), pixels)
        assert (even[:20] == 0).all()
        assert (even[50:] == WHITE[dtype]).all()

    def test_colours_keep_their_hue(self) -> None:
        """Lightness changes by up to 20 of 100; a and b of Lab stay within 2 where no channel is at its end."""
        import cv2

        def lab(pixels: Pixels) -> Pixels:
            return np.asarray(cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))

        pixels = processed(Blur(sigma=6), noise(96, 128, 3))
        even = processed(Clahe(clip_limit=4), pixels)
        whole = ((even > 0) & (even < 255)).all(axis=2)
        change = np.abs(lab(even) - lab(pixels))[whole]
        assert whole.mean() > 0.9
        assert change[:, 0].max() > 5
        assert change[:, 1:].max() < 2

    def test_sixteen_bits_agree_with_eight_and_are_finer(self) -> None:
        """The same picture in both depths differs by the steps of 8 bits only, and has many more levels."""
        y, x = np.mgrid[0:96, 0:128]
        share = 0.4 + 0.2 * np.sin(x / 9) * np.cos(y / 11)
        deep = np.rint(share * 65535).astype(np.uint16)[:, :, np.newaxis]
        shallow = np.rint(share * 255).astype(np.uint8)[:, :, np.newaxis]
        even_deep, even = processed(Clahe(), deep), processed(Clahe(), shallow)
        assert np.abs(even_deep / 257 - even).max() < 6
        assert len(np.unique(even_deep)) > 20 * len(np.unique(even))

    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    def test_the_limit_holds(self, dtype: str) -> None:
        """Noise on a flat area is at most 3.5 times as strong with a limit of 2, whatever the depth."""
        pixels = flat_noise((192, 256, 1), 124, 1.6, dtype)
        assert processed(Clahe(clip_limit=2), pixels).std() < 3.5 * pixels.std()

    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    @pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 5), (17, 8)])
    def test_pictures_smaller_than_the_tiles(self, dtype: str, shape: tuple[int, int]) -> None:
        """Fewer pixels than tiles in a direction are no error."""
        processed(Clahe(tiles=12), np.full((*shape, 1), 9, dtype))
        processed(Clahe(tiles=12), np.full((*shape, 3), 9, dtype))

    def test_what_has_no_histogram_of_whole_numbers_is_refused(self) -> None:
        """float32 and planes, with a remedy."""
        for spec in (Spec(9, 9, dtype="float32"), Spec.of("yuv420", 9, 9)):
            with pytest.raises(SpecError) as caught:
                Clahe().output_spec(spec)
            assert caught.value.remedy
