"""Cuts the picture into equal parts, each a picture of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any, ClassVar

from pipeline import Frame, Part, Pixels, Size, Spec, Transform, UsageError


@dataclass(frozen=True)
class Tile(Transform):
    """Makes parts of `width` x `height` of each picture, row by row from the top left, so that they cover all of it.

    The last part of a row and of a column is shifted inwards, so every part has the full size and the last two share
    more pixels than `overlap` says. In a direction in which the picture is smaller than a part, there is one part, of
    the picture's size; a smaller picture is one part as it is. `{row}` and `{column}` in the path of the outputs count
    the parts of a picture from 0, `{index}` counts on within the item. Takes every dtype and colour model (H, W, C).
    It must be the last stage of its group. Put it after `orient`; decoders do not shrink before it.
    """

    width: int = field(metadata={"ge": 1, "unit": "px", "doc": "of a part"})
    height: int = field(metadata={"ge": 1, "unit": "px", "doc": "of a part"})
    overlap: int = field(
        default=0, metadata={"ge": 0, "unit": "px", "doc": "rows and columns that neighbours share; less than a side"}
    )

    any_colour: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"width": 512, "height": 512, "overlap": 64}

    def __post_init__(self) -> None:
        side = min(self.width, self.height)
        if self.overlap >= side:
            raise UsageError(
                f"overlap {self.overlap} is not smaller than a part of {self.width}x{self.height}",
                limit=f"less than {side}", remedy="reduce overlap, or make the parts larger",
            )  # fmt: skip

    def output_spec(self, spec: Spec) -> Spec:
        """The Spec of every part; raises SpecError for planes."""
        spec.require_pixels()
        return spec.resized(min(self.height, spec.height), min(self.width, spec.width))

    def required_input(self, spec: Spec, need: Size) -> Size:
        """Every pixel: parts are given in those of the full size."""
        return spec.size

    def expands(self, spec: Spec) -> int:
        """Exactly how many parts a picture of this Spec becomes."""
        tops, lefts = self.places(spec.size)
        return len(tops) * len(lefts)

    def expand(self, frame: Frame) -> Iterator[Part]:
        """The parts row by row, each with its `row` and `column`; one copy of each."""
        spec = self.output_spec(frame.spec)
        tops, lefts = self.places(frame.spec.size)
        for (row, top), (column, left) in product(enumerate(tops), enumerate(lefts)):
            pixels = frame.pixels[top : top + spec.height, left : left + spec.width]
            yield Part(spec, partial(_copy, pixels), row=row, column=column)

    def places(self, size: Size) -> tuple[list[int], list[int]]:
        """Tops and lefts of the parts of a picture of this size. Pure."""
        return _starts(size.height, self.height, self.overlap), _starts(size.width, self.width, self.overlap)


def _starts(side: int, length: int, overlap: int) -> list[int]:
    last = max(0, side - length)
    return [*range(0, last, length - overlap), last]


def _copy(pixels: Pixels, out: Pixels) -> None:
    out[...] = pixels
