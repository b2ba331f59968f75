"""What components share: named places, colours as samples, pictures laid over a colour, blocks of lines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import Colour, Spec, UsageError
from stages.media.background import flattened, require_opaque, samples
from stages.media.lines import BLOCK, blocks
from stages.media.position import anchor

PART = st.integers(0, 255)


@pytest.mark.parametrize(
    ("position", "place"),
    [
        ("centre", (0.5, 0.5)), ("center", (0.5, 0.5)), ("top", (0.5, 0)), ("right top", (1, 0)), ("right", (1, 0.5)),
        ("left bottom", (0, 1)), ("north", (0.5, 0)), ("northeast", (1, 0)), ("southwest", (0, 1)), ("west", (0, 0.5)),
    ],
)  # fmt: skip
def test_names_of_places(position: str, place: tuple[float, float]) -> None:
    """Words of CSS and of the compass, as shares from the left and from the top."""
    assert anchor(position) == place


@given(PART, PART, PART, PART, st.sampled_from(["uint8", "uint16", "float32"]))
def test_a_colour_has_the_samples_of_the_picture(red: int, green: int, blue: int, alpha: int, dtype: str) -> None:
    """Each model: gray is the luma of BT.601, alpha is there where the picture has it; halves round up."""
    colour, white = Colour(red, green, blue, alpha), Spec(1, 1, dtype=dtype).white
    luma = (299 * red + 587 * green + 114 * blue) / 1000
    for model, parts in (
        ("gray", [luma]), ("gray_alpha", [luma, alpha]),
        ("rgb", [red, green, blue]), ("rgba", [red, green, blue, alpha]),
    ):  # fmt: skip
        found = samples(colour, Spec.of(model, 1, 1, dtype=dtype))
        want = np.array(parts) * white / 255
        assert np.abs(np.array(found) - want).max() <= (1e-6 if dtype == "float32" else 0.5 + 1e-6)
        assert dtype == "float32" or all(isinstance(level, int) for level in found)


@given(PART, PART, PART)
def test_flattening_is_exact(level: int, alpha: int, ground: int) -> None:
    """C * alpha + background * (1 - alpha), rounded to the nearest, in memory of its own."""
    pixels = np.array([[[level, alpha]]], np.uint8)
    out = flattened(pixels, Spec.of("gray_alpha", 1, 1), Colour(ground, ground, ground))
    assert out.shape == (1, 1, 1)
    assert out[0, 0, 0] == (2 * (level * alpha + ground * (255 - alpha)) + 255) // 510


def test_a_ground_with_alpha_is_refused() -> None:
    """It would be lost; the message says how to write it."""
    require_opaque(Colour(1, 2, 3))
    with pytest.raises(UsageError, match='background #01020304 is not opaque; write it as "#rrggbb"'):
        require_opaque(Colour(1, 2, 3, 4))


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 3, 2), (3, BLOCK, 3), (1000, 1000, 3)])
def test_blocks_are_all_lines_once(shape: tuple[int, int, int]) -> None:
    """Wide lines one by one, narrow ones together; none is left out and none comes twice."""
    pixels = np.broadcast_to(np.zeros((1, 1, 1), np.uint8), shape)
    lines = [line for block in blocks(pixels) for line in range(*block.indices(shape[0]))]
    assert lines == list(range(shape[0]))
