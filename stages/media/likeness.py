"""Whether pictures show the same: a small gray picture of each, what of it no turn changes, and a close comparison.

A picture is averaged to 32x32 samples and their cosine transform taken. A mirror image changes the signs of some of its
coefficients and a turn by 90 degrees swaps rows and columns, so their magnitudes, in an order that swapping does not
change, are the same for all eight positions: by them all pairs are looked at. Those that are near are compared in each
position, and what is left is laid over each other, cut as a crop would cut it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pipeline import Pixels
from stages.media.areas import shrink_matrix

SIDE = 32  # samples of the small picture
LOW = 10  # frequencies a side that are compared
FLAT = 3.0  # levels (standard deviation) beyond stripes below which there is nothing to compare: sky, blur, walls
MOST_GAIN = 8.0  # by which a picture of little contrast is stretched, so that rounding leaves its detail
NEAR, FITS = 0.92, 0.90  # cosines between what no turn changes, and between the pictures in their best position
BLOCK = 1024  # rows of the table of all pairs that are looked at in one go; pairs that are compared in one go
SCALES = (1.0, 0.985, 0.97)  # how much of a picture a crop leaves
MOST_APART = 4 * 256  # 256ths of a level between the mean colours of the same picture
MOST_SPREAD, LEAST_SPREAD = 0.15, 8 * 256  # share by which their spreads differ, of at least so much


class Likeness(NamedTuple):
    """Two pictures by their places, the first below the second, and how far they agree; 1 is equal."""

    one: int
    two: int
    agreement: float


def small(gray: Pixels) -> Pixels | None:
    """(SIDE, SIDE) uint8 of a gray picture, averaged, its sides made equal; None for one of tones or stripes.

    128 is its mean, and its contrast is stretched as far as that goes.
    """
    height, width = gray.shape
    down, across = shrink_matrix(height, SIDE), shrink_matrix(width, SIDE)
    samples = down @ gray.astype(np.float32) @ across.T
    samples -= samples.mean()
    if (samples - samples.mean(0) - samples.mean(1, keepdims=True)).std() < FLAT:
        return None
    gain = min(MOST_GAIN, 127 / float(np.abs(samples).max()))
    stretched: Pixels = np.rint(128 + gain * samples).clip(0, 255).astype(np.uint8)
    return stretched


@lru_cache(maxsize=1)
def _cosines() -> Pixels:
    """(LOW, SIDE) of the orthonormal DCT-II."""
    at = (np.arange(SIDE) + 0.5) * np.pi / SIDE
    matrix = np.cos(np.arange(LOW)[:, None] * at) * np.sqrt(2 / SIDE)
    matrix[0] /= np.sqrt(2)
    found: Pixels = matrix.astype(np.float32)
    return found


def coefficients(smalls: Pixels) -> Pixels:
    """(N, LOW, LOW) float32 of (N, SIDE, SIDE): the low frequencies without the mean, of unit length."""
    found: Pixels = _cosines() @ smalls.astype(np.float32) @ _cosines().T
    found[:, 0, 0] = 0
    found /= np.maximum(np.linalg.norm(found, axis=(1, 2), keepdims=True), 1e-6)
    return found


def unturned(found: Pixels) -> Pixels:
    """(N, K) float32 of unit length: what no mirror image and no quarter turn changes of coefficients."""
    across, down = np.triu_indices(LOW)
    one, two = np.abs(found[:, across, down]), np.abs(found[:, down, across])
    weight = np.sqrt(1.0 + across + down).astype(np.float32)  # the low ones are much alike in all pictures
    together = np.sqrt(np.concatenate([np.maximum(one, two) * weight, np.minimum(one, two) * weight], 1))
    unit: Pixels = together / np.linalg.norm(together, axis=1, keepdims=True)
    return unit


def likenesses(smalls: Pixels, colours: Pixels) -> Iterator[Likeness]:
    """Pairs of (N, SIDE, SIDE) uint8 that may show the same; `colours`, (N, 6), are those of the pictures.

    All pairs are looked at whose brightness is about the same: in all some 5 % of N * N / 2.
    """
    order = np.argsort(colours[:, :3].sum(1), kind="stable")
    bright, colours = colours[order, :3].sum(1), colours[order]
    smalls = smalls[order]
    found = coefficients(smalls)
    vectors = unturned(found)
    for top in range(0, len(vectors), BLOCK):
        end = min(top + BLOCK, len(vectors))
        last = int(np.searchsorted(bright, bright[end - 1] + 3 * MOST_APART, side="right"))
        one, two = np.nonzero(vectors[top:end] @ vectors[top:last].T > NEAR)
        later = two > one
        one, two = one[later] + top, two[later] + top
        apart = np.abs(colours[one] - colours[two])
        spread = np.maximum(colours[one, 3:], LEAST_SPREAD)
        same = (apart[:, :3].max(1) <= MOST_APART) & ((apart[:, 3:] / spread).max(1) <= MOST_SPREAD)
        one, two = one[same], two[same]
        fits, turned = _in_best_position(found, one, two)
        keep = fits > FITS
        for each in _compared(smalls, one[keep], two[keep], turned[keep]):
            a, b = sorted((int(order[each.one]), int(order[each.two])))
            yield Likeness(a, b, each.agreement)


def colours_of(pixels: Pixels) -> list[int]:
    """Mean and spread (standard deviation) of red, green and blue in 256ths of a level; of (H, W, 1 or 3) uint8."""
    flat = pixels.reshape(-1, pixels.shape[2]).astype(np.int64)
    count = len(flat)
    sums, squares = flat.sum(0), (flat * flat).sum(0)
    means = (256 * sums) // count
    spreads = np.floor(256 * np.sqrt(np.maximum(count * squares - sums * sums, 0)) / count).astype(np.int64)
    times = 3 // pixels.shape[2]
    return [*np.repeat(means, times).tolist(), *np.repeat(spreads, times).tolist()]


def _in_best_position(found: Pixels, one: Pixels, two: Pixels) -> tuple[Pixels, Pixels]:
    """Cosine of each pair in the best of the eight positions of the second, and which that is, as `turn` counts them.

    A flip changes the sign of the odd coefficients along its axis: so four sums give all four flips.
    """
    best, position = np.full(len(one), -1.0, np.float32), np.zeros(len(one), int)
    for start in range(0, len(one), 64 * BLOCK):
        part = slice(start, start + 64 * BLOCK)
        a = found[one[part]]
        for swapped in (0, 1):
            b = found[two[part]]
            product = a * (b.swapaxes(1, 2) if swapped else b)
            sums = [product[:, y::2, x::2].sum((1, 2)) for y in (0, 1) for x in (0, 1)]
            for flips, (down, across) in enumerate(((1, 1), (-1, 1), (1, -1), (-1, -1))):
                value = sums[0] + across * sums[1] + down * sums[2] + down * across * sums[3]
                better = value > best[part]
                best[part][better] = value[better]
                position[part][better] = 4 * swapped + flips
    return best, position


def turn(pictures: Pixels, position: int) -> Pixels:
    """(..., H, W) in one of the eight positions: from 4 on rows and columns are swapped, then rows, columns flipped."""
    turned = pictures.swapaxes(-1, -2) if position >= 4 else pictures
    turned = turned[..., ::-1, :] if position % 4 in (1, 3) else turned
    return turned[..., ::-1] if position % 4 in (2, 3) else turned


def _compared(smalls: Pixels, one: Pixels, two: Pixels, turned: Pixels) -> Iterator[Likeness]:
    for position in range(8):
        places = np.nonzero(turned == position)[0]
        for start in range(0, len(places), BLOCK):
            some = places[start : start + BLOCK]
            a = smalls[one[some]].astype(np.float32)
            b = turn(smalls[two[some]], position).astype(np.float32)
            for place, agreement in zip(some.tolist(), _laid_over(a, b).tolist(), strict=True):
                yield Likeness(int(one[place]), int(two[place]), agreement)


def _laid_over(one: Pixels, two: Pixels) -> Pixels:
    """How far (N, SIDE, SIDE) pairs agree in the crop of either that fits best, their detail as their masses."""
    best = np.full(len(one), -1.0, np.float32)
    for fixed, moved in ((one, two), (two, one)):
        told = _evened(fixed)
        for down, across in _windows():
            np.maximum(best, (told * _evened(down @ moved @ across.T)).sum((1, 2)), out=best)
    return best


def _evened(pictures: Pixels) -> Pixels:
    """(N, LOW, LOW): coefficients of unit length, in which fine ones count as much as they do in what people see."""
    low = np.arange(LOW)
    radius = np.hypot(low[:, None], low)
    evened: Pixels = coefficients(pictures) * np.where(radius < LOW, radius, 0).astype(np.float32)
    evened /= np.maximum(np.linalg.norm(evened, axis=(1, 2), keepdims=True), 1e-6)
    return evened


@lru_cache(maxsize=1)
def _windows() -> tuple[tuple[Pixels, Pixels], ...]:
    """For each crop that is tried the matrices that take it out of a small picture, down and across."""
    found = []
    for scale in SCALES:
        room = SIDE * (1 - scale)
        places = [0.0] if scale == 1.0 else [0.0, room / 2, room]
        found += [(_window(top, scale), _window(left, scale)) for top in places for left in places]
    return tuple(found)


def _window(start: float, scale: float) -> Pixels:
    """(SIDE, SIDE): linear interpolation at SIDE places within a part of the samples."""
    at = np.clip(start + (np.arange(SIDE) + 0.5) * scale - 0.5, 0, SIDE - 1)
    low = np.minimum(at.astype(int), SIDE - 2)
    matrix: Pixels = np.zeros((SIDE, SIDE), np.float32)
    matrix[np.arange(SIDE), low] = 1 - (at - low)
    matrix[np.arange(SIDE), low + 1] = at - low
    return matrix
