"""Resamples to another size with an antialiasing kernel, through cykooz.resizer (SIMD convolution)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from pipeline import Frame, Size, Spec, SpecError, Transform, UsageError

FILTERS = {"linear": "bilinear", "cubic": "catmull_rom", "mitchell": "mitchell", "lanczos3": "lanczos3", "area": "box"}
TYPES = {"uint8": "U8", "uint16": "U16", "float32": "F32"}
WHITE = {"uint8": 255, "uint16": 65535, "float32": 1}
Box = tuple[float, float, float, float]  # left, top, width, height
Job = tuple[Any, Any, Size, tuple[int, int], np.ndarray[Any, Any] | None]  # pixel type, options, target, at, background


class Layout(NamedTuple):
    """Where the pixels of the output come from and go to.

    Attributes:
        size: of the output.
        target: of the part of it that is resampled; smaller with `fit: contain` only.
        at: top and left of that part.
        box: left, top, width and height of what it shows, in pixels of the full-size input; fractional.
        whole: size of the resampled picture if nothing were cropped.
    """

    size: Size
    target: Size
    at: tuple[int, int]
    box: Box
    whole: Size


@dataclass(frozen=True)
class Resize(Transform):
    """Scales the picture into, over or around a rectangle; sizes are those after the stages before it.

    Takes uint8, uint16 and float32 of 1 to 4 channels (H, W, C); keeps dtype and colour model. Transparent pixels
    weigh by their alpha, so that hidden colours do not show. Sizes follow from the size before shrink-on-load and
    round half up, to at least 1; the kernel weighs the edges as if every pixel had been decoded.

    CPU time, RGB to 256x192, lanczos3: 0.86 ms from 1008x756 and 0.38 ms from 500x375, of which copies into and out
    of the library's own memory are 0.13 and 0.03 ms (Pillow 7.6 and 2.5, OpenCV AREA 2.7 and 1.0 ms).
    """

    width: int | None = field(default=None, metadata={"ge": 1, "unit": "px", "doc": "if left out, in proportion"})
    height: int | None = field(default=None, metadata={"ge": 1, "unit": "px", "doc": "if left out, in proportion"})
    fit: Literal["cover", "contain", "fill", "inside", "outside"] = field(
        default="cover",
        metadata={
            "doc": "cover: fill the rectangle, crop the rest; contain: whole picture on a background; fill: distort;"
            " inside: as large as fits; outside: as small as covers"
        },
    )
    position: Literal[
        "centre", "center", "top", "right top", "right", "right bottom", "bottom", "left bottom", "left", "left top",
        "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest",
    ] = field(default="centre", metadata={"doc": "part kept by cover, or place taken in contain"})  # fmt: skip
    without_enlargement: bool = field(default=False, metadata={"doc": "never scale up"})
    kernel: Literal["nearest", "linear", "cubic", "mitchell", "lanczos3", "area"] = field(
        default="lanczos3", metadata={"doc": "all but nearest are antialiased when scaling down"}
    )
    reducing_gap: float | None = field(
        default=2.0,
        metadata={"ge": 1.0, "doc": "decoders may shrink to this many times the output; null decodes every pixel"},
    )
    background: str = field(default="#000000", metadata={"doc": "colour #rrggbb or #rrggbbaa around `fit: contain`"})

    identity_when_equal: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.width is None and self.height is None:
            raise UsageError("resize has neither width nor height", remedy="give one or both")
        if not re.fullmatch("#([0-9a-fA-F]{2}){3,4}", self.background):
            raise UsageError(f"background {self.background!r} is no colour", remedy='write it as "#rrggbb"')

    def open(self) -> None:
        import cykooz_resizer  # noqa: F401 - loaded before the first frame, not within it

    def output_spec(self, spec: Spec) -> Spec:
        """The Spec of the new size; raises SpecError for planar, subsampled or many-channel frames."""
        spec.require(model=("gray", "gray_alpha", "rgb", "rgba", "cmyk", "other"))
        if spec.planar or spec.channels > 4:
            raise SpecError(f"wants 1 to 4 channels in order HWC, got {spec}", remedy="convert before this stage")
        layout = self.layout(spec.full_size)
        if layout.target != layout.size:
            spec.require(model=("gray", "gray_alpha", "rgb", "rgba"))
        return spec.resized(*layout.size)

    def required_input(self, spec: Spec, need: Size) -> Size:
        """`reducing_gap` times the resampled size, rounded up; every pixel for `nearest` and a gap of null."""
        if self.reducing_gap is None or self.kernel == "nearest":
            return spec.size
        whole = self.layout(spec.full_size).whole
        return Size(
            min(math.ceil(self.reducing_gap * whole.height), spec.height),
            min(math.ceil(self.reducing_gap * whole.width), spec.width),
        )

    def process(self, frame: Frame, out: np.ndarray[Any, Any]) -> None:
        """Write the resampled picture into `out`; the input is not touched."""
        from cykooz_resizer import ImageData

        spec = frame.spec
        kind, options, target, (top, left), background = self._job(spec)
        result = ImageData(target.width, target.height, kind)
        # The library takes and gives bytes only, and copies them once more into memory of its own.
        source = ImageData(spec.width, spec.height, kind, frame.pixels.tobytes())
        self._resizer.resize(source, result, options)
        pixels = np.frombuffer(result.get_buffer(), out.dtype).reshape(*target, spec.channels)
        if background is None:
            out[...] = pixels
        else:
            out[...] = background
            out[top : top + target.height, left : left + target.width] = pixels

    @cached_property
    def layout(self) -> Callable[[Size], Layout]:
        """Sizes and box for a picture of a full size. Pure; integers throughout, and halves round up."""
        return lru_cache(maxsize=256)(self._layout)

    def _layout(self, full: Size) -> Layout:
        want = Size(self.height or full.height, self.width or full.width)
        tall, wide = (want.height, full.height), (want.width, full.width)  # ratios as numerator, denominator
        if self.width is None or self.height is None:
            tall = wide = tall if self.width is None else wide
        elif self.fit != "fill":
            wider = want.width * full.height > want.height * full.width
            tall = wide = wide if wider == (self.fit in ("cover", "outside")) else tall
        if self.without_enlargement:
            tall, wide = min(tall, (1, 1), key=_value), min(wide, (1, 1), key=_value)
        whole = Size(_scaled(full.height, tall), _scaled(full.width, wide))
        everything = (0.0, 0.0, float(full.width), float(full.height))
        x, y = _anchor(self.position)
        if self.width and self.height and self.fit == "contain":
            at = (int((want.height - whole.height) * y), int((want.width - whole.width) * x))
            return Layout(want, whole, at, everything, whole)
        if self.width and self.height and self.fit == "cover":
            size = Size(min(want.height, whole.height), min(want.width, whole.width))
            height = min(size.height / _value(tall), full.height)
            width = min(size.width / _value(wide), full.width)
            box = ((full.width - width) * x, (full.height - height) * y, width, height)
            return Layout(size, size, (0, 0), box, whole)
        return Layout(whole, whole, (0, 0), everything, whole)

    @cached_property
    def _resizer(self) -> Any:
        from cykooz_resizer import Resizer

        return Resizer()

    @cached_property
    def _job(self) -> Callable[[Spec], Job]:
        return lru_cache(maxsize=64)(self._new_job)

    def _new_job(self, spec: Spec) -> Job:
        from cykooz_resizer import CropBox, FilterType, PixelType, ResizeAlg, ResizeOptions

        layout = self.layout(spec.full_size)
        kind = PixelType[TYPES[spec.dtype] + (f"x{spec.channels}" if spec.channels > 1 else "")]
        name = FILTERS.get(self.kernel)
        method = ResizeAlg.convolution(FilterType[name]) if name else ResizeAlg.nearest()
        options = ResizeOptions(method, use_alpha=spec.has_alpha, crop_box=CropBox(*_decoded(layout.box, spec)))
        background = None if layout.target == layout.size else self._colour(spec)
        return kind, options, layout.target, layout.at, background

    def _colour(self, spec: Spec) -> np.ndarray[Any, Any]:
        """`background` in the model and dtype of a Spec; gray is its luma by ITU-R BT.601."""
        red, green, blue, alpha = (int((self.background + "ff")[at : at + 2], 16) / 255 for at in (1, 3, 5, 7))
        colour = [0.299 * red + 0.587 * green + 0.114 * blue] if "gray" in spec.model else [red, green, blue]
        samples = np.array(colour + [alpha] * spec.has_alpha) * WHITE[spec.dtype]
        return (samples if spec.dtype == "float32" else np.rint(samples)).astype(spec.dtype)


def _value(ratio: tuple[int, int]) -> float:
    return ratio[0] / ratio[1]


def _scaled(side: int, ratio: tuple[int, int]) -> int:
    """max(1, floor(side * ratio + 1/2))."""
    return max(1, (2 * side * ratio[0] + ratio[1]) // (2 * ratio[1]))


def _anchor(position: str) -> tuple[float, float]:
    """A named position as shares of the free width and height: 0 left or top, 1 right or bottom."""
    x = 0.0 if "left" in position or "west" in position else 1.0 if "right" in position or "east" in position else 0.5
    y = 0.0 if "top" in position or "north" in position else 1.0 if "bottom" in position or "south" in position else 0.5
    return x, y


def _decoded(box: Box, spec: Spec) -> Box:
    """A box of the full-size picture in pixels of the decoded one.

    A JPEG decoder that shrinks by eighths rounds its size up: the last column then stands for fewer pixels of the
    file, and only the fraction full_width * M / 8 of it belongs to the picture (python-pillow/Pillow#4231).
    """
    x, y = spec.width / spec.full_width, spec.height / spec.full_height
    for eighths in range(1, 8):
        if spec.size == (-(-spec.full_height * eighths // 8), -(-spec.full_width * eighths // 8)):
            x = y = eighths / 8
    left, top = box[0] * x, box[1] * y
    return left, top, min(box[2] * x, spec.width - left), min(box[3] * y, spec.height - top)
