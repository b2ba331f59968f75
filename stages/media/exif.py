"""What an EXIF block (TIFF bytes), an XMP packet or ImageMagick's text say of the pixels: orientation, density, R03."""

from __future__ import annotations

import contextlib
import re
import struct
import warnings
from collections.abc import Iterator
from typing import Any

ORIENTATION = 0x0112
EXIF = b"Exif\0\0"  # JPEG's mark before the block; some writers put it into other formats too
EXIF_DIRECTORY, INTEROPERABILITY, INDEX = 0x8769, 0xA005, 0x0001  # tags; the last within the second one's directory
ASCII, SHORT, RATIONAL = 2, 3, 5
ACROSS, DOWN, UNIT, INCH, CENTIMETRE = 0x011A, 0x011B, 0x0128, 2, 3
INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}  # by type of the field (TIFF 6.0, section 2)
_XMP = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([1-8])")


def orientation(exif: bytes, xmp: bytes = b"") -> int:
    """1 to 8, by the first directory of the block, or else by the packet; 1 where none says it.

    A tag of any integer type counts, in any place and byte order: exiftool, libvips and ImageMagick honour them too.
    """
    for tag, kind, value in _entries(exif.removeprefix(EXIF)):
        if tag == ORIENTATION and kind in INTEGERS:
            order = "<" if exif.removeprefix(EXIF)[:1] == b"I" else ">"
            (number,) = struct.unpack_from(order + INTEGERS[kind], value)
            if 1 <= number <= 8:
                return int(number)
    found = _XMP.search(xmp)
    return int(found[1]) if found else 1


class Text(str):
    """A text of EXIF, its bytes as characters of Latin-1: what Pillow reads them as. It would write ASCII only, and a
    question mark for each sign of copyright.
    """

    __slots__ = ()

    def encode(self, *_: str) -> bytes:
        """The bytes as they were."""
        return str.encode(self, "latin-1", "replace")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings that Pillow prints of fields that are not as they should be; it reads some of them late."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def as_it_was(value: Any) -> Any:
    """A value that Pillow read, so that it writes the same."""
    return Text(value) if isinstance(value, str) else value


def has_fields(block: bytes, tags: tuple[int, ...]) -> bool:
    """Whether one of these stands in the first directory."""
    block = block.removeprefix(EXIF)
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 10:
        return False
    (first,) = struct.unpack_from(order + "I", block, 4)
    if first < 8 or first + 2 > len(block):
        return False
    (count,) = struct.unpack_from(order + "H", block, first)
    fields = block[first + 2 : first + 2 + 12 * count]
    return any(tag in tags for (tag,) in struct.iter_unpack(order + "H10x", fields[: len(fields) // 12 * 12]))


def density(block: bytes) -> tuple[float, float]:
    """Pixels an inch, across and down, by the first directory; 0 where it does not say."""
    block = block.removeprefix(EXIF)
    order, told, unit = "<" if block[:1] == b"I" else ">", dict[int, float](), INCH
    for tag, kind, value in _entries(block):
        if tag in (ACROSS, DOWN) and kind == RATIONAL:
            (at,) = struct.unpack(order + "I", value)
            part, whole = struct.unpack_from(order + "II", block, at) if at + 8 <= len(block) else (0, 0)
            told[tag] = part / whole if whole else 0.0
        elif tag == UNIT and kind == SHORT:
            (unit,) = struct.unpack_from(order + "H", value)
    across = told.get(ACROSS, 0.0)
    scale = {INCH: 1.0, CENTIMETRE: 2.54}.get(unit, 0.0)
    return across * scale, told.get(DOWN, across) * scale


def is_adobe_rgb(exif: bytes) -> bool:
    """Whether the block says that colours are AdobeRGB: R03, "DCF optional file" (Exif 2.32, 4.6.7; DCF 2.0)."""
    interoperability = _pointed(exif, (EXIF_DIRECTORY, INTEROPERABILITY))
    return any(tag == INDEX and value == b"R03\0" for tag, _, value in interoperability)


def _pointed(block: bytes, path: tuple[int, ...]) -> Iterator[tuple[int, int, bytes]]:
    """The fields of the directory that these tags lead to, one after the other."""
    block = block.removeprefix(EXIF)
    order, at = "<" if block[:1] == b"I" else ">", None
    for wanted in path:
        at = next((struct.unpack(order + "I", value)[0] for tag, _, value in _entries(block, at) if tag == wanted), -1)
    yield from _entries(block, at)


def _entries(block: bytes, first: int | None = None) -> Iterator[tuple[int, int, bytes]]:
    """Tag, type and four bytes of the value of each short field of a directory: at an offset, or the first."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 10:
        return
    if first is None:
        (first,) = struct.unpack_from(order + "I", block, 4)
    if first < 8 or first + 2 > len(block):
        return
    (entries,) = struct.unpack_from(order + "H", block, first)
    for at in range(first + 2, min(first + 2 + 12 * entries, len(block) - 11), 12):
        tag, kind, count, value = struct.unpack_from(order + "HHI4s", block, at)
        if count == 1 or (kind == ASCII and count == 4):
            yield tag, kind, value
