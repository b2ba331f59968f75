"""Blocks of whole lines, for stages whose samples become wider on the way: the wide ones stay in the cache."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline import Pixels

BLOCK = 1 << 17  # samples: fewer and numpy's calls cost more than its work, many more and the cache is left


def blocks(pixels: Pixels) -> Iterator[slice]:
    """Slices of the first axis of (H, W, C) that together are all lines, each of about BLOCK samples."""
    lines = max(1, BLOCK // (pixels.shape[1] * pixels.shape[2]))
    return (slice(top, top + lines) for top in range(0, len(pixels), lines))
