"""Applies the EXIF orientation, so that later steps see the picture as people do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pipeline import Frame, Pixels, Size, Spec, Transform


@dataclass(frozen=True)
class Orient(Transform):
    """Turns and mirrors by `spec.orientation` (EXIF tag 0x0112, 1 to 8) and sets it to 1.

    Takes every dtype and colour model in axis order HWC, and YUV planes; 4:2:2 that lies on its side becomes 4:4:4,
    its chroma interpolated linearly, for there is no 4:2:2 across. Height and width swap for 5 to 8, `full_height` and
    `full_width` and the aspect of a sample with them. One copy into `out`; with orientation 1 the engine skips the
    stage. Chroma of 4:2:0 keeps its samples, which then lie up to one luma pixel off.
    """

    identity_when_equal: ClassVar[bool] = True
    planes: ClassVar[bool] = True
    keeps_extent: ClassVar[bool] = True
    any_colour: ClassVar[bool] = True

    def output_spec(self, spec: Spec) -> Spec:
        """The upright Spec."""
        if spec.orientation == 1:
            return spec
        if spec.orientation < 5:
            return replace(spec, orientation=1)
        model = "yuv444" if spec.model == "yuv422" else spec.model
        return replace(
            spec, model=model, height=spec.width, width=spec.height, sar=spec.sar[::-1],
            full_height=spec.full_width, full_width=spec.full_height, orientation=1,
        )  # fmt: skip

    def required_input(self, spec: Spec, need: Size) -> Size:
        """`need` in the axes of the file."""
        return Size(need.width, need.height) if spec.orientation >= 5 else need

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write the upright picture into `out`, in the dtype of the input; EXIF 2.32, 4.6.4 A."""
        turn, spec = frame.spec.orientation, frame.spec
        if not spec.is_yuv:
            _turn(_whole_pixels(frame.pixels), turn, _whole_pixels(out))
            return
        upright = self.output_spec(spec)
        planes = spec.planes(frame.pixels)
        if upright.model != spec.model:
            planes = (planes[0], *(_widened(plane, spec.width) for plane in planes[1:]))
        for plane, target in zip(planes, upright.planes(out), strict=True):
            _turn(plane, turn, target)


def _widened(plane: Pixels, width: int) -> Pixels:
    """Chroma of 4:2:2 at every column: that of the even ones, and the means of two between, half up."""
    after = np.concatenate((plane[:, 1:], plane[:, -1:]), axis=1)
    wide = np.empty((len(plane), 2 * plane.shape[1]), plane.dtype)
    wide[:, ::2] = plane
    wide[:, 1::2] = (plane.astype(np.uint32) + after + 1) >> 1
    return wide[:, :width]


def _turn(source: Pixels, turn: int, out: Pixels) -> None:
    if turn >= 5:
        source = source.T
    rows = slice(None, None, -1 if turn in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if turn in (2, 3, 6, 7) else 1)
    out[...] = source[rows, columns]


def _whole_pixels(pixels: Pixels) -> Pixels:
    """(H, W, C) seen as (H, W) of opaque pixels: numpy then moves a pixel at a time, twice as fast as samples."""
    height, width, channels = pixels.shape
    return pixels.view(np.dtype((np.void, channels * pixels.itemsize))).reshape(height, width)
