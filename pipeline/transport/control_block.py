"""A worker's control block in the arena: texts for its leases, and what it is doing now, readable after it died.

Layout, per worker: lease and stage that run now (8 bytes), the temporary file that exists now, one text slot a lease;
where the plan has reducers, room for their partials, as much for each lease.
The parent writes a slot before it sends the lease; the worker may write its answer into the same slot; the parent reads
that when the answer's record came in. So no slot is ever written by two.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from mmap import mmap

from ..contracts.frame import Item

NAME_NBYTES = 4096 + 16
TEXT_NBYTES = 13 * 1024
_RUNNING = struct.Struct("<II")
_LENGTH = struct.Struct("<I")
_TEXT = struct.Struct("<QI")
_TEMPORARY = 64
_SLOTS = _TEMPORARY + NAME_NBYTES
_ENCODING = sys.getfilesystemencoding()  # of the names that the system gave us: both sides must see the same ones


def control_nbytes(credit: int, partial_nbytes: int = 0) -> int:
    """Size of the control block of a worker with this credit, a multiple of 64.

    partial_nbytes: room of each lease for what reducers give.
    """
    return -(-(_SLOTS + credit * (TEXT_NBYTES + partial_nbytes)) // 64) * 64


_TEXT_NBYTES = _TEXT.size
MAX_TEXT_NBYTES = TEXT_NBYTES - _TEXT_NBYTES


def encode_job(item: Item, target: str) -> bytes:
    """The text of a job. Raises ValueError for names beyond what any file system takes."""
    words = f"{item.source}\0{item.dir}\0{item.name}\0{target}"
    if item.archive or item.columns:
        words += f"\0{item.archive}\0{item.place}\0{json.dumps(item.columns) if item.columns else ''}"
    text = words.encode(_ENCODING, "surrogateescape")
    if len(text) > MAX_TEXT_NBYTES:
        if item.columns:
            raise ValueError(f"its name and columns take {len(text)} bytes, and {MAX_TEXT_NBYTES} travel with an item")
        raise ValueError(f"a name of {len(text)} bytes is longer than any file system takes")
    return text


class Control:
    """One block, seen from either side. `memory` is the arena's mapping, `base` the block's offset."""

    def __init__(self, memory: mmap | bytearray, base: int, credit: int, partial_nbytes: int = 0) -> None:
        self._memory = memory
        self._base = base
        self._temporary = base + _TEMPORARY
        self._slots = [base + _SLOTS + slot * TEXT_NBYTES for slot in range(credit)]
        behind = base + _SLOTS + credit * TEXT_NBYTES
        self._partials = [behind + slot * partial_nbytes for slot in range(credit)]
        self.most_partial = max(0, partial_nbytes - _LENGTH.size)

    def run(self, lease: int, stage: int) -> None:
        """Worker: this stage works for this lease from now on."""
        _RUNNING.pack_into(self._memory, self._base, lease, stage)

    def running(self) -> tuple[int, int]:
        """Parent: lease and stage when the worker ended."""
        lease, stage = _RUNNING.unpack_from(self._memory, self._base)
        return lease, stage

    def note_temporary(self, path: str) -> None:
        """Worker: this temporary file exists now; "" for none. Relative to the folder that both sides run in."""
        start = self._temporary
        _LENGTH.pack_into(self._memory, start, 0)
        if path:
            data = os.fsencode(path)
            if len(data) <= NAME_NBYTES - _LENGTH.size:
                self._memory[start + 4 : start + 4 + len(data)] = data
                _LENGTH.pack_into(self._memory, start, len(data))

    def temporary(self) -> str:
        """Parent: the temporary file that a dead worker left."""
        start = self._temporary
        (length,) = _LENGTH.unpack_from(self._memory, start)
        return os.fsdecode(bytes(self._memory[start + 4 : start + 4 + length]))

    def clear(self) -> None:
        """Parent: make the block ready for a new worker."""
        _RUNNING.pack_into(self._memory, self._base, 0, 0)
        _LENGTH.pack_into(self._memory, self._temporary, 0)

    def put_job(self, slot: int, number: int, text: bytes) -> None:
        """Parent: what the lease in this slot is about; `text` as `encode_job` makes it."""
        start = self._slots[slot]
        _TEXT.pack_into(self._memory, start, number, len(text))
        start += _TEXT_NBYTES
        self._memory[start : start + len(text)] = text

    def job(self, slot: int) -> tuple[Item, str]:
        """Worker: what the lease in this slot is about, the item and its output path."""
        number, text = self._get(slot)
        source, folder, name, target, *beside = text.decode(_ENCODING, "surrogateescape").split("\0")
        if not beside:
            return Item(number, source, folder, name), target
        archive, place, columns = beside
        told = tuple((column, word) for column, word in json.loads(columns)) if columns else ()
        return Item(number, source, folder, name, archive=archive, place=place, columns=told), target

    def put_text(self, slot: int, *parts: str) -> None:
        """Either side: an answer in words."""
        text = "\0".join(part.replace("\0", " ") for part in parts)
        try:
            data = os.fsencode(text)
        except UnicodeEncodeError:  # half a surrogate pair, or what this locale has no bytes for
            data = text.encode("ascii", "backslashreplace")
        self.put_job(slot, len(parts), data[:MAX_TEXT_NBYTES])

    def text(self, slot: int) -> list[str]:
        """The other side: the answer."""
        return os.fsdecode(bytes(self._get(slot)[1])).split("\0")

    def put_partial(self, slot: int, data: bytes) -> None:
        """Worker: what reducers gave of the lease in this slot; at most `most_partial` bytes."""
        start = self._partials[slot]
        _LENGTH.pack_into(self._memory, start, len(data))
        start += _LENGTH.size
        self._memory[start : start + len(data)] = data

    def partial(self, slot: int) -> bytes:
        """Parent: the same; what a worker that was taken over says of its length is not believed."""
        start = self._partials[slot]
        (length,) = _LENGTH.unpack_from(self._memory, start)
        start += _LENGTH.size
        return bytes(self._memory[start : start + min(length, self.most_partial)])

    def _get(self, slot: int) -> tuple[int, bytes | bytearray]:
        start = self._slots[slot]
        number, length = _TEXT.unpack_from(self._memory, start)
        start += _TEXT_NBYTES
        return number, self._memory[start : start + length]
