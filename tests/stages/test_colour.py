"""Numbers of convert, flatten, grayscale and adjust: exact, against fractions and against Pillow."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline import Colour, Frame, Item, Size, Spec, SpecError, Transform, UsageError
from stages.transforms.adjust import Adjust
from stages.transforms.convert import Convert
from stages.transforms.flatten import Flatten
from stages.transforms.grayscale import Grayscale

MODELS = {1: "gray", 2: "gray_alpha", 3: "rgb", 4: "rgba"}
BYTES, WORDS = st.integers(0, 255), st.integers(0, 65535)
RAMP = np.arange(65536, dtype=np.uint16)
HALF = Fraction(1, 2)


def run(stage: Transform, pixels: Any, dtype: str = "uint8") -> np.ndarray:
    """What a stage makes of (H, W, C), or of a pixel, or of a row of pixels."""
    pixels = np.atleast_2d(np.asarray(pixels, dtype))
    pixels = pixels if pixels.ndim == 3 else pixels[np.newaxis]
    height, width, channels = pixels.shape
    spec = Spec.of(MODELS[channels], height, width, dtype=dtype)
    target = stage.output_spec(spec)
    out = np.full(target.shape, 77, target.dtype)
    stage.process(Frame(Item(0, ""), 0, spec, pixels), out)
    return out


def one(stage: Transform, pixel: Any, dtype: str = "uint8") -> list[Any]:
    """The pixel that a stage makes of a pixel."""
    return run(stage, pixel, dtype)[0, 0].tolist()


def noise(height: int, width: int, channels: int, dtype: str = "uint8") -> np.ndarray:
    rng = np.random.default_rng(height * width)
    if dtype == "float32":
        return rng.random((height, width, channels), np.float32)
    return rng.integers(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)


def rounded(value: Fraction) -> int:
    return math.floor(value + HALF)


def luma(pixel: Any) -> Fraction:
    return sum((Fraction(int(v)) * w for v, w in zip(pixel, (299, 587, 114), strict=True)), Fraction(0)) / 1000


class TestConvert:
    def test_every_16_bit_level_becomes_the_nearest_of_8_bits(self) -> None:
        """round(v / 257) for 0..65535; 257 is odd, so none lies half-way."""
        got = run(Convert(dtype="uint8"), RAMP[:, None], "uint16").ravel()
        assert (got == np.rint(RAMP / 257)).all()

    def test_8_bits_come_back_from_16_and_from_floats(self) -> None:
        """v * 257 and v / 255, and from either the same 256 levels."""
        levels = np.arange(256)[:, None]
        wide = run(Convert(dtype="uint16"), levels)
        assert (wide.ravel() == np.arange(256) * 257).all()
        assert (run(Convert(dtype="uint8"), wide, "uint16").ravel() == np.arange(256)).all()
        floats = run(Convert(dtype="float32"), levels)
        assert (floats.ravel() == (np.arange(256) / 255).astype(np.float32)).all()
        assert (run(Convert(dtype="uint8"), floats, "float32").ravel() == np.arange(256)).all()

    def test_16_bits_come_back_from_floats(self) -> None:
        """All 65,536 levels survive the way to 0..1 and back; 0 and white are exactly 0 and 1."""
        floats = run(Convert(dtype="float32"), RAMP[:, None], "uint16")
        assert floats.min() == 0
        assert floats.max() == 1
        assert (run(Convert(dtype="uint16"), floats, "float32").ravel() == RAMP).all()

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

    def test_only_a_narrowing_works_in_any_colour_space(self) -> None:
        """8 bits can be converted to sRGB afterwards; luma and 16 bits come after that."""
        assert Convert(dtype="uint8").any_colour
        assert not Convert(dtype="uint16").any_colour
        assert not Convert(dtype="uint8", model="gray").any_colour


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
        assert run(stage, [[1, 2, 3, 255], [1, 2, 3, 0]]).tolist() == [[[1, 2, 3], [10, 20, 30]]]
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
        assert np.abs(run(Flatten(background=Colour(0x33, 0x66, 0x99)), pixels).astype(int) - want).max() <= 1

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
        got = run(Grayscale(), pixels)[..., 0].astype(int)
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


class TestAdjust:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_does_nothing_by_default(self, dtype: str, channels: int) -> None:
        """Factors of 1 give back every sample."""
        pixels = noise(9, 11, channels, dtype)
        assert (run(Adjust(), pixels, dtype) == pixels).all()

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
        want = run(Adjust(**params), (pixels / 255).astype(np.float32), "float32").astype(float)
        assert np.abs(run(Adjust(**params), pixels) / 255 - want).max() < 0.501 / 255
        assert np.abs(run(Adjust(**params), pixels * np.uint16(257), "uint16") / 65535 - want).max() < 0.53 / 65535

    def test_saturation_is_within_two_levels_of_pillow(self) -> None:
        """`ImageEnhance.Color` blends with the gray picture, which is rounded there and not here."""
        from PIL import ImageEnhance

        pixels = noise(20, 30, 3)
        want = np.asarray(ImageEnhance.Color(Image.fromarray(pixels)).enhance(1.5))
        assert np.abs(run(Adjust(saturation=1.5), pixels).astype(int) - want).max() <= 2

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


@pytest.mark.parametrize(
    "stage",
    [Convert(dtype="float32", model="gray_alpha"), Flatten(), Grayscale(), Adjust(saturation=2), Adjust(gamma=2)],
    ids=lambda stage: type(stage).__name__,
)
def test_blocks_of_lines_leave_no_seam(stage: Transform) -> None:
    """A picture of many blocks, of one line and of one pixel: each pixel as it is alone."""
    pixels = noise(300, 211, 4)
    whole = run(stage, pixels)
    assert (whole[:, :1] == run(stage, pixels[:, :1])).all()
    assert (whole[150:151] == run(stage, pixels[150:151])).all()
    assert (whole[299, 210] == run(stage, pixels[299:, 210:])[0, 0]).all()
