"""Convert: exact, against fractions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from formulas import BYTES, WORDS, luma, rounded
from hypothesis import given
from hypothesis import strategies as st
from pictures import one, processed

from pipeline import Size, Spec, SpecError, UsageError
from stages.transforms.convert import Convert

RAMP = np.arange(65536, dtype=np.uint16)


class TestConvert:
    def test_every_16_bit_level_becomes_the_nearest_of_8_bits(self) -> None:
        """round(v / 257) for 0..65535; 257 is odd, so none lies half-way."""
        got = processed(Convert(dtype="uint8"), RAMP[:, None], "uint16").ravel()
        assert (got == np.rint(RAMP / 257)).all()

    def test_8_bits_come_back_from_16_and_from_floats(self) -> None:
        """v * 257 and v / 255, and from either the same 256 levels."""
        levels = np.arange(256, dtype=np.uint8)[:, None]
        wide = processed(Convert(dtype="uint16"), levels)
        assert (wide.ravel() == np.arange(256) * 257).all()
        assert (processed(Convert(dtype="uint8"), wide, "uint16").ravel() == np.arange(256)).all()
        floats = processed(Convert(dtype="float32"), levels)
        assert (floats.ravel() == (np.arange(256) / 255).astype(np.float32)).all()
        assert (processed(Convert(dtype="uint8"), floats, "float32").ravel() == np.arange(256)).all()

    def test_16_bits_come_back_from_floats(self) -> None:
        """All 65,536 levels survive the way to 0..1 and back; 0 and white are exactly 0 and 1."""
        floats = processed(Convert(dtype="float32"), RAMP[:, None], "uint16")
        assert floats.min() == 0
        assert floats.max() == 1
        assert (processed(Convert(dtype="uint16"), floats, "float32").ravel() == RAMP).all()

    @pytest.mark.parametrize(
        ("value", "want"),
        [(math.nan, 0), (-0.1, 0), (-math.inf, 0), (math.inf, 255), (1.5, 255), (0.5, 128), (1.4999 / 255, 1)],
    )
    def test_floats_are_clipped_and_round_half_up(self, value: float, want: int) -> None:
        """NaN is 0, what is outside 0..1 is its end, and 127.5 becomes 128."""
        assert one(Convert(dtype="uint8"), [value], "float32") == [want]
        assert one(Convert(model="rgba", dtype="uint8"), [value], "float32") == [want, want, want, 255]
        assert one(Convert(model="gray", dtype="uint8"), [value] * 3, "float32") == [want]

    @given(st.tuples(BYTES, BYTES, BYTES))
    def test_8_bit_colour_becomes_gray_with_one_rounding(self, pixel: tuple[int, int, int]) -> None:
        """The exact luma, half up, in 8 and in 16 bits."""
        assert one(Convert(model="gray"), pixel) == [rounded(luma(pixel))]
        assert one(Convert(model="gray", dtype="uint16"), pixel) == [rounded(luma(pixel) * 257)]

    @given(st.tuples(WORDS, WORDS, WORDS))
    def test_16_bit_colour_becomes_gray_with_one_rounding(self, pixel: tuple[int, int, int]) -> None:
        """Not rounded to 16 bits first where 8 are asked for."""
        assert one(Convert(model="gray"), pixel, "uint16") == [rounded(luma(pixel))]
        assert one(Convert(model="gray", dtype="uint8"), pixel, "uint16") == [rounded(luma(pixel) / 257)]
        (share,) = one(Convert(model="gray", dtype="float32"), pixel, "uint16")
        assert share == pytest.approx(float(luma(pixel)) / 65535, rel=1e-7)

    def test_gray_becomes_colour_and_alpha_is_kept_or_opaque(self) -> None:
        """Three times the gray; an alpha is scaled as colours are; an added one is white's level."""
        assert one(Convert(model="rgb"), [7]) == [7, 7, 7]
        assert one(Convert(model="rgba"), [7, 9]) == [7, 7, 7, 9]
        assert one(Convert(model="rgba", dtype="uint16"), [1, 2, 3]) == [257, 514, 771, 65535]
        assert one(Convert(model="gray_alpha", dtype="float32"), [255]) == [1, 1]
        assert one(Convert(model="gray_alpha", dtype="uint8"), [0, 0, 65535, 257], "uint16") == [29, 1]
        assert one(Convert(model="gray_alpha"), [0.5, 0.5, 0.5, 0.25], "float32") == [0.5, 0.25]
        assert one(Convert(dtype="uint8"), [257, 514, 771, 1028], "uint16") == [1, 2, 3, 4]

    @pytest.mark.parametrize("model", ["gray", "rgb"])
    def test_alpha_is_never_dropped(self, model: Any) -> None:
        """The remedy is the stage flatten."""
        for given_model in ("gray_alpha", "rgba"):
            with pytest.raises(SpecError) as caught:
                Convert(model=model).output_spec(Spec.of(given_model, 2, 2))
            assert caught.value.remedy
            assert "flatten" in caught.value.remedy

    def test_what_is_so_already_passes(self) -> None:
        """The same Spec, whose shrink-on-load is remembered, so that the engine skips the stage."""
        spec = Spec.of("rgb", 80, 60).shrunk(20, 15)
        assert Convert(model="rgb", dtype="uint8").output_spec(spec) == spec
        assert Convert(model="gray").output_spec(spec).full_size == (80, 60)
        assert Convert(model="gray").required_input(spec, Size(3, 4)) == (3, 4)

    def test_asks_for_something_and_refuses_inks(self) -> None:
        """Neither model nor dtype is a mistake; cmyk has no formula here."""
        with pytest.raises(UsageError):
            Convert()
        with pytest.raises(SpecError) as caught:
            Convert(model="rgb").output_spec(Spec.of("cmyk", 2, 2))
        assert caught.value.remedy

    def test_it_works_in_srgb(self) -> None:
        """Colours are in sRGB before it, at whatever depth they come: luma is of sRGB, and CMYK no model of it."""
        assert not Convert(dtype="uint8").any_colour
        assert not Convert(dtype="uint8", model="gray").any_colour
