"""What the boxes of an HEIF file (AVIF, HEIC) say and decoders do not hand on: colour codes, bits, a crop."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

WIDE_NUMBERS = 3  # the version of an entry for an item whose number has four bytes


class Aperture(NamedTuple):
    """A clean aperture (ISO/IEC 14496-12, 12.1.4): width, height and how far its middle is right of and below that of
    the picture, each as numerator and denominator.
    """

    width: tuple[int, int]
    height: tuple[int, int]
    right: tuple[int, int]
    down: tuple[int, int]

    def of(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Top, left, height and width of what is left of a picture; the whole where that makes no sense."""
        if not all(pair[1] > 0 for pair in self):
            return 0, 0, height, width
        rows, columns = round(self.height[0] / self.height[1]), round(self.width[0] / self.width[1])
        top = round((height - rows) / 2 + self.down[0] / self.down[1])
        left = round((width - columns) / 2 + self.right[0] / self.right[1])
        inside = 0 < rows <= height - top and 0 < columns <= width - left and top >= 0 and left >= 0
        return (top, left, rows, columns) if inside else (0, 0, height, width)


class HeifProperties(NamedTuple):
    """What the properties of pictures say (ISO/IEC 23008-12, 9.3); tiles and the whole say the same.

    Attributes:
        primaries, transfer: by H.273; 2 is unspecified.
        depth: bits a sample.
    """

    primaries: int = 2
    transfer: int = 2
    depth: int = 8
    crop: Aperture | None = None
    is_sequence: bool = False


def properties(data: memoryview) -> HeifProperties:
    """Those of the first picture that says them."""
    told = HeifProperties(is_sequence=bytes(data[8:12]) in (b"avis", b"msf1", b"hevc", b"hevx"))
    seen: set[bytes] = set()
    for name, start, end in within(data, (b"meta", b"iprp", b"ipco")):
        content = bytes(data[start : min(end, start + 64)])
        if name in seen:
            continue
        if name == b"colr" and content[:4] == b"nclx" and len(content) >= 8:  # 14496-12, 12.1.5
            primaries, transfer = struct.unpack_from(">HH", content, 4)
            told = told._replace(primaries=primaries, transfer=transfer)
        elif name == b"av1C" and len(content) >= 3:  # AV1-ISOBMFF, 2.3
            told = told._replace(depth=(12 if content[2] & 0x20 else 10) if content[2] & 0x40 else 8)
        elif name == b"clap" and len(content) >= 32:
            width, height, right, down = zip(*[iter(struct.unpack(">IIIIiIiI", content[:32]))] * 2, strict=True)
            told = told._replace(crop=Aperture(width, height, right, down))
        else:
            continue
        seen.add(name)
    return told


def item_types(data: memoryview) -> Iterator[bytes]:
    """What the items of the file are, such as `hvc1` and `Exif` (ISO/IEC 14496-12, 8.11.6)."""
    for name, start, end in within(data, (b"meta", b"iinf")):
        place = start + (10 if data[start] == WIDE_NUMBERS else 8) if end > start else end
        if name == b"infe" and place + 4 <= end:
            yield bytes(data[place : place + 4])


def within(data: memoryview, path: tuple[bytes, ...]) -> Iterator[tuple[bytes, int, int]]:
    """The boxes in the first box that this path leads to."""
    start, end = 0, len(data)
    for wanted in path:
        found = next(((at, stop) for name, at, stop in boxes(data, start, end) if name == wanted), None)
        if found is None:
            return
        start, end = found
        if wanted == b"meta":
            start += 4  # version and flags
        elif wanted == b"iinf":
            start += 8 if start < end and data[start] else 6  # and how many there are
    yield from boxes(data, start, end)


def boxes(data: memoryview, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of each box; those that reach beyond the end stop there."""
    while at + 8 <= end:
        length, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if length == 1 and at + 16 <= end:
            (length,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        elif length == 0:  # up to the end
            length = end - at
        if length < head:
            return
        yield name, at + head, min(at + length, end)
        at += length
