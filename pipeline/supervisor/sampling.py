"""A stable part of an input: the items whose names have the smallest hashes. Called in the discovery thread."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from ..config.keys import Sample
from ..contracts.frame import Item
from ..contracts.stage import Reader


def sampled(reader: Reader, first: Iterable[Item], again: Iterable[Item], sample: Sample) -> Iterator[Item]:
    """As many items as `sample` says, in input order; the same ones for the same input and seed.

    An input that is added takes the place of one other at most. What the reader itself leaves out is given in any case,
    so that it is told of.

    Args:
        first, again: the items of the reader, twice; no more than a number for each chosen one is kept of the first.
    """
    assert isinstance(sample.count, int)
    largest: list[int] = []  # negative, so that the top of the heap is the largest of the smallest
    for item in first:
        if item.skip or item.fails:
            continue
        number = -_hash(reader, item, sample.seed)
        if len(largest) < sample.count:
            heapq.heappush(largest, number)
        elif number > largest[0]:
            heapq.heapreplace(largest, number)
    if not largest:
        yield from again
        return
    most = -largest[0]
    for item in again:
        if item.skip or item.fails or _hash(reader, item, sample.seed) <= most:
            yield item


def _hash(reader: Reader, item: Item, seed: int) -> int:
    name = os.fsencode(reader.key(item))
    return int.from_bytes(blake2b(name, digest_size=8, key=seed.to_bytes(8, "little")).digest(), "little")
