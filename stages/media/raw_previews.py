"""The JPEG that a camera put into its raw file, found by its markers whatever the maker's format is.

Makers keep it in different places (a sub-directory, a maker note, a box, behind a header of their own), and it is a
plain JPEG in all of them. It often has no EXIF, for the raw file has it: it is put in.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections import Counter
from collections.abc import Iterator

from pipeline import ItemError
from stages.media import exif, jpeg_stream, tiff_fields
from stages.media.jpeg_blocks import APP1, MOST
from stages.media.jpeg_stream import SOFS
from stages.media.tiff_tags import directory

_START = re.compile(rb"\xff\xd8(?=\xff[\xc0-\xc2\xc4\xdb\xdd\xe0-\xef\xfe])", re.DOTALL)
DECODED = frozenset((0xC0, 0xC1, 0xC2))  # baseline, extended, progressive; raw data itself may be a lossless JPEG
LEAST = 100  # pixels a side: what is smaller is an icon, or chance
TILES = 3  # so many of one size are the tiles of raw data that is JPEG itself (lossy DNG)
MOST_STARTS, MOST_SEGMENTS = 500, 300  # of a file, and before a frame header: more are the work of a stranger
CANON = b"CMT1"  # the box of CR3 that holds the first directory (Exif's structure)
PLAIN = {b"II": b"II*\0", b"MM": b"MM\0*"}


def largest(data: memoryview) -> bytes:
    """The largest JPEG inside, with the EXIF block of the raw file where it has none.

    Raises:
        ItemError: there is none.
    """
    found = list(_jpegs(data))
    sizes = Counter(pixels for pixels, _, _ in found)
    best = max((each for each in found if sizes[each[0]] < TILES), default=None)
    if best is None:
        raise ItemError("is a camera's raw file without a JPEG inside", remedy="develop it to TIFF or JPEG first")
    _, start, has_exif = best
    picture = bytes(data[start : jpeg_stream.end(data, start)])
    content = b"" if has_exif else _exif(data)
    if not content:
        return picture
    return picture[:2] + struct.pack(">BBH", 0xFF, APP1, len(content) + 2) + content + picture[2:]


def _jpegs(data: memoryview) -> Iterator[tuple[int, int, bool]]:
    """How many pixels each has, where it starts, and whether it has an EXIF block."""
    for found in itertools.islice(_START.finditer(data), MOST_STARTS):
        at, has_exif = found.end(), False
        for _ in range(MOST_SEGMENTS):
            if at + 4 > len(data) or data[at] != 0xFF:
                break
            marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
            has_exif |= marker == APP1 and bytes(data[at + 4 : at + 10]) == exif.EXIF
            if marker in SOFS:
                if pixels := _pixels(bytes(data[at + 4 : at + 10])) if marker in DECODED else 0:
                    yield pixels, found.start(), has_exif
                break
            at += 2 + length


def _pixels(frame: bytes) -> int:
    """Of a frame header (T.81, B.2.2), where it is one of a picture; else 0."""
    if len(frame) < 6:
        return 0
    bits, height, width, components = struct.unpack(">BHHB", frame)
    return height * width if bits == 8 and components in (1, 3) and min(height, width) >= LEAST else 0


def _exif(data: memoryview) -> bytes:
    """The content of a segment with the raw file's fields and its orientation; empty where they cannot be had."""
    from PIL import Image

    try:
        tiff = _directories(data)
        first = directory(tiff)
        block = Image.Exif()
        if told := tiff_fields.exif_of(tiff, first):
            block.load(exif.EXIF + told)
        block[exif.ORIENTATION] = first.number(exif.ORIENTATION, 1)
        content: bytes = exif.EXIF + block.tobytes().removeprefix(exif.EXIF)
    except Exception:  # ItemError, and whatever damaged fields make of Pillow's arithmetic: the picture may be whole
        return b""
    return content if len(content) <= MOST else b""


def _directories(data: memoryview) -> memoryview:
    """The fields of a raw file as a TIFF; raises ItemError where they are in none."""
    head = PLAIN.get(bytes(data[:2]))
    if head is not None:  # Olympus and Panasonic write numbers of their own in place of 42
        return data if data[:4] == head else memoryview(head + bytes(data[4:]))
    place = bytes(data[: 1 << 16]).find(CANON)
    if place < 4:
        raise ItemError("its fields are in no TIFF")
    size = int.from_bytes(data[place - 4 : place], "big")
    return data[place + 4 : place - 4 + size]
