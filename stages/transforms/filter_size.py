"""Leaves out pictures that are too small, too large, or too wide or tall for their height."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from pipeline import Frame, Pixels, Skip, Transform, UsageError


@dataclass(frozen=True)
class FilterSize(Transform):
    """Skips frames outside any of the bounds given; the others go on untouched. Bounds are inclusive.

    Takes every Spec. The size is that of the picture after the stages before it, as people see it: before a decoder
    shrank it for a later `resize`, and with height and width swapped by an orientation of 5 to 8. The picture has been
    decoded by then. It takes 2 microseconds.
    """

    min_width: int | None = field(default=None, metadata={"ge": 1, "unit": "px", "doc": "least width"})
    max_width: int | None = field(default=None, metadata={"ge": 1, "unit": "px", "doc": "greatest width"})
    min_height: int | None = field(default=None, metadata={"ge": 1, "unit": "px", "doc": "least height"})
    max_height: int | None = field(default=None, metadata={"ge": 1, "unit": "px", "doc": "greatest height"})
    min_pixels: int | None = field(default=None, metadata={"ge": 1, "unit": "px", "doc": "least width x height"})
    max_pixels: int | None = field(default=None, metadata={"ge": 1, "unit": "px", "doc": "greatest width x height"})
    min_aspect: float | None = field(default=None, metadata={"gt": 0, "doc": "least width / height"})
    max_aspect: float | None = field(default=None, metadata={"gt": 0, "doc": "greatest width / height"})

    inspect: ClassVar[bool] = True
    any_colour: ClassVar[bool] = True  # looks at no pixel
    planes: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"min_width": 640, "max_aspect": 3.0}

    def __post_init__(self) -> None:
        given = {each.name: getattr(self, each.name) for each in fields(self) if getattr(self, each.name) is not None}
        if not given:
            raise UsageError("filter_size has no bound", remedy="give at least one, such as min_width")
        for what in ("width", "height", "pixels", "aspect"):
            least, most = given.get(f"min_{what}"), given.get(f"max_{what}")
            if least is not None and most is not None and least > most:
                raise UsageError(f"no picture passes min_{what} {least} and max_{what} {most}", remedy="swap them")

    def process(self, frame: Frame, out: Pixels) -> None:
        """Nothing; `out` is not written. Raises Skip with the size and the first bound that it breaks."""
        height, width = frame.spec.full_size
        if frame.spec.orientation >= 5:
            height, width = width, height
        pixels, aspect = width * height, width / height
        many, shape = f"has {pixels} pixels,", f"has aspect {aspect:.4g},"
        for value, name, least, most, less, more in (
            (width, "width", self.min_width, self.max_width, "is narrower", "is wider"),
            (height, "height", self.min_height, self.max_height, "is lower", "is higher"),
            (pixels, "pixels", self.min_pixels, self.max_pixels, f"{many} fewer", f"{many} more"),
            (aspect, "aspect", self.min_aspect, self.max_aspect, f"{shape} less", f"{shape} more"),
        ):
            if least is not None and value < least:
                raise Skip(f"{width}x{height} {less} than min_{name} {least}")
            if most is not None and value > most:
                raise Skip(f"{width}x{height} {more} than max_{name} {most}")
