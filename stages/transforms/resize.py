"""Resamples to another size with an antialiasing kernel, through cykooz.resizer (SIMD convolution)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from pipeline import Colour, Frame, Pixels, Size, Spec, Transform, UsageError
from stages.media import colour, light
from stages.media.background import samples
from stages.media.position import Position, anchor
from stages.media.resampling import Box, Resampler, Resampling

SCALES = (1 / 32, 1 / 16, *(eighths / 8 for eighths in range(1, 9)))  # exact in binary, as the products with sides are


class ResizeJob(NamedTuple):
    """What `process` needs for a Spec: how it is resampled, and the edges and margins that are ours to do."""

    prepared: Resampling
    last: tuple[float, float]
    target: Size
    at: tuple[int, int]
    background: Pixels | None


class PlaneJob(NamedTuple):
    """The same for one plane of YUV; `margins` are rows and columns to be repeated around it first."""

    prepared: Resampling
    margins: tuple[tuple[int, int], tuple[int, int]]


class Geometry(NamedTuple):
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
    position: Position = field(default="centre", metadata={"doc": "part kept by cover, or place taken in contain"})
    without_enlargement: bool = field(default=False, metadata={"doc": "never scale up"})
    kernel: Literal["nearest", "linear", "cubic", "mitchell", "lanczos3", "area"] = field(
        default="lanczos3", metadata={"doc": "all but nearest are antialiased when scaling down"}
    )
    reducing_gap: float | None = field(
        default=2.0,
        metadata={"ge": 1.0, "doc": "decoders may shrink to this many times the output; null decodes every pixel"},
    )
    light: Literal["encoded", "linear"] = field(
        default="encoded",
        metadata={
            "doc": "what is averaged: samples as they are coded, as all programs do by default, or light, which keeps"
            " fine patterns as bright as they are (in 16 bits; decoders do not shrink; 8 times the time)"
        },
    )
    background: Colour = field(default=Colour(0, 0, 0), metadata={"doc": "around `fit: contain`"})

    identity_when_equal: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"width": 256, "height": 256, "fit": "inside"}

    @property
    def any_colour(self) -> bool:
        """Whether pixels are only mixed with each other; contain paints a background, and light has a curve."""
        return self.fit != "contain" and self.light == "encoded"

    @property
    def planes(self) -> bool:
        """Whether YUV planes are taken as they are; the background of contain is a colour of rgb, as light is."""
        return self.fit != "contain" and self.light == "encoded"

    @property
    def keeps_extent(self) -> bool:
        """Whether nothing is cropped and nothing put around it."""
        return self.fit in ("fill", "inside", "outside") or self.width is None or self.height is None

    def __post_init__(self) -> None:
        if self.width is None and self.height is None:
            raise UsageError("resize has neither width nor height", remedy="give one or both")

    def open(self) -> None:
        import cykooz_resizer  # noqa: F401 - loaded before the first frame, not within it

    def output_spec(self, spec: Spec) -> Spec:
        """The Spec of the new size; raises SpecError for more than 4 channels, and for a background in YUV or inks."""
        if not spec.is_yuv:
            spec.require_channels(4)
        layout = self.layout(spec.full_size)
        if layout.target != layout.size or self.fit == "contain" or self.light == "linear":
            spec.require_picture()
        return spec.resized(*layout.size)

    def required_input(self, spec: Spec, need: Size) -> Size:
        """`reducing_gap` times the resampled size, rounded up; every pixel for `nearest`, light and a gap of null."""
        if self.reducing_gap is None or self.kernel == "nearest" or self.light == "linear":
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
        job = self._job(frame.spec)
        pixels = frame.pixels if job.last == (1, 1) else _last_weighed(frame.pixels, job.last)
        if self.light == "linear":
            shown = self._resampler.resample(light.of_samples(pixels, frame.spec), job.target, job.prepared)
            pixels = light.to_samples(shown, frame.spec)
        else:
            pixels = self._resampler.resample(pixels, job.target, job.prepared)
        if job.background is None:
            out[...] = pixels
        else:
            top, left = job.at
            out[...] = job.background
            out[top : top + job.target.height, left : left + job.target.width] = pixels

    def _resize_planes(self, frame: Frame, out: Pixels) -> None:
        spec, target = frame.spec, self.output_spec(frame.spec)
        for job, plane, place in zip(
            self._plane_jobs(spec), spec.planes(frame.pixels), target.planes(out), strict=True
        ):
            if any(map(any, job.margins)):
                plane = np.pad(plane, job.margins, "edge")
            place[...] = self._resampler.resample(plane, Size(*place.shape), job.prepared)

    @cached_property
    def layout(self) -> Callable[[Size], Geometry]:
        """Sizes and box for a picture of a full size. Pure; integers throughout, and halves round up."""
        return lru_cache(maxsize=256)(self._layout)

    def _layout(self, full: Size) -> Geometry:
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
        x, y = anchor(self.position)
        if self.width and self.height and self.fit == "contain":
            at = (int((want.height - whole.height) * y), int((want.width - whole.width) * x))
            return Geometry(want, whole, at, everything, whole)
        if self.width and self.height and self.fit == "cover":
            size = Size(min(want.height, whole.height), min(want.width, whole.width))
            height = min(size.height / _value(tall), full.height)
            width = min(size.width / _value(wide), full.width)
            box = ((full.width - width) * x, (full.height - height) * y, width, height)
            return Geometry(size, size, (0, 0), box, whole)
        return Geometry(whole, whole, (0, 0), everything, whole)

    @cached_property
    def _resampler(self) -> Resampler:
        return Resampler(self.kernel)

    @cached_property
    def _job(self) -> Callable[[Spec], ResizeJob]:
        return lru_cache(maxsize=64)(self._new_job)

    def _new_job(self, spec: Spec) -> ResizeJob:
        layout = self.layout(spec.full_size)
        down, across = _scale(spec)
        left, top = layout.box[0] * across, layout.box[1] * down
        width, height = min(layout.box[2] * across, spec.width - left), min(layout.box[3] * down, spec.height - top)
        box = (left, top, width, height)
        dtype = spec.dtype if self.light == "encoded" else "uint16" if spec.dtype == "uint8" else "float32"
        prepared = self._resampler.prepare(dtype, spec.channels, box, weigh_alpha=spec.has_alpha)
        last = (spec.full_height * down - spec.height + 1, spec.full_width * across - spec.width + 1)
        margins = layout.target != layout.size
        background = np.array(samples(self.background, spec), spec.dtype) if margins else None
        return ResizeJob(prepared, last, layout.target, layout.at, background)

    @cached_property
    def _plane_jobs(self) -> Callable[[Spec], tuple[PlaneJob, ...]]:
        return lru_cache(maxsize=64)(self._new_plane_jobs)

    def _new_plane_jobs(self, spec: Spec) -> tuple[PlaneJob, ...]:
        layout, target = self.layout(spec.full_size), self.output_spec(spec)
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
            box = (x[0] + margins[1][0], y[0] + margins[0][0], x[1], y[1])
            jobs.append(PlaneJob(self._resampler.prepare(spec.dtype, 1, box), margins))
        return tuple(jobs)


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


def _scale(spec: Spec) -> tuple[float, float]:
    """Decoded pixels for each of the file's, down and across.

    A decoder that shrinks by a whole factor, or JPEG's by eighths, rounds its size up: the picture is
    full_width * M / 8 pixels wide, and the last column stands for what is left over (python-pillow/Pillow#4231).
    """
    for scale in SCALES:
        if spec.size == (math.ceil(spec.full_height * scale), math.ceil(spec.full_width * scale)):
            return scale, scale
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
