"""Resamples to another size with an antialiasing kernel, through cykooz.resizer (SIMD convolution)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from pipeline import Frame, Size, Spec, SpecError, Transform, UsageError
from stages.media import colour

FILTERS = {"linear": "bilinear", "cubic": "catmull_rom", "mitchell": "mitchell", "lanczos3": "lanczos3", "area": "box"}
TYPES = {"uint8": "U8", "uint16": "U16", "float32": "F32"}
WHITE = {"uint8": 255, "uint16": 65535, "float32": 1}
Box = tuple[float, float, float, float]  # left, top, width, height
Pixels = np.ndarray[Any, Any]


class Job(NamedTuple):
    """What `process` needs for a Spec: the library's objects, and the edges and margins that are ours to do."""

    kind: Any
    options: Any
    last: tuple[float, float]
    target: Size
    at: tuple[int, int]
    background: Pixels | None


class PlaneJob(NamedTuple):
    """The same for one plane of YUV; `margins` are rows and columns to be repeated around it first."""

    kind: Any
    options: Any
    margins: tuple[tuple[int, int], tuple[int, int]]


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
    round half up, to at least 1; a row or column that shrinking on load left a fraction of weighs by that fraction.
    YUV planes of video are resampled each by itself, chroma from and to where its samples lie (with `area` only to the
    nearest whole sample); `contain` wants rgb.

    CPU time, RGB to 256x192, lanczos3: 0.93 ms from 1008x756 and 0.39 ms from 500x375, of which copies into and out
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
    example: ClassVar[Mapping[str, Any]] = {"width": 256, "height": 256, "fit": "inside"}

    @property
    def any_colour(self) -> bool:  # type: ignore[override] # it depends: contain paints a background of its own
        """Whether pixels are only mixed with each other."""
        return self.fit != "contain"

    @property
    def planes(self) -> bool:  # type: ignore[override] # the background of contain is a colour of rgb
        """Whether YUV planes are taken as they are."""
        return self.fit != "contain"

    def __post_init__(self) -> None:
        if self.width is None and self.height is None:
            raise UsageError("resize has neither width nor height", remedy="give one or both")
        if not re.fullmatch("#([0-9a-fA-F]{2}){3,4}", self.background):
            raise UsageError(f"background {self.background!r} is no colour", remedy='write it as "#rrggbb"')

    def open(self) -> None:
        import cykooz_resizer  # noqa: F401 - loaded before the first frame, not within it

    def output_spec(self, spec: Spec) -> Spec:
        """The Spec of the new size; raises SpecError for planar or many-channel frames, and for a background in YUV."""
        if spec.planar or spec.channels > 4:
            raise SpecError(f"wants 1 to 4 channels in order HWC, got {spec}", remedy="convert before this stage")
        layout = self.layout(spec.full_size)
        if layout.target != layout.size or self.fit == "contain":
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

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write the resampled picture into `out`; the input is not touched."""
        if frame.spec.is_yuv:
            self._resize_planes(frame, out)
            return
        image, spec, job = self._image_data, frame.spec, self._job(frame.spec)
        pixels = frame.pixels if job.last == (1, 1) else _last_weighed(frame.pixels, job.last)
        result = image(job.target.width, job.target.height, job.kind)
        # The library takes and gives bytes only, and copies them once more into memory of its own.
        self._resizer.resize(image(spec.width, spec.height, job.kind, pixels.tobytes()), result, job.options)
        pixels = np.frombuffer(result.get_buffer(), out.dtype).reshape(*job.target, spec.channels)
        if job.background is None:
            out[...] = pixels
        else:
            top, left = job.at
            out[...] = job.background
            out[top : top + job.target.height, left : left + job.target.width] = pixels

    def _resize_planes(self, frame: Frame, out: Pixels) -> None:
        image, spec = self._image_data, frame.spec
        target = self.output_spec(spec)
        for job, plane, place in zip(
            self._plane_jobs(spec), spec.planes(frame.pixels), target.planes(out), strict=True
        ):
            if any(map(any, job.margins)):
                plane = np.pad(plane, job.margins, "edge")
            height, width = plane.shape
            result = image(place.shape[1], place.shape[0], job.kind)
            self._resizer.resize(image(width, height, job.kind, plane.tobytes()), result, job.options)
            place[...] = np.frombuffer(result.get_buffer(), out.dtype).reshape(place.shape)

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
    def _image_data(self) -> Any:
        from cykooz_resizer import ImageData

        return ImageData

    @cached_property
    def _job(self) -> Callable[[Spec], Job]:
        return lru_cache(maxsize=64)(self._new_job)

    def _new_job(self, spec: Spec) -> Job:
        from cykooz_resizer import CropBox, FilterType, PixelType, ResizeAlg, ResizeOptions

        layout = self.layout(spec.full_size)
        kind = PixelType[TYPES[spec.dtype] + (f"x{spec.channels}" if spec.channels > 1 else "")]
        name = FILTERS.get(self.kernel)
        method = ResizeAlg.convolution(FilterType[name]) if name else ResizeAlg.nearest()
        down, across = _scale(spec)
        left, top = layout.box[0] * across, layout.box[1] * down
        width, height = min(layout.box[2] * across, spec.width - left), min(layout.box[3] * down, spec.height - top)
        options = ResizeOptions(method, use_alpha=spec.has_alpha, crop_box=CropBox(left, top, width, height))
        last = (spec.full_height * down - spec.height + 1, spec.full_width * across - spec.width + 1)
        background = None if layout.target == layout.size else self._colour(spec)
        return Job(kind, options, last, layout.target, layout.at, background)

    @cached_property
    def _plane_jobs(self) -> Callable[[Spec], tuple[PlaneJob, ...]]:
        return lru_cache(maxsize=64)(self._new_plane_jobs)

    def _new_plane_jobs(self, spec: Spec) -> tuple[PlaneJob, ...]:
        from cykooz_resizer import CropBox, FilterType, PixelType, ResizeAlg, ResizeOptions

        layout, target = self.layout(spec.full_size), self.output_spec(spec)
        name = FILTERS.get(self.kernel)
        method = ResizeAlg.convolution(FilterType[name]) if name else ResizeAlg.nearest()
        down, across = colour.SUBSAMPLING[spec.model]
        left, top, width, height = layout.box
        jobs = []
        for have, want, steps in (
            (spec.size, target.size, (1, 1)),
            *[(spec.chroma, target.chroma, (down, across))] * 2,
        ):
            x = _stretch(left, width / target.width, (steps[1], want.width), shift=0.25 * (steps[1] == 2))
            y = _stretch(top, height / target.height, (steps[0], want.height), shift=0)
            margins = (_margin(y, have.height), _margin(x, have.width))
            box = CropBox(x[0] + margins[1][0], y[0] + margins[0][0], x[1], y[1])
            jobs.append(PlaneJob(PixelType[TYPES[spec.dtype]], ResizeOptions(method, crop_box=box), margins))
        return tuple(jobs)

    def _colour(self, spec: Spec) -> Pixels:
        """`background` in the model and dtype of a Spec; gray is its luma by ITU-R BT.601."""
        red, green, blue, alpha = (int((self.background + "ff")[at : at + 2], 16) / 255 for at in (1, 3, 5, 7))
        colour = [0.299 * red + 0.587 * green + 0.114 * blue] if "gray" in spec.model else [red, green, blue]
        samples = np.array(colour + [alpha] * spec.has_alpha) * WHITE[spec.dtype]
        return (samples if spec.dtype == "float32" else np.rint(samples)).astype(spec.dtype)


def _stretch(start: float, scale: float, grid: tuple[int, int], *, shift: float) -> tuple[float, float]:
    """Start and length, in samples of a plane, of what its output shows.

    Args:
        start, scale: where luma begins, and how many luma samples of the input one of the output stands for.
        grid: luma samples for each of this plane, and how many samples of it come out.
        shift: how far, in its samples, they lie before the middle of the luma they stand for: a quarter with siting
            left. It stays a quarter in the output, so that the picture of chroma moves against that of luma.
    """
    step, count = grid
    return start / step + shift * (1 - scale), scale * count


def _margin(stretch: tuple[float, float], side: int) -> tuple[int, int]:
    return max(0, math.ceil(-stretch[0])), max(0, math.ceil(sum(stretch) - side - 1e-9))


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


def _scale(spec: Spec) -> tuple[float, float]:
    """Decoded pixels for each of the file's, down and across.

    A JPEG decoder that shrinks by eighths rounds its size up: the picture is full_width * M / 8 pixels wide, and
    the last column stands for the fraction that is left over (python-pillow/Pillow#4231).
    """
    for eighths in range(1, 9):
        if spec.size == (-(-spec.full_height * eighths // 8), -(-spec.full_width * eighths // 8)):
            return eighths / 8, eighths / 8
    return spec.height / spec.full_height, spec.width / spec.full_width


def _last_weighed(pixels: Pixels, last: tuple[float, float]) -> Pixels:
    """A copy whose last row and column are blended with the ones before, by the share of them that is picture.

    The library gives every pixel within a fractional box its whole weight; with this, a frame of one pixel around
    257x257 keeps its colour within 10 levels at every edge of a 30-pixel picture, without it within 29.
    """
    pixels = pixels.copy()
    for lines, share in ((pixels, last[0]), (pixels.swapaxes(0, 1), last[1])):
        if share < 1 and len(lines) > 1:
            blend = share * lines[-1].astype(np.float32) + (1 - share) * lines[-2]
            lines[-1] = blend if pixels.dtype == np.float32 else np.rint(blend)
    return pixels
