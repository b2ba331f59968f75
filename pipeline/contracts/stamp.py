"""What tells whether an input is the same as the last time."""

from __future__ import annotations

import os
from typing import NamedTuple


class Stamp(NamedTuple):
    """Equal for the same input.

    Attributes:
        size: in bytes. mtime_ns: when it was last changed, in nanoseconds since 1970.
        digest: of its content, where that was asked for, or of what it is made of.
    """

    size: int
    mtime_ns: int
    digest: bytes = b""


def is_gone(path: str | bytes) -> bool:
    """Whether there is certainly no file: one that cannot be looked at, on a disk that fails, is not gone."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def stamp_of(path: str) -> Stamp | None:
    """Of one file; None where it cannot be told, and the item is done again each time."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return Stamp(status.st_size, status.st_mtime_ns)
