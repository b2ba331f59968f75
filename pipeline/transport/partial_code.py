"""Partials of reducers as bytes: JSON, which a worker that was taken over cannot turn into code of the parent."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

BYTES, ARRAY = "\0bytes", "\0array"
MEMBER = b"M"  # begins a line that is no JSON: a member of an archive was saved
FILE = b"\0"  # begins the name of a file that holds the JSON, where that is more than there is room for


class Mapped(NamedTuple):
    """What a reducer gave of a frame.

    Attributes:
        reducer: its place among the reducers of the plan. frame: index of the frame within its item.
    """

    reducer: int
    frame: int
    partial: Any


def pack(mapped: Mapped) -> bytes:
    """One line of text without its end. Raises TypeError for a partial that is not plain data."""
    text = json.dumps(tuple(mapped), separators=(",", ":"), default=_plain, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def unpack(data: bytes) -> Iterator[Mapped]:
    """What was packed, from lines; tuples have become lists. Raises ValueError for what `pack` has not made."""
    for line in data.decode("utf-8", "surrogatepass").split("\n"):
        reducer, frame, partial = json.loads(line, object_hook=_of_plain)
        yield Mapped(reducer, frame, partial)


def _plain(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {BYTES: b64encode(value).decode()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {ARRAY: [value.dtype.str, list(value.shape), b64encode(value.tobytes()).decode()]}
    raise TypeError(f"a partial may hold numbers, text, bytes, arrays, lists and dicts, not {type(value).__name__}")


def _of_plain(found: dict[str, Any]) -> Any:
    if BYTES in found:
        return b64decode(found[BYTES])
    if ARRAY in found:
        kind, shape, data = found[ARRAY]
        return np.frombuffer(bytearray(b64decode(data)), np.dtype(kind)).reshape(shape)
    return found
