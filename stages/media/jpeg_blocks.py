"""What stands beside the pixels in the segments of a JPEG file: read up to the first scan, and put into a new file.

Sources: JFIF 1.02; Exif 2.32, 4.7.2; XMP part 3, 1.1.3; ICC.1:2022, B.4; Adobe's image resource blocks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from pipeline import NO_METADATA, Frame, ItemError, Metadata
from stages.media import exif, icc, jpeg_stream
from stages.media.jpeg_stream import APP0, SOFS

APP1, APP2, APP13, COM, JPEG_LS = 0xE1, 0xE2, 0xED, 0xFE, 0xF7
JFIF, XMP, ICC, PHOTOSHOP = b"JFIF\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0", b"Photoshop 3.0\0"
RESOURCE, IPTC = b"8BIM", 0x0404
MOST = 65535 - 2  # bytes that a segment holds beside its length
UNITS = {1: 1.0, 2: 2.54}  # of JFIF's density: dots an inch, dots a centimetre
MPF, GAIN_MAP = b"MPF\0", b"urn:iso:std:iso:ts:21496:-1\0"  # CIPA DC-007; ISO 21496-1
ADOBE_GAIN_MAP = b"http://ns.adobe.com/hdr-gain-map/1.0/"
MARKS = {
    APP0: ((JFIF, "jfif"),),
    APP1: ((exif.EXIF, "exif"), (XMP, "xmp")),
    APP2: ((ICC, "icc"), (MPF, "mpf"), (GAIN_MAP, "gain map")),
    APP13: ((PHOTOSHOP, "iptc"),),
    COM: ((b"", "comment"),),
}
SEVERAL = "holds several pictures (MPO): only the first was read"
HAS_GAIN_MAP = "has an HDR gain map, which outputs lose unless `keep` names gain_map"
BROKEN_PROFILE = "its ICC profile is broken and was not used"
_FRAME = struct.Struct(">BHHB").unpack_from


class Blocks(NamedTuple):
    """What the segments up to the first scan say.

    Attributes:
        kind: the marker of the frame header; 0 where there is none.
        frame: bits a sample, height, width, components; None where there is none.
        profile: an ICC profile; empty where there is none or it is broken.
    """

    kind: int
    frame: tuple[int, int, int, int] | None
    profile: bytes
    exif: bytes
    xmp: bytes
    iptc: bytes
    comment: bytes
    density: tuple[float, float]
    remarks: tuple[str, ...]


def read(data: memoryview) -> Blocks:
    """Walk the segments; of doubled blocks the first counts, and a damaged one is left out."""
    frame, kind = None, 0
    found: dict[str, bytes] = {}
    parts: list[bytes] = []
    for marker, start, end in jpeg_stream.segments(data):
        if marker in SOFS or marker == JPEG_LS:
            kind, frame = marker, _FRAME(data, start) if end - start >= 6 else None
            continue
        name, mark = _named(data, marker, start)
        if name == "icc":
            parts.append(bytes(data[start + len(mark) : end]))
        elif name:
            found.setdefault(name, bytes(data[start + len(mark) : end]))
    block, xmp = found.get("exif", b""), found.get("xmp", b"")
    density = _density(found.get("jfif", b""))
    if block and not all(density):
        density = exif.density(block)
    profile, broken = _profile(parts) if parts else (b"", "")
    beside = HAS_GAIN_MAP if "gain map" in found or ADOBE_GAIN_MAP in xmp else SEVERAL if "mpf" in found else ""
    return Blocks(
        kind, frame, profile, block, xmp, iptc_of(found.get("iptc", b"")), found.get("comment", b"").rstrip(b"\0"),
        density, tuple(filter(None, (broken, beside))),
    )  # fmt: skip


def _named(data: memoryview, marker: int, start: int) -> tuple[str, bytes]:
    """What a segment is called here, and the mark before its content; two empty ones for what nobody asks for."""
    for mark, name in MARKS.get(marker, ()):
        if data[start : start + len(mark)] == mark:
            return name, mark
    return "", b""


def _density(jfif: bytes) -> tuple[float, float]:
    """Pixels an inch by the segment of JFIF; 0 where it tells the shape of a pixel only."""
    if len(jfif) < 7:
        return NO_METADATA.density
    unit, across, down = struct.unpack_from(">BHH", jfif, 2)
    return across * UNITS.get(unit, 0.0), down * UNITS.get(unit, 0.0)


def _profile(parts: list[bytes]) -> tuple[bytes, str]:
    """The ICC profile of numbered parts, and what there is to say of it; empty where one is missing."""
    found = {part[0]: part[2:] for part in parts if len(part) > 2}
    counts = {part[1] for part in parts if len(part) > 2}
    whole = bool(found) and sorted(found) == list(range(1, len(found) + 1)) and counts == {len(found)}
    return (icc.trimmed(b"".join(found[number] for number in sorted(found))), "") if whole else (b"", BROKEN_PROFILE)


def iptc_of(resources: bytes) -> bytes:
    """The IPTC records among Photoshop's image resources; empty where there are none."""
    at = 0
    while resources[at : at + 4] == RESOURCE and at + 12 <= len(resources):
        (number,) = struct.unpack_from(">H", resources, at + 4)
        name = at + 6
        size_at = name + (resources[name] + 2 & ~1)
        if size_at + 4 > len(resources):
            break
        (size,) = struct.unpack_from(">I", resources, size_at)
        content = resources[size_at + 4 : size_at + 4 + size]
        if number == IPTC:
            return content
        at = size_at + 4 + (size + 1 & ~1)
    return b""


def bare(data: bytes) -> bytes:
    """A file of `jpeg_stream.mended` without the density and thumbnail that its JFIF segment may have."""
    if data[3] != APP0 or data[6:11] != JFIF:
        return data
    plain = struct.pack(">BBH", 0xFF, APP0, 16) + JFIF + bytes((1, 1, 0, 0, 1, 0, 1, 0, 0))
    return data[:2] + plain + data[4 + int.from_bytes(data[4:6], "big") :]


def with_blocks(encoded: bytes, frame: Frame) -> bytes:
    """A file that has no metadata with that of the frame; what does not fit a segment is left out with a remark.

    The density needs a JFIF segment behind SOI, as libjpeg writes it: where there is none, none is put in, for it would
    say of what colour model the samples are.

    Raises:
        ItemError: an ICC profile that no JPEG holds.
    """
    metadata = frame.metadata
    is_jfif = encoded[3] == APP0 and encoded[6:11] == JFIF
    start = 4 + int.from_bytes(encoded[4:6], "big") if is_jfif else 2
    head = encoded[:start]
    if all(metadata.density) and is_jfif:
        across, down = (min(65535, max(1, round(each))) for each in metadata.density)
        head = head[:13] + struct.pack(">BHH", 1, across, down) + head[18:]
    written = [head]
    for marker, content, name in _segments(metadata):
        if len(content) > MOST:
            frame.remark(f"its {name} of {len(content)} bytes was not kept: a JPEG holds {MOST}")
        else:
            written.append(struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content)
    return b"".join((*written, encoded[start:]))


def _segments(metadata: Metadata) -> Iterator[tuple[int, bytes, str]]:
    """Marker, content and name of each block."""
    if metadata.exif:
        yield APP1, exif.EXIF + metadata.exif, "EXIF block"
    if metadata.xmp:
        yield APP1, XMP + metadata.xmp, "XMP packet"
    room = MOST - len(ICC) - 2
    parts = [metadata.icc[at : at + room] for at in range(0, len(metadata.icc), room)]
    if len(parts) > 255:
        raise ItemError(f"an ICC profile of {len(metadata.icc)} bytes", limit=f"{255 * room} bytes fit a JPEG")
    for number, part in enumerate(parts, 1):
        yield APP2, ICC + bytes((number, len(parts))) + part, "ICC profile"
    if metadata.iptc:
        padded = metadata.iptc + bytes(len(metadata.iptc) % 2)
        resource = RESOURCE + struct.pack(">HHI", IPTC, 0, len(metadata.iptc)) + padded
        yield APP13, PHOTOSHOP + resource, "IPTC block"
    if metadata.comment:
        yield COM, metadata.comment, "comment"
