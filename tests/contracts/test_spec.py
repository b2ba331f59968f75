"""Spec: what a frame's bytes mean, what stages ask of it, and its code in a record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import Spec, SpecError
from pipeline.contracts.spec import CHANNELS, CODE_NBYTES, DTYPES, LIGHT, MATRICES, MODELS, PICTURES, PRIMARIES

SIDES = st.integers(1, 1 << 32 - 1)
SHARES = st.integers(1, (1 << 16) - 1)


@given(
    st.tuples(SIDES, SIDES, SIDES, SIDES), st.sampled_from(MODELS), st.sampled_from(DTYPES), st.sampled_from(LIGHT),
    st.sampled_from(MATRICES), st.sampled_from(PRIMARIES), st.integers(1, 8), st.tuples(SHARES, SHARES),
)  # fmt: skip
def test_its_code_holds_every_field(
    sides: tuple[int, int, int, int], model: str, dtype: str, light: tuple[str, str], matrix: str, primaries: str,
    turn: int, sar: tuple[int, int],
) -> None:  # fmt: skip
    """Packed and unpacked it is equal; the code has the length that records keep for it."""
    height, width, full_height, full_width = sides
    spec = Spec(
        height, width, CHANNELS.get(model, 7), dtype, model, light[0], matrix, primaries, orientation=turn,
        full_height=full_height, full_width=full_width, transfer=light[1], sar=sar,
    )  # fmt: skip
    assert len(spec.pack()) == CODE_NBYTES
    assert Spec.unpack(spec.pack()) == spec


@pytest.mark.parametrize(("dtype", "white"), [("uint8", 255), ("uint16", 65535), ("float32", 1)])
def test_white_is_the_largest_sample(dtype: str, white: int) -> None:
    """Of whole numbers the range of the dtype, of floats 1."""
    assert Spec(2, 3, dtype=dtype).white == white


@pytest.mark.parametrize("model", MODELS)
def test_the_base_model_is_without_alpha(model: str) -> None:
    """gray_alpha is gray, rgba is rgb, all others are their own; it has as many channels as there are colours."""
    spec = Spec(2, 4, CHANNELS.get(model, 5), model=model)
    assert spec.base_model == {"gray_alpha": "gray", "rgba": "rgb"}.get(model, model)
    if spec.base_model != "other":
        assert spec.in_model(spec.base_model).channels == spec.channels - spec.has_alpha


def test_another_model_changes_nothing_else() -> None:
    """The number of channels follows, all other fields stay."""
    spec = Spec.of("rgba", 3, 5, dtype="uint16", orientation=6, primaries="p3").shrunk(2, 3)
    gray = spec.in_model("gray")
    assert (gray.model, gray.channels) == ("gray", 1)
    assert gray.in_model("rgba") == spec


@pytest.mark.parametrize("model", MODELS)
def test_the_shape_is_pixels_or_planes(model: str) -> None:
    """(H, W, C); of YUV one axis, whose planes `planes` finds."""
    spec = Spec(5, 7, CHANNELS.get(model, 4), model=model)
    if not model.startswith("yuv"):
        assert spec.shape == (5, 7, spec.channels)
        assert spec.require_pixels() is spec
        return
    assert spec.shape == (spec.samples,)
    message = f"wants pixels in order HWC, got 7x5 {model} uint8 in planes; put rgb before this stage"
    for refuses in (spec.require_pixels, spec.require_picture, lambda: spec.require_channels(4)):
        with pytest.raises(SpecError, match=message):
            refuses()


@pytest.mark.parametrize("model", [model for model in MODELS if not model.startswith("yuv")])
def test_a_picture_is_gray_or_rgb(model: str) -> None:
    """Inks and unknown models are refused by name, and so are dtypes; the remedy is said."""
    spec = Spec(5, 7, CHANNELS.get(model, 4), model=model)
    if model not in PICTURES:
        with pytest.raises(SpecError, match=rf"wants colour model gray or .*, got {model}; convert before this stage"):
            spec.require_picture()
        return
    assert spec.require_picture() is spec
    assert spec.require_picture(dtype=("uint8", "uint16")) is spec
    with pytest.raises(SpecError, match="wants dtype uint16, got uint8; convert before this stage"):
        spec.require_picture(dtype="uint16")


def test_more_channels_than_a_stage_takes() -> None:
    """The number wanted and the number there are."""
    assert Spec(2, 2, 4, model="cmyk").require_channels(4).channels == 4
    with pytest.raises(SpecError, match="wants 1 to 4 channels, got 5; convert before this stage"):
        Spec(2, 2, 5, model="other").require_channels(4)


def test_a_frame_without_pixels_is_refused() -> None:
    """A side of 0 is a mistake of its maker, not a picture."""
    with pytest.raises(SpecError, match=r"a frame of 0x3x3 .* has no pixels; each at least 1"):
        Spec(0, 3)
