"""Flatten: source-over on a colour, exact, and against Pillow."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from formulas import BYTES, WORDS, luma, rounded
from hypothesis import given
from pictures import noise, one, processed
from PIL import Image

from pipeline import Colour, Size, Spec, UsageError
from stages.transforms.flatten import Flatten


class TestFlatten:
    @given(BYTES, BYTES, BYTES)
    def test_is_the_nearest_to_the_exact_value(self, colour: int, alpha: int, ground: int) -> None:
        """Any colour and alpha over any gray, in 8 bits; white is odd, so nothing lies half-way."""
        stage = Flatten(background=Colour(ground, ground, ground))
        want = rounded(Fraction(colour * alpha + ground * (255 - alpha), 255))
        assert one(stage, [colour, alpha]) == [want]
        assert one(stage, [colour, 0, 255, alpha])[0] == want

    @given(WORDS, WORDS)
    def test_16_bits_do_not_overflow(self, colour: int, alpha: int) -> None:
        """White under and over, where the products are largest."""
        want = rounded(Fraction(colour * alpha + 65535 * (65535 - alpha), 65535))
        assert one(Flatten(), [colour, alpha], "uint16") == [want]

    def test_opaque_stays_and_clear_shows_the_background(self) -> None:
        """Alpha of 255 and 0, colours not mixed up, alone and beside each other."""
        stage = Flatten(background=Colour(10, 20, 30))
        assert one(stage, [1, 2, 3, 255]) == [1, 2, 3]
        assert one(stage, [1, 2, 3, 0]) == [10, 20, 30]
        assert processed(stage, [[1, 2, 3, 255], [1, 2, 3, 0]]).tolist() == [[[1, 2, 3], [10, 20, 30]]]
        assert one(stage, [1, 2, 3, 0], "uint16") == [2570, 5140, 7710]
        assert one(stage, [1, 0]) == [rounded(luma((10, 20, 30)))]
        assert one(stage, [1, 0], "uint16") == [rounded(luma((2570, 5140, 7710)))]

    def test_floats(self) -> None:
        """Half of 0.2 over half of white is 0.6."""
        assert one(Flatten(), [0.2, 0.4, 1, 0.5], "float32") == pytest.approx([0.6, 0.7, 1])
        assert one(Flatten(), [0.25, 1], "float32") == [0.25]

    def test_is_within_a_level_of_pillow(self) -> None:
        """`alpha_composite` over an opaque background."""
        pixels = noise(31, 47, 4)
        below = Image.new("RGBA", (47, 31), "#336699")
        want = np.asarray(Image.alpha_composite(below, Image.fromarray(pixels)))[..., :3]
        assert np.abs(processed(Flatten(background=Colour(0x33, 0x66, 0x99)), pixels).astype(int) - want).max() <= 1

    def test_opaque_pictures_pass(self) -> None:
        """The same Spec, also for inks; with alpha one sample less."""
        for model in ("gray", "rgb", "cmyk"):
            assert Flatten().output_spec(Spec.of(model, 3, 4)) == Spec.of(model, 3, 4)
        assert Flatten().output_spec(Spec.of("gray_alpha", 3, 4)) == Spec.of("gray", 3, 4)
        assert Flatten().required_input(Spec.of("rgba", 30, 40), Size(3, 4)) == (3, 4)

    def test_refuses_what_is_not_an_opaque_colour(self) -> None:
        """An alpha of its own would be lost."""
        with pytest.raises(UsageError, match="background #ffffff80 is not opaque"):
            Flatten(background=Colour(255, 255, 255, 128))
