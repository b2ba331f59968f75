"""The arena: one shared-memory segment, and the pure allocator that lends its byte ranges.

The parent creates the segment, which never has a name; workers map the inherited descriptor. Nothing can leak, at
whatever instant a process dies: when the last one is gone the kernel frees the memory.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress

from ..errors import EnvironmentRefusal
from .allocator import Allocator
from .records import PAGE

SHM = "/dev/shm"
GROW_NBYTES = 32 << 20  # one step of truly allocated memory: 7 ms


class Arena:
    """The segment itself, in the parent. `fd` is inherited by the workers.

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
            self.fd = self._create_memfd()
            if not self._grow(first):
                os.close(self.fd)
                raise EnvironmentRefusal(
                    f"cannot allocate {first >> 20} MiB of shared memory",
                    limit="/dev/shm and the machine's memory are full",
                    remedy="free memory, enlarge /dev/shm (docker: --shm-size), or set `queues: {memory: ...}` lower",
                )
        try:
            self.map = map_arena(self.fd, self.nbytes)
        except OSError as error:
            os.close(self.fd)
            raise EnvironmentRefusal(
                f"cannot map {self.nbytes >> 20} MiB of shared memory: {error.strerror}",
                limit="`ulimit -v` bounds what a process maps",
                remedy="raise that limit, or set `queues: {memory: ...}` lower",
            ) from error

    def _create_shm(self) -> int:
        with suppress(OSError):  # no /dev/shm in this container, or not ours to write, or a limit on files
            volume = os.statvfs(SHM)
            if volume.f_bavail * volume.f_frsize >= self.nbytes:  # a container's 64 MiB, say, are too few
                return self._create_segment()
        return self._create_memfd()  # anonymous memory has no such limits

    def _create_segment(self) -> int:
        # multiprocessing's SharedMemory makes a name first and removes it later: a signal between the two leaves it.
        fd = os.open(SHM, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, self.nbytes)
        except OSError:
            os.close(fd)
            raise
        return fd

    def _create_memfd(self) -> int:
        self.kind = "memfd"
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


class GrowingPool:
    """The allocator as the scheduler sees it: memory is truly allocated before it is lent.

    Attributes:
        short: whether shared memory ran out, so that the arena is smaller than the plan says.
    """

    def __init__(self, arena: Arena, allocator: Allocator) -> None:
        self.arena = arena
        self.allocator = allocator
        self.short = False

    @property
    def capacity(self) -> int:
        """The most bytes that can be lent at once."""
        return self.allocator.capacity

    def take(self, nbytes: int) -> int | None:
        """Offset of a range of at least nbytes, or None while none is free."""
        offset = self.allocator.take(nbytes)
        if offset is None or self.arena.ensure(offset + nbytes):
            return offset
        self.short = True  # /dev/shm is full: from now on the arena is as large as what there is
        self.allocator.give(offset)
        self.allocator.shrink(self.arena.allocated // PAGE * PAGE)
        return self.allocator.take(nbytes)

    def give(self, offset: int) -> None:
        """Take a range back."""
        self.allocator.give(offset)
