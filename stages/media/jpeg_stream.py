"""The markers of a JPEG file: walked leniently, and written anew without what libjpeg only warns of.

Source: ITU-T T.81, annex B; JFIF 1.02. Entropy-coded data is never looked into.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

SOI, EOI, SOS, APP0, APP14 = 0xD8, 0xD9, 0xDA, 0xE0, 0xEE
SOFS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # frame headers (table B.1)
SEQUENTIAL, PROGRESSIVE = frozenset((0xC0, 0xC1, 0xC9)), frozenset((0xC2, 0xCA))
BARE = frozenset(range(0xD0, 0xD9)) | {0x01}  # markers without a length
COMMENTS = frozenset(range(0xE0, 0xF0)) | {0xFE}
COEFFICIENTS = 64
# What ends a scan: a marker that is no stuffed byte, no restart and no fill.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_MARKER = re.compile(rb"\xff+[^\x00\xff]", re.DOTALL)


class Segment(NamedTuple):
    """A marker (its second byte), and where its content lies in the file."""

    marker: int
    start: int
    end: int


class Mended(NamedTuple):
    """A file without what libjpeg warns of and no pixel depends on.

    Attributes:
        data: one picture from SOI to EOI.
        whole: whether its end was there, or nothing is missing before it: every component has its scans, and those of
            a progressive file are refined to the last bit.
        ended: whether its end was there.
        kind: the marker of its frame header.
    """

    data: bytes
    whole: bool
    ended: bool
    kind: int


def segments(data: memoryview, at: int = 2) -> Iterator[Segment]:
    """The segments from an offset on, up to and with the first SOS or EOI; bytes between them are passed over."""
    while found := _MARKER.search(data, at):
        marker, start = data[found.end() - 1], found.end()
        if marker in BARE:
            at = start
            continue
        if marker == EOI:
            yield Segment(marker, start, start)
            return
        if start + 2 > len(data):
            return
        (length,) = struct.unpack_from(">H", data, start)
        if length < 2 or start + length > len(data):
            return
        yield Segment(marker, start + 2, start + length)
        if marker == SOS:
            return
        at = start + length


def end(data: memoryview, start: int) -> int:
    """Where the picture that starts here ends: behind its EOI; the end of the data where it has none."""
    at = start + 2
    while True:
        *_, last = (None, *segments(data, at))
        if last is None or last.marker not in (SOS, EOI):
            return len(data)
        if last.marker == EOI:
            return last.end
        found = _END_OF_SCAN.search(data, last.end)
        if found is None:
            return len(data)
        at = found.start()


def mended(data: memoryview) -> Mended | None:
    """The file written anew; None where it has no scan."""
    parts, at, sof, ended = [b"\xff\xd8"], 2, 0, False
    missing: dict[int, list[int]] = {}  # bits that are still to come, by component and coefficient
    while True:
        for marker, start, end in segments(data, at):
            content, at = bytes(data[start:end]), end
            if marker == EOI:
                ended = True
                break
            if marker in SOFS and len(content) >= 6:
                sof = marker
                missing = {number: [COEFFICIENTS] * COEFFICIENTS for number in content[6::3]}
            if marker == SOS:
                content = _scan(content, sof, missing)
            if marker not in COMMENTS or _is_needed(marker, content):
                parts.append(struct.pack(">BBH", 0xFF, marker, len(content) + 2) + _plain(marker, content))
            if marker == SOS:
                found = _END_OF_SCAN.search(data, end)
                at = found.start() if found else len(data)
                parts.append(bytes(data[end:at]))
                break
        else:
            break
        if ended:
            break
    if not missing or len(parts) < 2:
        return None
    whole = ended or not any(any(bits) for bits in missing.values())
    return Mended(b"".join((*parts, b"\xff\xd9")), whole, ended, sof)


def _scan(content: bytes, sof: int, missing: dict[int, list[int]]) -> bytes:
    """A scan header, with the parameters that a sequential one must have; notes what it brings."""
    if not content or len(content) < 4 + 2 * content[0]:
        return content
    if sof in SEQUENTIAL:  # some cameras write 0, 0, 0
        content = content[:-3] + bytes((0, COEFFICIENTS - 1, 0))
    first, last, approximation = content[-3:]
    for number in content[1 : 1 + 2 * content[0] : 2]:
        for place in range(first, min(last + 1, COEFFICIENTS)):
            if number in missing:
                missing[number][place] = approximation & 15
    return content


def _is_needed(marker: int, content: bytes) -> bool:
    """Whether libjpeg takes the colour space from this segment."""
    return (marker == APP0 and content[:5] == b"JFIF\0" and len(content) >= 14) or (
        marker == APP14 and content[:5] == b"Adobe"
    )


def _plain(marker: int, content: bytes) -> bytes:
    """A JFIF header of a revision that every decoder knows; all else as it is."""
    return content[:5] + b"\1\1" + content[7:] if marker == APP0 else content
