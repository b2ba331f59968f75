"""Cuts a rectangle out of the picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pipeline import Frame, Pixels, Size, Spec, SpecError, Transform, UsageError
from stages.media.position import Position, anchor

Length = int | str


@dataclass(frozen=True)
class Crop(Transform):
    """Keeps the rectangle at `x`, `y`, or placed by `position` where these are left out; one copy of it.

    Takes every dtype and colour model (H, W, C). Lengths are pixels of the picture after the stages before it, or a
    share of its width or height such as "50%", rounded half up. Decoders do not shrink before a crop.
    """

    width: Length = field(metadata={"doc": 'pixels, or a share of the picture\'s width as "50%"', "unit": "px"})
    height: Length = field(metadata={"doc": 'pixels, or a share of the picture\'s height as "50%"', "unit": "px"})
    x: Length | None = field(default=None, metadata={"doc": "left edge, from the left", "unit": "px"})
    y: Length | None = field(default=None, metadata={"doc": "upper edge, from the top", "unit": "px"})
    position: Position = field(default="centre", metadata={"doc": "place on an axis whose x or y is left out"})

    any_colour: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"width": "50%", "height": "50%"}

    def __post_init__(self) -> None:
        for name, value, least in (
            ("width", self.width, 1),
            ("height", self.height, 1),
            ("x", self.x, 0),
            ("y", self.y, 0),
        ):
            if value is not None and _pixels(name, value, 1 << 30) < least:
                raise UsageError(f"crop {name} {value!r} is too small", limit=f"at least {least}")

    def output_spec(self, spec: Spec) -> Spec:
        """The Spec of the rectangle; raises SpecError where it is not wholly inside, or for planes."""
        top, left, height, width = self.rectangle(spec.require_pixels().size)
        if top + height > spec.height or left + width > spec.width:
            raise SpecError(
                f"a crop of {width}x{height} at {left},{top} reaches out of the picture",
                limit=f"{spec.width}x{spec.height}",
                remedy="reduce x, y, width or height",
            )
        return spec.resized(height, width)

    def required_input(self, spec: Spec, need: Size) -> Size:
        """Every pixel: the rectangle is given in those of the full size."""
        return spec.size

    def process(self, frame: Frame, out: Pixels) -> None:
        """Copy the rectangle into `out`, in the dtype of the input."""
        top, left, height, width = self.rectangle(frame.spec.size)
        out[...] = frame.pixels[top : top + height, left : left + width]

    def rectangle(self, size: Size) -> tuple[int, int, int, int]:
        """Top, left, height and width in a picture of this size. Pure."""
        height = max(1, _pixels("height", self.height, size.height))
        width = max(1, _pixels("width", self.width, size.width))
        across, down = anchor(self.position)
        left = int((size.width - width) * across) if self.x is None else _pixels("x", self.x, size.width)
        top = int((size.height - height) * down) if self.y is None else _pixels("y", self.y, size.height)
        return max(0, top), max(0, left), height, width


def _pixels(name: str, length: Length, side: int) -> int:
    """A length in pixels; raises UsageError where it is neither a whole number nor a share."""
    if isinstance(length, int):
        return length
    number = length.strip().removesuffix("%")
    try:
        share = float(number) / 100
    except ValueError:
        share = math.nan
    if not length.strip().endswith("%") or not 0 <= share <= 1:
        raise UsageError(
            f"crop {name} {length!r} is not a valid length", remedy='write pixels as 200, or a share as "50%"'
        )
    return math.floor(share * side + 0.5)
