"""A segment: what the runs of one shard wrote down, in a file that only grows, read by every run of the output.

A shard may run on another machine, where the state folder lies on a file system whose locks no database can rely on. So
each shard keeps its journal in a database of its own that ends with it (`shard_journal`), and writes every row also to
its segment, before a worker may act on it. A line is one JSON array: a word, then values; bytes stand as a list of one
text in latin-1. A line that was cut off by a kill is dropped by the next run of the shard, and passed over by others.

    ["begin", ...]                 a run of the shard begins: the fields of `registering.Began`
    ["items", ...]                 a row of that table; the numbers in it that mean something there alone are the run's
    ["several", item]              the rows of `parts` that follow take the place of those that the item had
    ["gone", item]                 its output is gone already: the item is as if it had not ended
    ["end", ended_ns, exit, report]     the run is over
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

FOLDER: Final = "segments"  # below the state folder
ENDING: Final = ".jsonl"
BEGIN, END, SEVERAL, GONE = "begin", "end", "several", "gone"
_BEGINS = b'["begin",'
Values = list[Any]  # a word, then values


class ShardSegment:
    """The segment of the shard that runs here, open to be written; its lock is held.

    Args:
        durable: whether each write waits until it is on the disk.

    Raises, when made or written to: OSError.
    """

    def __init__(self, path: str, *, durable: bool) -> None:
        self.path = path
        self._durable = durable
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            self._drop_torn()
        except BaseException:
            os.close(self._fd)
            raise

    def write(self, lines: Iterable[Sequence[object]]) -> None:
        """Append lines, all in one write."""
        data = b"".join(encoded(line) for line in lines)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        if data and self._durable:
            os.fdatasync(self._fd)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def _drop_torn(self) -> None:
        """What a kill cut off would make the first line of ours unreadable."""
        size = os.fstat(self._fd).st_size
        end, block = size, b""
        while end and b"\n" not in block:
            start = max(0, end - (1 << 16))
            block = os.pread(self._fd, end - start, start)
            if (last := block.rfind(b"\n")) >= 0:
                end = start + last + 1
                break
            end = start
        if end < size:
            os.ftruncate(self._fd, end)


def segment_path(state_dir: str, name: str) -> str:
    """Where the segment of a shard lies."""
    return os.path.join(state_dir, FOLDER, name + ENDING)


def segments_in(state_dir: str) -> list[str]:
    """The segments of a state folder, by name."""
    folder = os.path.join(state_dir, FOLDER)
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [os.path.join(folder, name) for name in sorted(names) if name.endswith(ENDING)]


def encoded(line: Sequence[object]) -> bytes:
    """A line of a segment."""
    return json.dumps([_plain(value) for value in line], separators=(",", ":")).encode() + b"\n"


def _plain(value: object) -> object:
    return [value.decode("latin-1")] if isinstance(value, bytes) else value


class RunAt(NamedTuple):
    """Where a run begins in a segment; `head` holds the values of its first line."""

    head: Values
    path: str
    offset: int


def runs_in(path: str) -> Iterator[RunAt]:
    """The runs of a segment. Raises OSError."""
    offset = 0
    with open(path, "rb") as file:
        for line in file:
            if line.startswith(_BEGINS) and (head := _decoded(line)):
                yield RunAt(head[1:], path, offset + len(line))
            offset += len(line)


def lines_after(run: RunAt) -> Iterator[Values]:
    """The whole lines of a run, which may be going on. Raises OSError."""
    with open(run.path, "rb") as file:
        file.seek(run.offset)
        for data in file:
            if data.startswith(_BEGINS):
                return
            if line := _decoded(data):
                yield line


def _decoded(data: bytes) -> Values:
    """The values of a line; none where it is being written, was cut off, or left half by a power cut.

    What such a row told is done again: it may be missing, and never lies.
    """
    if not data.endswith(b"\n"):
        return []
    try:
        values = json.loads(data)
    except ValueError:
        return []
    return [_cell(value) for value in values] if isinstance(values, list) else []


def _cell(value: object) -> object:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return value[0].encode("latin-1", "replace")
    return value
