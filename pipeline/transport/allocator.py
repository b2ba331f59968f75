"""The allocator: lends byte ranges of the arena. Pure; it touches no memory."""

from __future__ import annotations

from bisect import bisect_left, insort

from .records import PAGE


class Allocator:
    """Lends byte ranges of [start, limit), lowest first; ranges are whole pages and never overlap.

    Pure: no memory is touched. A range that comes back is kept by its size and is the first to be lent again for that
    size, so its pages are warm. For a size that is not kept, the kept ranges are merged into the free list first and
    the lowest gap that is large enough is cut, so the high-water mark stays low; and a request no larger than the
    arena always fits once everything came back.
    """

    def __init__(self, *, start: int, limit: int) -> None:
        self.start = start
        self.limit = start + (limit - start) // PAGE * PAGE  # a part of a page is never lent, so it is not promised
        self.in_use = 0
        self.high_water = start
        self._kept: dict[int, list[int]] = {}
        self._free: list[tuple[int, int]] = [(start, self.limit)]  # (offset, end), sorted, never adjacent
        self._lent: dict[int, int] = {}

    @property
    def capacity(self) -> int:
        """The largest range that can ever be lent, in bytes."""
        return self.limit - self.start

    def take(self, nbytes: int) -> int | None:
        """Offset of a range of at least nbytes, or None while none is free."""
        size = -(-nbytes // PAGE) * PAGE
        kept = self._kept.get(size)
        if kept:
            offset = kept.pop()
        else:
            self._merge()
            found = self._first_fit(size)
            if found is None:
                return None
            offset = found
        self._lent[offset] = size
        self.in_use += size
        if offset + size > self.high_water:
            self.high_water = offset + size
        return offset

    def give(self, offset: int) -> None:
        """Take a range back. Raises KeyError when it is not lent."""
        size = self._lent.pop(offset)
        self.in_use -= size
        if offset + size > self.limit:
            self._insert(offset, min(offset + size, self.limit))
            return
        self._kept.setdefault(size, []).append(offset)

    def shrink(self, limit: int) -> None:
        """Lend nothing beyond `limit` from now on; ranges lent there are not kept when they come back."""
        self._merge()
        self.limit = limit
        self.high_water = min(self.high_water, limit)  # what lay beyond could not be had, and is not asked for again
        self._free = [(low, min(high, limit)) for low, high in self._free if low < limit]

    def _first_fit(self, size: int) -> int | None:
        for place, (low, high) in enumerate(self._free):
            if high - low >= size:
                if high - low == size:
                    del self._free[place]
                else:
                    self._free[place] = (low + size, high)
                return low
        return None

    def _merge(self) -> None:
        for size, offsets in self._kept.items():
            for offset in offsets:
                self._insert(offset, min(offset + size, self.limit))
        self._kept.clear()

    def _insert(self, low: int, high: int) -> None:
        if high <= low:
            return
        place = bisect_left(self._free, (low, high))
        if place < len(self._free) and self._free[place][0] == high:
            high = self._free.pop(place)[1]
        if place and self._free[place - 1][1] == low:
            low = self._free.pop(place - 1)[0]
        insort(self._free, (low, high))

    def free_ranges(self) -> list[tuple[int, int]]:
        """What is free now as (offset, end), merged; for checks and messages."""
        self._merge()
        return list(self._free)

    def lent_ranges(self) -> list[tuple[int, int]]:
        """What is lent now as (offset, end), sorted; for checks."""
        return sorted((offset, offset + size) for offset, size in self._lent.items())
