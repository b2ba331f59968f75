"""Pictures left out by their size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline import Frame, Item, Skip, Spec, UsageError
from stages.transforms.filter_size import FilterSize

NOTHING = np.empty(0)


class TestFilterSize:
    @pytest.mark.parametrize(
        ("bound", "text"),
        [
            ({"min_width": 800}, "640x480 is narrower than min_width 800"),
            ({"max_width": 600}, "640x480 is wider than max_width 600"),
            ({"min_height": 481}, "640x480 is lower than min_height 481"),
            ({"max_height": 479}, "640x480 is higher than max_height 479"),
            ({"min_pixels": 400_000}, "640x480 has 307200 pixels, fewer than min_pixels 400000"),
            ({"max_pixels": 300_000}, "640x480 has 307200 pixels, more than max_pixels 300000"),
            ({"min_aspect": 1.5}, "640x480 has aspect 1.333, less than min_aspect 1.5"),
            ({"max_aspect": 1}, "640x480 has aspect 1.333, more than max_aspect 1"),
            ({"min_width": 10, "max_height": 100}, "640x480 is higher than max_height 100"),
        ],
    )
    @pytest.mark.parametrize(
        "spec",
        [
            Spec(480, 640),
            Spec(480, 640).shrunk(60, 80),
            Spec(640, 480, orientation=6).shrunk(160, 120),
            Spec.of("yuv420", 480, 640, orientation=3),
        ],
        ids=str,
    )
    def test_says_size_and_bound(self, bound: dict[str, Any], text: str, spec: Spec) -> None:
        """Verdict and words are the same for a frame shrunk on load, for one that lies on its side, and for planes."""
        with pytest.raises(Skip) as caught:
            FilterSize(**bound).process(Frame(Item(0, ""), 0, spec, NOTHING), NOTHING)
        assert str(caught.value) == text

    def test_bounds_are_inclusive(self) -> None:
        """A picture exactly on all bounds passes."""
        stage = FilterSize(
            min_width=640, max_width=640, min_height=480, max_height=480,
            min_pixels=307_200, max_pixels=307_200, min_aspect=4 / 3, max_aspect=4 / 3,
        )  # fmt: skip
        stage.process(Frame(Item(0, ""), 0, Spec(480, 640), NOTHING), NOTHING)

    def test_bounds_that_make_no_sense_are_refused(self) -> None:
        """None at all, and a least that is above the greatest."""
        with pytest.raises(UsageError, match="filter_size has no bound; give at least one"):
            FilterSize()
        with pytest.raises(UsageError, match="no picture passes min_width 9 and max_width 8"):
            FilterSize(min_width=9, max_width=8)
