"""Size arithmetic of resize: pure, so tried with any sizes. How it looks: tests/golden/test_resampling.py."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import Frame, Item, Size, Spec, SpecError, UsageError
from stages.transforms.resize import Resize

SIDES = st.integers(1, 20_000)
SIZES = st.builds(Size, SIDES, SIDES)


@pytest.mark.parametrize(
    ("full", "within", "want"),
    [
        ((333, 500), 100, (67, 100)),
        ((3024, 4032), 250, (188, 250)),
        ((4032, 3024), 250, (250, 188)),
        ((3, 1000), 100, (1, 100)),
        ((1, 1), 256, (256, 256)),
        ((375, 500), 256, (192, 256)),
    ],
)
def test_sizes_round_half_up_and_to_one_pixel_at_least(full: Size, within: int, want: tuple[int, int]) -> None:
    """The right answers of trap 14."""
    assert Resize(width=within, height=within, fit="inside").output_spec(Spec(*full)).size == want


@given(SIZES, SIZES)
def test_inside_touches_the_rectangle_and_keeps_the_ratio(full: Size, want: Size) -> None:
    """One side is the one asked for, the other the nearest whole number to the exact one."""
    size = Resize(width=want.width, height=want.height, fit="inside").layout(full).size
    ratio = min(Fraction(want.height, full.height), Fraction(want.width, full.width))
    exact = [max(1, math.floor(side * ratio + Fraction(1, 2))) for side in full]
    assert list(size) == exact
    assert size.height <= want.height
    assert size.width <= want.width
    assert size.height == want.height or size.width == want.width


@given(SIZES, SIZES)
def test_outside_covers_the_rectangle(full: Size, want: Size) -> None:
    """Both sides are at least those asked for, one of them exactly."""
    size = Resize(width=want.width, height=want.height, fit="outside").layout(full).size
    assert size.height >= want.height
    assert size.width >= want.width
    assert size.height == want.height or size.width == want.width


@given(SIZES, SIZES, st.sampled_from(["centre", "left top", "southeast", "right", "bottom"]))
def test_cover_takes_a_box_of_the_right_shape_within_the_picture(full: Size, want: Size, position: str) -> None:
    """The box lies inside, touches two opposite sides and has the ratio of the output."""
    layout = Resize(width=want.width, height=want.height, position=position).layout(full)  # type: ignore[arg-type]
    left, top, width, height = layout.box
    assert layout.size == layout.target == want
    assert left >= 0
    assert top >= 0
    assert left + width <= full.width * (1 + 1e-12)
    assert top + height <= full.height * (1 + 1e-12)
    assert math.isclose(width, full.width) or math.isclose(height, full.height)
    assert math.isclose(width * want.height, height * want.width, rel_tol=1e-9)


@given(SIZES, SIZES, st.sampled_from(["centre", "top", "west", "right bottom"]))
def test_contain_places_the_whole_picture(full: Size, want: Size, position: str) -> None:
    """The output has the size asked for, and what is resampled lies within it."""
    layout = Resize(width=want.width, height=want.height, fit="contain", position=position).layout(full)  # type: ignore[arg-type]
    assert layout.size == want
    assert layout.box == (0, 0, full.width, full.height)
    assert 0 <= layout.at[0] <= want.height - layout.target.height
    assert 0 <= layout.at[1] <= want.width - layout.target.width


@given(SIZES, SIZES, st.sampled_from(["cover", "contain", "fill", "inside", "outside"]))
def test_without_enlargement_never_scales_up(full: Size, want: Size, fit: str) -> None:
    """The resampled picture is at most the input on both axes, and equals it where nothing is to be made smaller."""
    layout = Resize(width=want.width, height=want.height, fit=fit, without_enlargement=True).layout(full)  # type: ignore[arg-type]
    assert layout.whole.height <= full.height
    assert layout.whole.width <= full.width
    if want.height >= full.height and want.width >= full.width:
        assert layout.target == full


@given(SIZES, SIDES)
def test_one_side_fixes_the_other(full: Size, side: int) -> None:
    """With width or height alone the other side is in proportion, whatever `fit` says."""
    wide = Resize(width=side).layout(full).size
    tall = Resize(height=side, fit="contain").layout(full).size
    assert wide == (max(1, math.floor(Fraction(full.height * side, full.width) + Fraction(1, 2))), side)
    assert tall == (side, max(1, math.floor(Fraction(full.width * side, full.height) + Fraction(1, 2))))


@given(SIZES, SIZES, st.floats(1, 8), st.sampled_from(["cover", "contain", "fill", "inside", "outside"]))
def test_required_input_leaves_the_gap(full: Size, want: Size, gap: float, fit: str) -> None:
    """At least gap times the resampled size or the whole input, and never more than the input."""
    stage = Resize(width=want.width, height=want.height, fit=fit, reducing_gap=gap)  # type: ignore[arg-type]
    need, whole = stage.required_input(Spec(*full), Size(1, 1)), stage.layout(full).whole
    for side, most, target in zip(need, full, whole, strict=True):
        assert side == min(most, math.ceil(gap * target))


def test_the_size_before_shrinking_decides() -> None:
    """A frame decoded at 2/8 resizes to what the full one does, and remembers nothing of it afterwards."""
    stage, full = Resize(width=250, height=250, fit="inside"), Spec(3021, 4033)
    target = stage.output_spec(full.shrunk(756, 1009))
    assert target == stage.output_spec(full)
    assert target.full_size == target.size


@pytest.mark.parametrize("params", [{"reducing_gap": None}, {"kernel": "nearest"}])
def test_exact_and_nearest_need_every_pixel(params: dict[str, object]) -> None:
    """A gap of null decodes at full size, and nearest picks pixels that must be there."""
    assert Resize(width=10, **params).required_input(Spec(300, 400), Size(1, 1)) == (300, 400)  # type: ignore[arg-type]


def test_what_cannot_be_resized_is_refused_with_a_remedy() -> None:
    """Five channels, and contain for planes and inks; and parameters that make no sense."""
    stage = Resize(width=8, height=8, fit="contain")
    for spec in (
        Spec(9, 10, 5, model="other"),
        Spec(9, 10, model="yuv420"),
        Spec(9, 10, 4, model="cmyk"),
    ):
        with pytest.raises(SpecError) as caught:
            stage.output_spec(spec)
        assert caught.value.remedy
    with pytest.raises(UsageError):
        Resize()


def test_inks_are_resized_without_alpha() -> None:
    """Four channels of CMYK are no transparency: a plain picture stays plain."""
    pixels = np.full((8, 8, 4), (200, 100, 50, 3), np.uint8)
    out = np.empty((4, 4, 4), np.uint8)
    Resize(width=4).process(Frame(Item(0, ""), 0, Spec.of("cmyk", 8, 8), pixels), out)
    assert (out == (200, 100, 50, 3)).all()
