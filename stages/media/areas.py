"""Averaging areas to few samples, as matrices."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pipeline import Pixels


@lru_cache(maxsize=64)
def shrink_matrix(size: int, samples: int) -> Pixels:
    """(samples, size) float32: each sample is the mean of its share of a line, parts of pixels by their part.

    Where there are fewer pixels than samples they are repeated.
    """
    edges = np.arange(samples + 1) * (size / samples)
    pixels = np.arange(size)
    low, high = edges[:-1, None], edges[1:, None]
    overlap = np.clip(np.minimum(high, pixels + 1) - np.maximum(low, pixels), 0, None)
    matrix: Pixels = (overlap / overlap.sum(1, keepdims=True)).astype(np.float32)
    return matrix
