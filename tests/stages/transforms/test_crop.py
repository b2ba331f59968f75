"""Crop: which rectangle it cuts out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import Frame, Item, Size, Spec, SpecError, UsageError
from stages.transforms.crop import Crop


@pytest.mark.parametrize(
    ("params", "want"),
    [
        ({"width": 10, "height": 20}, (40, 70, 20, 10)),
        ({"width": 10, "height": 20, "x": 3, "y": 0}, (0, 3, 20, 10)),
        ({"width": "50%", "height": "10%", "position": "right top"}, (0, 75, 10, 75)),
        ({"width": "33.4%", "height": "100%", "x": "50%"}, (0, 75, 100, 50)),
        ({"width": 10, "height": 20, "position": "southwest"}, (80, 0, 20, 10)),
    ],
)
def test_crop_finds_its_rectangle(params: dict[str, object], want: tuple[int, ...]) -> None:
    """Pixels, shares of the picture and places, in a picture of 100 rows and 150 columns; halves round up."""
    stage = Crop(**params)  # type: ignore[arg-type]
    assert stage.rectangle(Size(100, 150)) == want
    pixels = np.arange(100 * 150, dtype=np.uint16).reshape(100, 150, 1)
    spec = Spec.of("gray", 100, 150, dtype="uint16")
    out = np.empty(stage.output_spec(spec).shape, np.uint16)
    stage.process(Frame(Item(0, ""), 0, spec, pixels), out)
    top, left, height, width = want
    assert (out == pixels[top : top + height, left : left + width]).all()


@pytest.mark.parametrize(
    "params", [{"width": 151, "height": 1}, {"width": 1, "height": 1, "x": 150}, {"width": 2, "height": 101}]
)
def test_crop_refuses_to_leave_the_picture(params: dict[str, object]) -> None:
    """A rectangle that is not wholly inside is an error and not a smaller picture."""
    with pytest.raises(SpecError, match="reaches out"):
        Crop(**params).output_spec(Spec(100, 150))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "params", [{"width": 0}, {"width": "5"}, {"width": "200%"}, {"width": "x%"}, {"width": 1, "x": -1}]
)
def test_crop_refuses_lengths_that_are_none(params: dict[str, object]) -> None:
    """What is wrong in itself is refused before a picture is seen."""
    with pytest.raises(UsageError):
        Crop(**{"height": 1, **params})  # type: ignore[arg-type]


@given(st.integers(1, 1000), st.integers(1, 1000), st.integers(1, 100), st.integers(1, 100))
def test_a_share_never_leaves_the_picture(height: int, width: int, across: int, down: int) -> None:
    """Any percentages give at least one pixel and stay inside."""
    Crop(width=f"{across}%", height=f"{down}%").output_spec(Spec(height, width))
