"""Members of archives that wait to be packed: each worker appends them to a file of its own in the staging folder.

A file belongs to one process and only grows; what the journal says of a member is true as soon as its row is there. A
worker that is killed leaves a tail that no row tells of, and the file goes when all its members are packed.
"""

from __future__ import annotations

import json
import os
import zlib

from ..transport.partial_code import MEMBER

MOST_NBYTES = 256 << 20  # of a file, then another one begins: the first ones go while later ones are packed


class Staging:
    """Members that one process writes.

    Args:
        folder: of the staging files; made where it is missing.
        run: short name of the run and the worker. durable: whether each member is to be on the disk at once.
    """

    def __init__(self, folder: str, run: str, *, durable: bool) -> None:
        self._folder, self._run, self._durable = folder, run, durable
        self._fd = -1
        self._name = ""
        self._number = self._end = 0
        self._notes: list[bytes] = []

    def save(self, data: bytes | memoryview, name: str, index: int) -> int:
        """Append a member; `take` tells of it. Returns the bytes written; raises OSError."""
        if self._fd < 0 or self._end >= MOST_NBYTES:
            self._begin()
        at = self._end
        rest = memoryview(data)
        while rest:
            rest = rest[os.pwrite(self._fd, rest, self._end) :]
            self._end = at + len(data) - len(rest)
        if self._durable:
            os.fsync(self._fd)
        note = (index, name, self._name, at, len(data), zlib.crc32(data))
        self._notes.append(MEMBER + json.dumps(note, separators=(",", ":")).encode())
        return len(data)

    def take(self) -> bytes:
        """What was saved since the last time, a line each; b"" for nothing."""
        notes, self._notes = self._notes, []
        return b"\n".join(notes)

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _begin(self) -> None:
        self.close()
        os.makedirs(self._folder, exist_ok=True)
        self._number += 1
        self._name, self._end = f"{self._run}-{self._number}.members", 0
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(os.path.join(self._folder, self._name), flags, 0o666)
