"""Figures of one picture in whole numbers, so that their sums depend on no order: levels, spread, sharpness, light."""

from __future__ import annotations

from math import log2
from typing import NamedTuple

import numpy as np

from pipeline import Pixels, Spec

BINS = 64  # of a histogram of levels
_VALUES = np.arange(256, dtype=np.int64) * 257  # of 8-bit levels in 65,535ths
SHARP_BINS, SHARP_STEPS = 64, 4  # of sharpness, four to the octave
LUMA = (77, 150, 29)  # of red, green and blue in 256ths (ITU-R BT.601)


class Levels(NamedTuple):
    """Of the channels red, green and blue; gray counts as all three, alpha not at all.

    Attributes:
        histogram: (3, BINS) int64. sums, squares: (3,) of levels in 65,535ths, as Python numbers.
        pixels: how many there are.
    """

    histogram: Pixels
    sums: list[int]
    squares: list[int]
    pixels: int


class Light(NamedTuple):
    """Of the luma, from 0 to 255.

    Attributes:
        mean: rounded. dark, bright: pixels at 0 and at 255. sharpness: of the edges, see `sharpness`.
    """

    mean: int
    dark: int
    bright: int
    sharpness: int


def levels(pixels: Pixels, spec: Spec) -> Levels:
    """Counts of a picture, (H, W, 1 to 4), any dtype."""
    colours = 3 if spec.base_model == "rgb" else 1
    rows: list[Pixels] = []
    sums: list[int] = []
    squares: list[int] = []
    told = _of_bytes(pixels[..., :colours]) if pixels.dtype == np.uint8 else None
    for channel in range(colours):
        counts, sum_, square = _counted(pixels[..., channel]) if told is None else _added(told[channel])
        rows.append(counts)
        sums.append(sum_)
        squares.append(square)
    times = 3 // colours
    return Levels(np.stack(rows * times), sums * times, squares * times, pixels.shape[0] * pixels.shape[1])


def _of_bytes(pixels: Pixels) -> Pixels:
    """How often each level occurs, (C, 256) int64, in (H, W, 1 or 3) uint8.

    Pillow takes 0.3 ms for 500x375 RGB where `np.bincount`, which widens each level to 8 bytes, takes 0.9.
    """
    from PIL import Image  # loaded in the worker that counts

    image = Image.fromarray(np.ascontiguousarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]))
    return np.array(image.histogram(), np.int64).reshape(-1, 256)


def _added(counts: Pixels) -> tuple[Pixels, int, int]:
    """Of 256 counts those in bins, the sum and the sum of squares."""
    return counts.reshape(BINS, -1).sum(1), int(counts @ _VALUES), int(counts @ (_VALUES * _VALUES))


def _counted(plane: Pixels) -> tuple[Pixels, int, int]:
    flat = in_65535ths(plane).ravel()
    wide = flat.astype(np.uint64)
    return np.bincount(flat >> 10, minlength=BINS), int(wide.sum()), int((wide * wide).sum())


def in_65535ths(pixels: Pixels) -> Pixels:
    """As uint16; float32 is rounded."""
    if pixels.dtype == np.uint16:
        return pixels
    if pixels.dtype == np.uint8:
        wide: Pixels = pixels.astype(np.uint16) * 257
        return wide
    rounded: Pixels = np.rint(np.clip(pixels, 0, 1) * 65535).astype(np.uint16)
    return rounded


def in_eight_bits(pixels: Pixels) -> Pixels:
    """The upper 8 bits of deeper ones, as uint8; uint8 as it is."""
    eight: Pixels = pixels if pixels.dtype == np.uint8 else (in_65535ths(pixels) >> 8).astype(np.uint8)
    return eight


def opaque(pixels: Pixels, spec: Spec) -> Pixels:
    """(H, W, 1 or 3) uint8 without the alpha."""
    return in_eight_bits(pixels)[..., : 3 if spec.base_model == "rgb" else 1]


def luma(pixels: Pixels, spec: Spec) -> Pixels:
    """(H, W) int16 from 0 to 255, by BT.601 in whole numbers."""
    eight = in_eight_bits(pixels)
    if spec.base_model != "rgb":
        gray: Pixels = eight[..., 0].astype(np.int16)
        return gray
    wide: Pixels = np.multiply(eight[..., 0], np.uint16(LUMA[0]), dtype=np.uint16)
    for channel in (1, 2):
        wide += np.multiply(eight[..., channel], np.uint16(LUMA[channel]), dtype=np.uint16)
    wide >>= 8
    return wide.view(np.int16)


def light(pixels: Pixels, spec: Spec) -> Light:
    """Exposure and sharpness of a picture."""
    gray = luma(pixels, spec)
    (counts,) = _of_bytes(gray.astype(np.uint8)[..., None])
    mean = round(int(counts @ np.arange(256)) / gray.size)
    return Light(mean, int(counts[0]), int(counts[255]), sharpness(gray))


def sharpness(gray: Pixels) -> int:
    """Variance of the Laplacian (4 neighbours), rounded; 0 for a picture of fewer than 3 rows or columns.

    J. L. Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, ICPR 2000.
    """
    if min(gray.shape) < 3:
        return 0
    edges: Pixels = gray[1:-1, :-2] + gray[1:-1, 2:]
    edges += gray[:-2, 1:-1]
    edges += gray[2:, 1:-1]
    edges -= gray[1:-1, 1:-1] << 2
    wide = edges.ravel().astype(np.int64)
    total, squares = int(wide.sum()), int(wide @ wide)
    return int((squares * wide.size - total * total) // wide.size**2)


def sharp_bin(value: int) -> int:
    """The bin of a sharpness, four to the octave."""
    return min(SHARP_BINS - 1, int(SHARP_STEPS * log2(1 + value)))
