"""The bytes of inputs, as `ReadContext.load` promises them; bounded before they are read, whole or refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from ..contracts.contexts import Limits
from ..errors import ItemError


class SourceBytes:
    """Loads one input at a time into one buffer, which the next one reuses.

    Args:
        limits: of the plan.
        first_nbytes: size of the buffer at first.
        room: told how many bytes an input has before room is made for them; may wait.
    """

    def __init__(
        self, limits: Limits, first_nbytes: int = 1 << 20, room: Callable[[int], None] = lambda _: None
    ) -> None:
        self.limits = limits
        self._room = room
        self._buffer = bytearray(first_nbytes)
        self._view = memoryview(self._buffer)

    def load(self, path: str) -> memoryview:
        """The bytes of a regular file. Raises as `ReadContext.load`."""
        # O_NONBLOCK: a FIFO named like a picture must not block the open; it is refused just below.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            before = os.fstat(fd)
            if not stat.S_ISREG(before.st_mode):
                raise ItemError(f"is {_kind(before.st_mode)}, not a regular file")
            size = before.st_size
            self._must_be_within(size)
            count = self._read(fd, size)
            after = os.fstat(fd)
        finally:
            os.close(fd)
        if count != size or after.st_mtime_ns != before.st_mtime_ns or after.st_size != size:
            raise ItemError("changed while it was read")
        if not size:
            raise ItemError("is empty (0 bytes)")
        return self._view[:size]

    def load_from(self, nbytes: int, read_into: Callable[[memoryview], int]) -> memoryview:
        """Bytes that something else reads. Raises as `ReadContext.load_from`."""
        self._must_be_within(nbytes)
        if not nbytes:
            raise ItemError("is empty (0 bytes)")
        self._make_room(nbytes)
        count = read_into(self._view[:nbytes])
        if count != nbytes:
            raise ItemError(f"is cut: {count:,} of {nbytes:,} bytes are there")
        return self._view[:nbytes]

    def _must_be_within(self, size: int) -> None:
        if size > self.limits.file_nbytes:
            raise ItemError(
                f"is {size / 1e6:.1f} MB large",
                limit=f"`limits: {{file_size}}` is {self.limits.file_nbytes / 1e6:.1f} MB",
            )

    def _make_room(self, size: int) -> None:
        self._room(size)
        if len(self._buffer) <= size:
            self._view.release()
            self._buffer = bytearray(size + size // 4 + 1)
            self._view = memoryview(self._buffer)

    def _read(self, fd: int, size: int) -> int:
        """Read at most size + 1 bytes: one more than expected tells that the file grew."""
        self._make_room(size)
        count = 0
        while count <= size:
            got = os.readv(fd, [self._view[count : size + 1]])
            count += got
            if not got or count == size:
                break
        return count


def _kind(mode: int) -> str:
    for test, name in (
        (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a character device"), (stat.S_ISBLK, "a block device"),
    ):  # fmt: skip
        if test(mode):
            return name
    return "special"
