"""What stands in a TIFF beside its pixels: an EXIF block made of its fields, and fields put into a new file.

Source: TIFF revision 6.0, section 2; Exif 2.32, 4.6.3. The fields are packed and unpacked by Pillow.
"""

from __future__ import annotations

import io
import struct
from typing import Any

from pipeline import NO_METADATA, Metadata
from stages.media import exif
from stages.media.metadata_policy import ARTIST, COPYRIGHT, DATE, DESCRIPTION, EXIF, GPS, LARGEST, OF_PIXELS
from stages.media.tiff_tags import IPTC, XMP, Directory

FOR_PEOPLE = (DESCRIPTION, 0x010F, 0x0110, 0x0131, DATE, ARTIST, COPYRIGHT, EXIF, GPS)  # and maker, model, software
ENTRY = 12  # bytes of a field in a directory


def exif_of(data: memoryview, page: Directory) -> bytes:
    """The fields that speak to people as an EXIF block; empty where there are none, or they are damaged."""
    if not any(tag in page.tags for tag in FOR_PEOPLE):
        return b""
    from PIL import Image

    old, new = Image.Exif(), Image.Exif()
    try:
        with exif.quiet():
            old.load_from_fp(io.BytesIO(data))
            _copy(old, new)
            block: bytes = new.tobytes().removeprefix(exif.EXIF)
    except Exception:  # Pillow raises whatever a damaged directory makes of its arithmetic; the pixels may be whole
        return b""
    return block


def _copy(old: Any, new: Any) -> None:
    """What speaks to people, from one block into another."""
    for tag, value in old.items():
        if tag not in OF_PIXELS and not (isinstance(value, (bytes, str, tuple)) and len(value) > LARGEST):
            new[tag] = exif.as_it_was(value)
    for tag in (EXIF, GPS):
        if inner := old.get_ifd(tag):
            plain = {key: exif.as_it_was(value) for key, value in inner.items() if not isinstance(value, dict)}
            new.get_ifd(tag).update(plain)


def density(page: Directory) -> tuple[float, float]:
    """Pixels an inch, across and down; 0 where the file does not say."""
    unit = {1: 0.0, exif.INCH: 1.0, exif.CENTIMETRE: 2.54}.get(page.number(exif.UNIT, exif.INCH), 0.0)
    return page.rational(exif.ACROSS) * unit, page.rational(exif.DOWN) * unit


def with_fields(encoded: bytes, metadata: Metadata) -> bytes:
    """The file, little-endian and not BigTIFF, with the metadata in a new directory behind its pixels."""
    if metadata.density == NO_METADATA.density and not any(metadata.blocks[1:4]):
        return encoded
    at = len(encoded) + len(encoded) % 2
    told = _fields(metadata).tobytes(at)
    (first,) = struct.unpack_from("<I", encoded, 4)
    entries = _entries(encoded, first) | _entries(told, 0)
    place = at + len(told) + len(told) % 2
    directory = struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    head = encoded[:4] + struct.pack("<I", place)
    return b"".join(
        (head, encoded[8:], bytes(at - len(encoded)), told, bytes(place - at - len(told)), directory)
    )  # fmt: skip


def _entries(data: bytes, at: int) -> dict[int, bytes]:
    """The fields of a directory as they lie there, by tag."""
    (count,) = struct.unpack_from("<H", data, at)
    fields = [data[start : start + ENTRY] for start in range(at + 2, at + 2 + ENTRY * count, ENTRY)]
    return {int.from_bytes(field[:2], "little"): field for field in fields}


def _fields(metadata: Metadata) -> Any:
    """What the metadata says, as a directory of Pillow's."""
    from PIL import Image, TiffImagePlugin

    fields = TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    if metadata.exif:
        block = Image.Exif()
        block.load(exif.EXIF + metadata.exif)
        for tag, value in block.items():
            if tag not in OF_PIXELS:
                fields[tag] = exif.as_it_was(value)
        for tag in (EXIF, GPS):
            if inner := block.get_ifd(tag):
                fields[tag] = {key: exif.as_it_was(value) for key, value in inner.items()}
    for tag, kind, content in ((XMP, 1, metadata.xmp), (IPTC, 7, metadata.iptc)):
        if content:
            fields.tagtype[tag] = kind
            fields[tag] = content
    if all(metadata.density):
        fields[exif.ACROSS], fields[exif.DOWN], fields[exif.UNIT] = *metadata.density, exif.INCH
    return fields
