"""Named places in a rectangle, in the words of CSS and of the compass: what `position` of a stage may say."""

from __future__ import annotations

from typing import Literal

Position = Literal[
    "centre", "center", "top", "right top", "right", "right bottom", "bottom", "left bottom", "left", "left top",
    "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest",
]  # fmt: skip


def anchor(position: str) -> tuple[float, float]:
    """The place as shares of the free width and of the free height: 0 is left or top, 1 is right or bottom."""
    x = 0.0 if "left" in position or "west" in position else 1.0 if "right" in position or "east" in position else 0.5
    y = 0.0 if "top" in position or "north" in position else 1.0 if "bottom" in position or "south" in position else 0.5
    return x, y
