"""What stages print, on its way from a worker to the parent: whole lines, each marked with the stage that said it.

Python's streams of a worker are replaced by these. What a C library writes to descriptor 2 comes without a mark.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import Any

MARK = "\x1f"  # begins and ends the number of the stage, before the text of a line
LONGEST = 4096  # characters of a line that has no end; then it is cut


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
