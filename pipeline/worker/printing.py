"""What stages print, on its way from a worker to the parent: whole lines, each marked with the stage that said it.

Python's streams of a worker are replaced by these. What a C library writes to descriptor 2 comes without a mark.
"""

from __future__ import annotations

import fcntl
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

MARK = "\x1f"  # begins and ends the number of the stage, before the text of a line
LONGEST = 4096  # characters of a line that has no end; then it is cut
SPOOLED_NBYTES = 1 << 20  # of what was passed on already; then the file is emptied


class Lines(io.RawIOBase):
    """Bytes in, whole lines out.

    Args:
        say: takes a line without its end.
    """

    def __init__(self, say: Callable[[bytes], None]) -> None:
        super().__init__()
        self._say = say
        self._rest = b""

    @property
    def name(self) -> str:
        return "<what stages print>"

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Keep what has no end yet, pass the lines on."""
        added = bytes(data)
        *lines, rest = (self._rest + added).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            self._say(line)
        while len(rest) >= LONGEST:
            self._say(rest[:LONGEST])
            rest = rest[LONGEST:]
        self._rest = rest
        return len(added)

    def end(self) -> None:
        """Pass on what never got its end."""
        if self._rest:
            self._say(self._rest)
            self._rest = b""


class Spool:
    """A file in memory that descriptors 1 and 2 lead to: nobody can close its other end, and it is never full.

    Args:
        fd: the file; None where nothing was redirected.
        lines: takes what is found in it.
    """

    def __init__(self, fd: int | None, lines: Lines) -> None:
        self._fd = fd
        self._lines = lines
        self._read = 0

    def drain(self) -> None:
        """Pass on what was written since the last look."""
        if self._fd is None:
            return
        while data := os.pread(self._fd, 1 << 16, self._read):
            self._read += len(data)
            self._lines.write(data)
        if self._read > SPOOLED_NBYTES:
            os.ftruncate(self._fd, 0)
            self._read = 0


@contextmanager
def spooled(lines: Lines) -> Iterator[Spool]:
    """While the block lasts, what is written to descriptors 1 and 2 themselves, past Python, goes to `lines`.

    Only a descriptor whose reader may go away is redirected. On a terminal or in a file the last words of a library
    that ends the process stay where they are looked for.
    """
    wanted = [fd for fd in (1, 2) if _may_break(fd)]
    if not wanted or not hasattr(os, "memfd_create"):
        yield Spool(None, lines)
        return
    file = os.memfd_create("printed")
    fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | os.O_APPEND)
    usual = {fd: os.dup(fd) for fd in wanted}
    for fd in wanted:
        os.dup2(file, fd)
    spool = Spool(file, lines)
    try:
        yield spool
    finally:
        for fd, before in usual.items():
            os.dup2(before, fd)
            os.close(before)
        spool.drain()
        os.close(file)


def _may_break(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def text_stream(lines: Lines) -> io.TextIOWrapper:
    """A stream of text over `lines`, for `sys.stdout` and `sys.stderr`; `buffer` takes bytes."""
    return io.TextIOWrapper(lines, encoding="utf-8", errors="backslashreplace", write_through=True)


def mark_lines(fd: int, running: Callable[[], int]) -> Lines:
    """From now on, what this process prints goes to `fd` line by line, with the number of the stage that runs."""

    def say(line: bytes) -> None:
        os.write(fd, f"{MARK}{running()}{MARK}".encode() + line + b"\n")

    lines = Lines(say)
    sys.stdout = sys.stderr = text_stream(lines)
    return lines


def unmarked(line: str) -> tuple[int | None, str]:
    """The number of the stage that a line is marked with, and its text; None for one without a mark."""
    if not line.startswith(MARK):
        return None, line
    number, _, text = line[1:].partition(MARK)
    return (int(number), text) if number.isdigit() else (None, line)
