"""Puts the picture on a larger canvas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from pipeline import Colour, Frame, Pixels, Size, Spec, Transform, UsageError
from stages.media.background import samples
from stages.media.position import Position, anchor


@dataclass(frozen=True)
class Pad(Transform):
    """Adds `background` around the picture, up to a canvas of `width` and `height`, or by margins; never crops.

    Takes uint8, uint16 and float32 pictures (H, W, C) of gray, gray_alpha, rgb and rgba, and keeps dtype and model. A
    side that is already as long as asked for stays (albumentations' PadIfNeeded). Gray pictures get the luma of the
    colour, ITU-R BT.601; its alpha counts only in pictures that have one.

    CPU time, 1008x756 RGB uint8: 0.19 ms to a canvas of 1200x1200, 0.13 ms for margins of 10 (a plain copy 0.08 ms).
    """

    width: int | None = field(default=None, metadata={"ge": 1, "unit": "px", "doc": "of the canvas, at least"})
    height: int | None = field(default=None, metadata={"ge": 1, "unit": "px", "doc": "of the canvas, at least"})
    position: Position = field(default="centre", metadata={"doc": "place of the picture on the canvas"})
    left: int = field(default=0, metadata={"ge": 0, "unit": "px", "doc": "margin, in place of width and height"})
    top: int = field(default=0, metadata={"ge": 0, "unit": "px", "doc": "margin, in place of width and height"})
    right: int = field(default=0, metadata={"ge": 0, "unit": "px", "doc": "margin, in place of width and height"})
    bottom: int = field(default=0, metadata={"ge": 0, "unit": "px", "doc": "margin, in place of width and height"})
    background: Colour = field(default=Colour(0, 0, 0), metadata={"doc": "of what is added"})

    identity_when_equal: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"width": 256, "height": 256, "background": "#ffffff"}

    def __post_init__(self) -> None:
        canvas = self.width is not None or self.height is not None
        margins = bool(self.left or self.top or self.right or self.bottom)
        if canvas == margins:
            what = "both a canvas and margins" if canvas else "neither a canvas nor margins"
            raise UsageError(f"pad has {what}", remedy="give width and height, or left, top, right and bottom")

    def output_spec(self, spec: Spec) -> Spec:
        """The Spec of the canvas; raises SpecError for other colour models."""
        size, _, _ = self.layout(spec.require_picture().size)
        return spec if size == spec.size else spec.resized(*size)

    def required_input(self, spec: Spec, need: Size) -> Size:
        """Every pixel: canvas and margins are given in those of the full size."""
        return spec.size

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write the four margins and one copy of the picture, each byte of `out` once."""
        height, width, channels = frame.pixels.shape
        _, top, left = self.layout(frame.spec.size)
        line = _line(self.background, self.output_spec(frame.spec))
        # Lines of samples: numpy then moves runs of many bytes and not of one pixel.
        canvas, start, stop = out.reshape(len(out), -1), left * channels, (left + width) * channels
        canvas[:top] = line
        canvas[top + height :] = line
        middle = canvas[top : top + height]
        middle[:, :start] = line[:start]
        middle[:, start:stop] = frame.pixels.reshape(height, -1)
        middle[:, stop:] = line[stop:]

    def layout(self, size: Size) -> tuple[Size, int, int]:
        """Size of the canvas, top and left of the picture on it. Pure; of an odd rest the larger half is after it."""
        if self.width is None and self.height is None:
            height, width = size.height + self.top + self.bottom, size.width + self.left + self.right
            return Size(height, width), self.top, self.left
        canvas = Size(max(size.height, self.height or 1), max(size.width, self.width or 1))
        x, y = anchor(self.position)
        return canvas, int((canvas.height - size.height) * y), int((canvas.width - size.width) * x)


@lru_cache(maxsize=64)
def _line(background: Colour, spec: Spec) -> Pixels:
    """A line of a Spec in one colour, as (W * C) samples."""
    line = np.tile(np.array(samples(background, spec), spec.dtype), spec.width)
    line.flags.writeable = False
    return line
