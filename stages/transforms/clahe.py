"""Evens out the contrast of parts of the picture (contrast limited adaptive histogram equalisation)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from pipeline import Frame, Pixels, Spec, Transform, load_opencv


@dataclass(frozen=True)
class Clahe(Transform):
    """Equalises the histogram of each of `tiles` x `tiles` parts, cut at `clip_limit`, and blends from part to part.

    Takes uint8 and uint16 of gray and rgb, with and without alpha (H, W, C); the Spec is unchanged, alpha is kept as it
    is. Of rgb the lightness L of CIE Lab (for sRGB, D65) is equalised, with a and b as they are: red, green and blue
    each by itself would turn gray into colour. Lab is computed in float32, for its 8-bit form alone costs saturated
    colours up to 20 levels. Method: Zuiderveld 1994, Graphics Gems IV, VIII.5; plain areas stay as they are.
    CPU time, 1008x756 uint8: RGB 35 ms, gray 17 ms.
    """

    clip_limit: float = field(default=2.0, metadata={"ge": 1, "le": 100, "doc": "contrast grows up to 1 + this times"})
    tiles: int = field(default=8, metadata={"ge": 1, "le": 64, "doc": "parts in each direction"})

    any_colour: ClassVar[bool] = False  # lightness is computed from sRGB
    example: ClassVar[Mapping[str, Any]] = {"clip_limit": 2.0, "tiles": 8}

    def open(self) -> None:
        """Load OpenCV with one thread; raises EnvironmentRefusal where it cannot be."""
        load_opencv("clahe")

    def output_spec(self, spec: Spec) -> Spec:
        """The same; raises SpecError for other dtypes and colour models."""
        return spec.require_picture(dtype=("uint8", "uint16"))

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write the equalised picture into `out`, in the dtype of the input."""
        pixels, spec = frame.pixels, frame.spec
        if spec.channels < 3:
            self._equalise(pixels[:, :, 0], out[:, :, 0])
        else:
            self._colour(pixels[:, :, :3], spec.white, out[:, :, :3])
        if spec.has_alpha:
            out[:, :, -1] = pixels[:, :, -1]

    def _colour(self, pixels: Pixels, white: int, out: Pixels) -> None:
        import cv2

        lightness, a, b = cv2.split(cv2.cvtColor(np.divide(pixels, white, dtype=np.float32), cv2.COLOR_RGB2LAB))
        for plane in (a, b):  # OpenCV gives neutral colours up to 0.13, enough to tint them by a level on the way back
            plane[np.abs(plane) < 0.2] = 0
        lightness *= white / 100
        before = np.rint(lightness).astype(pixels.dtype)
        self._equalise(before, after := np.empty_like(before))
        lightness += np.subtract(after, before, dtype=np.float32)  # what rounding took away stays
        rgb = cv2.cvtColor(cv2.merge((lightness * (100 / white), a, b)), cv2.COLOR_LAB2RGB) * white
        out[...] = np.rint(rgb, out=rgb).clip(0, white, out=rgb)

    def _equalise(self, gray: Pixels, out: Pixels) -> None:
        """Equalise (H, W) uint8 or uint16 into `out`.

        Not by cv2.CLAHE: it gives what is cut to dark levels first, so that small tiles come out too bright
        (opencv/opencv#25837), and of 16 bits it counts every level, of which a tile holds most once or never, so that
        nothing is cut: flat noise becomes 18 times as strong whatever the limit; here 3 times, with 2.
        """
        tall, wide = -(-gray.shape[0] // self.tiles), -(-gray.shape[1] // self.tiles)
        curves = _curves(gray, self.clip_limit, self.tiles, (tall, wide))
        for rows, above, below, down in _bands(gray.shape[0], tall, self.tiles):
            for columns, left, right, across in _bands(gray.shape[1], wide, self.tiles):
                block = gray[rows, columns]
                new = [[_levels(block, curves[row, column]) for column in (left, right)] for row in (above, below)]
                upper, lower = (first + across * (second - first) for first, second in new)
                out[rows, columns] = np.rint(upper + down[:, np.newaxis] * (lower - upper))


def _curves(gray: Pixels, clip_limit: float, tiles: int, side: tuple[int, int]) -> Pixels:
    """The curve of each tile: new levels at 257 old ones, evenly apart; (tiles, tiles, 257), float32."""
    missing = [(0, tiles * length - have) for length, have in zip(side, gray.shape, strict=True)]
    whole = np.pad(gray, missing, "reflect")
    rows, columns = (np.arange(tiles * length) // length for length in side)
    places = (rows[:, np.newaxis] * tiles + columns) * 256 + (whole >> 8 * (gray.itemsize - 1))
    counts = np.bincount(places.ravel(), minlength=tiles * tiles * 256).reshape(tiles, tiles, 256)
    shares = np.minimum(counts / (side[0] * side[1]), clip_limit / 256)
    shares += (1 - shares.sum(axis=2, keepdims=True)) / 256  # what was cut, spread evenly
    return (np.pad(shares.cumsum(axis=2), ((0, 0), (0, 0), (1, 0))) * np.iinfo(gray.dtype).max).astype(np.float32)


def _levels(gray: Pixels, curve: Pixels) -> Pixels:
    """The new levels of (H, W) pixels, float32: straight between the points of a curve; black and white stay."""
    import cv2

    start, rise = curve[:-1], np.diff(curve)
    if gray.dtype == np.uint8:
        return np.asarray(cv2.LUT(gray, start + rise * np.linspace(0, 1, 256, dtype=np.float32)))
    piece, share = (gray >> 8).astype(np.uint8), (np.divide(gray, 65535, dtype=np.float32) + (gray & 255)) / 256
    return np.asarray(cv2.LUT(piece, start) + share * cv2.LUT(piece, rise))


def _bands(length: int, side: int, tiles: int) -> Iterator[tuple[slice, int, int, Pixels]]:
    """Stretches between centres of tiles: pixels, the tiles before and after, and how near the second is, 0 to 1."""
    at = (np.arange(length) + 0.5) / side - 0.5
    for first in range(-1, tiles):
        low, high = np.searchsorted(at, (first, first + 1))
        if low < high:
            yield slice(low, high), max(first, 0), min(first + 1, tiles - 1), (at[low:high] - first).astype(np.float32)
