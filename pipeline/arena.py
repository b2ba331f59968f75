"""The arena: one shared-memory segment, and the pure allocator that lends its byte ranges.

The parent creates the segment and unlinks its name at once; workers map the inherited descriptor. Nothing can leak:
when the last process is gone the kernel frees the memory.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left, insort
from multiprocessing import shared_memory

from .errors import EnvironmentRefusal
from .messages import PAGE

GROW_NBYTES = 32 << 20  # one step of truly allocated memory: 7 ms


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


class Arena:
    """The segment itself, in the parent. `fd` is inherited by the workers, the name is gone already.

    Args:
        nbytes: size of the segment; memory is truly allocated only as far as `ensure` was asked.

    Raises:
        EnvironmentRefusal: not even the first step can be allocated.
    """

    def __init__(self, nbytes: int) -> None:
        self.nbytes = -(-nbytes // PAGE) * PAGE
        self.allocated = 0
        self.kind = "shm"
        self.fd = self._create_shm()
        first = min(GROW_NBYTES, self.nbytes)
        if not self._grow(first):
            os.close(self.fd)
            self.kind, self.fd = "memfd", self._create_memfd()
            if not self._grow(first):
                os.close(self.fd)
                raise EnvironmentRefusal(
                    f"cannot allocate {first >> 20} MiB of shared memory",
                    limit="/dev/shm and the machine's memory are full",
                    remedy="free memory, enlarge /dev/shm (docker: --shm-size), or set `queues: {memory: ...}` lower",
                )
        self.map = map_arena(self.fd, self.nbytes)

    def _create_shm(self) -> int:
        try:
            volume = os.statvfs("/dev/shm")
            if volume.f_bavail * volume.f_frsize < self.nbytes:
                self.kind = "memfd"  # a container's 64 MiB, say: anonymous memory has no such limit
                return self._create_memfd()
            segment = shared_memory.SharedMemory(create=True, size=self.nbytes)
        except OSError:  # no /dev/shm in this container, or not ours to write
            self.kind = "memfd"
            return self._create_memfd()
        try:
            return os.dup(segment._fd)  # type: ignore[attr-defined]
        finally:
            segment.close()
            segment.unlink()

    def _create_memfd(self) -> int:
        fd = os.memfd_create("pipeline-arena", os.MFD_CLOEXEC)
        try:
            os.ftruncate(fd, self.nbytes)
        except OSError as error:
            os.close(fd)
            raise EnvironmentRefusal(
                f"cannot make {self.nbytes >> 20} MiB of shared memory: {error.strerror}",
                limit="`ulimit -f` bounds shared memory, too",
                remedy="raise that limit, or set `queues: {memory: ...}` lower",
            ) from error
        return fd

    def ensure(self, end: int) -> bool:
        """Whether [0, end) is truly allocated; grows in steps. A full /dev/shm is an answer here, never a SIGBUS."""
        if end <= self.allocated:
            return True
        step = min(-(-end // GROW_NBYTES) * GROW_NBYTES, self.nbytes)
        return self._grow(step) or self._grow(-(-end // PAGE) * PAGE) or self._grow_to_the_rest(end)

    def _grow_to_the_rest(self, end: int) -> bool:
        """The step did not fit: take what there is, so that the arena is as large as it can be."""
        volume = os.fstatvfs(self.fd)
        rest = volume.f_bavail * volume.f_frsize // PAGE * PAGE
        if 0 < rest < self.nbytes - self.allocated:
            self._grow(self.allocated + rest)
        return end <= self.allocated

    def _grow(self, end: int) -> bool:
        try:
            os.posix_fallocate(self.fd, self.allocated, end - self.allocated)
        except OSError:
            return False
        self.allocated = end
        return True

    def close(self) -> None:
        """Unmap and close; the memory is freed when the last worker has ended."""
        self.map.close()
        os.close(self.fd)


def map_arena(fd: int, nbytes: int) -> mmap.mmap:
    """The arena's memory in this process, shared and writable; the mapping outlives `fd`."""
    return mmap.mmap(fd, nbytes, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
