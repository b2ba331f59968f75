"""The first directory of a TIFF file: what libraries do not tell of it, and what they refuse by.

Source: TIFF revision 6.0, section 2; BigTIFF (libtiff). Nothing here is decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipeline import ItemError, Pixels

SUBFILE, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANAR, TILE_WIDTH = 254, 258, 259, 262, 277, 284, 322
EXTRA, FORMAT, XMP, IPTC, DNG = 338, 339, 700, 33723, 50706
RATIONAL = 5  # a type: two whole numbers
NBYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
INTEGERS = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8"}  # by type
NO_PAGE = 5  # bits of the tag for kinds of pages: a smaller copy, a mask
MOST_PAGES = 1_000_000
MOST_ENTRIES = 65535  # of a directory; BigTIFF counts further, and no writer does


class Directory(NamedTuple):
    """For each tag its type and where its values lie; and where the pointer to the next directory is.

    Tags whose values lie beyond the end of the file are left out.
    """

    data: memoryview
    order: str
    tags: dict[int, tuple[int, int, int]]
    pointer: slice

    def numbers(self, tag: int, *usual: int) -> Pixels:
        kind, start, end = self.tags.get(tag, (0, 0, 0))
        if kind in INTEGERS and end > start:
            return np.frombuffer(self.data[start:end], self.order + INTEGERS[kind])
        return np.array(usual, np.uint32)

    def number(self, tag: int, usual: int) -> int:
        return int(self.numbers(tag, usual)[0])

    def rational(self, tag: int) -> float:
        """A fraction; 0 where there is none."""
        kind, start, end = self.tags.get(tag, (0, 0, 0))
        if kind != RATIONAL or end - start < 8:
            return 0.0
        part, whole = struct.unpack_from(self.order + "II", self.data, start)
        return part / whole if whole else 0.0

    def block(self, tag: int) -> bytes:
        _, start, end = self.tags.get(tag, (0, 0, 0))
        return bytes(self.data[start:end])

    @property
    def following(self) -> int:
        """Where the next directory is; 0 where there is none, or the file ends before it would say so."""
        pointer = self.data[self.pointer]
        return int.from_bytes(pointer, "little" if self.order == "<" else "big")


def pages(first: Directory) -> Iterator[tuple[int, Directory]]:
    """The pages with their numbers as libraries count them; previews and masks are none, and damage ends them."""
    seen, page = set[int](), first
    yield 0, first
    while page.following and page.following not in seen and len(seen) < MOST_PAGES:
        seen.add(page.following)
        try:
            page = directory(page.data, page.following)
        except ItemError:
            return
        if not page.number(SUBFILE, 0) & NO_PAGE:
            yield len(seen), page


def directory(data: memoryview, at: int | None = None) -> Directory:
    """The directory at an offset, or that of the first page.

    Raises:
        ItemError: it lies beyond the end of the file.
    """
    if len(data) < 16:
        raise ItemError("truncated TIFF: it ends within its header")
    order, big = "<" if data[0] == 0x49 else ">", 43 in (data[2], data[3])
    count, entry, offset = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    tags: dict[int, tuple[int, int, int]] = {}
    width = struct.calcsize("=" + offset)
    try:
        if at is None:
            (at,) = struct.unpack_from(order + offset, data, width if big else 4)
        (entries,) = struct.unpack_from(order + count, data, at)
        if entries > MOST_ENTRIES:
            raise ItemError(f"damaged TIFF: {entries} tags", limit=f"a page has at most {MOST_ENTRIES}")
        at += struct.calcsize("=" + count)
        step = struct.calcsize("=" + entry) + width
        for place in range(at, at + step * entries, step):
            tag, kind, number = struct.unpack_from(order + entry, data, place)
            nbytes, start = NBYTES.get(kind, 0) * number, place + step - width
            if nbytes > width:
                (start,) = struct.unpack_from(order + offset, data, start)
            if start + nbytes <= len(data):
                tags.setdefault(tag, (kind, start, start + nbytes))
    except (struct.error, OverflowError):
        raise ItemError(f"truncated TIFF: its directory lies beyond its {len(data)} bytes") from None
    end = at + step * entries
    return Directory(data, order, tags, slice(end, end + width))
