"""What pixels must become, by the formula and exactly: what tests of stages compare with."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st
from pictures import Pixels

BYTES, WORDS = st.integers(0, 255), st.integers(0, 65535)  # samples


def rounded(value: Fraction) -> int:
    """To the nearest whole number, half up."""
    return math.floor(value + Fraction(1, 2))


def luma(pixel: Iterable[int]) -> Fraction:
    """Of red, green and blue, by Rec. ITU-R BT.601-7, 2.5.1."""
    return sum((Fraction(int(v)) * w for v, w in zip(pixel, (299, 587, 114), strict=True)), Fraction(0)) / 1000


def gaussian(pixels: Pixels, sigma: float) -> Pixels:
    """The blur in float64, on the mirrored picture (H, W, C)."""
    reach = int(np.ceil(5 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    blurred = np.pad(pixels.astype(float), ((reach, reach), (reach, reach), (0, 0)), "reflect")
    for axis in (0, 1):
        blurred = np.apply_along_axis(np.convolve, axis, blurred, kernel, mode="valid")
    return blurred


def step(low: float, high: float, channels: int = 1, dtype: str = "uint8") -> Pixels:
    """A vertical edge between columns 15 and 16 of 24 x 32 pixels."""
    pixels = np.full((24, 32, channels), low, dtype)
    pixels[:, 16:] = high
    return pixels
