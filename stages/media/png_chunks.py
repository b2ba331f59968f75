"""The chunks of a PNG file: walked leniently, what they say beside the pixels, and new ones put into a file.

Source: Portable Network Graphics 3rd edition, 5 and 11; for "Raw profile type", what ImageMagick and exiftool write.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from pipeline import NO_METADATA, Metadata
from stages.media import icc

XMP, COMMENT = b"XML:com.adobe.xmp", b"Comment"  # key words of texts
RAW_EXIF, RAW_IPTC = (b"Raw profile type exif", b"Raw profile type APP1"), b"Raw profile type iptc"
READ_TEXTS = (XMP, COMMENT, *RAW_EXIF, RAW_IPTC)
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
KEY = 79  # bytes of the longest key word
METRE, INCH = 1, 0.0254  # unit of pHYs; metres
PIECE = 1 << 20  # bytes that are inflated at a time
MAX_INFLATED = 1 << 24  # of a compressed profile or text, in bytes
_RAW = re.compile(rb"\s*(?:exif|app1|APP1|iptc|generic)?\s*\d+\s+([0-9a-fA-F\s]+)")


def chunks(data: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of each chunk up to IEND, or as far as the file goes."""
    at, size = 8, len(data)
    while at + 8 <= size:
        length, name = struct.unpack_from(">I4s", data, at)
        yield name, at + 8, min(at + 8 + length, size)
        if name == b"IEND":
            return
        at += 12 + length


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk with its length and its sum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def inflates(data: memoryview) -> bool:
    """Whether the image data is one whole zlib stream with the right sum; nothing of it is kept."""
    inflate = zlib.decompressobj()
    for name, start, end in chunks(data):
        piece: bytes | memoryview = data[start:end] if name == b"IDAT" else b""
        while piece and not inflate.eof:
            try:
                inflate.decompress(piece, PIECE)
            except zlib.error:
                return False
            piece = inflate.unconsumed_tail
    return inflate.eof


def keyword(content: memoryview) -> bytes:
    """What a text chunk is called."""
    return bytes(content[:KEY]).partition(b"\0")[0]


def text(name: bytes, content: bytes) -> bytes:
    """The text of a tEXt, zTXt or iTXt chunk (11.3.3), UTF-8; empty where it is damaged."""
    _, _, rest = content.partition(b"\0")
    if name == b"tEXt":
        return rest.decode("latin-1").encode() if keyword(memoryview(content)) == COMMENT else rest
    if name == b"zTXt":
        return inflated(rest[1:])
    packed, rest = rest[:1] == b"\1", rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return inflated(rest) if packed else rest


def raw_profile(told: bytes) -> bytes:
    """The bytes that ImageMagick writes as hexadecimal text; empty where damaged."""
    found = _RAW.fullmatch(told.strip())
    try:
        return bytes.fromhex(found[1].decode()) if found else b""
    except ValueError:
        return b""


def density(content: bytes) -> tuple[float, float]:
    """Pixels an inch by the chunk pHYs (11.3.4.3); 0 where it tells the shape of a pixel only."""
    if len(content) != 9 or content[8] != METRE:
        return NO_METADATA.density
    across, down = struct.unpack_from(">II", content)
    return round(across * INCH, 2), round(down * INCH, 2)


def colours(blocks: dict[bytes, bytes], *, gray: bool) -> tuple[bytes, str]:
    """The profile and the transfer by the first chunk that says them (4.3 and 11.3.2)."""
    codes = blocks.get(b"cICP", b"")
    if len(codes) == 4:
        return icc.of_codes(codes[0], codes[1], gray=gray), icc.HDR.get(codes[1], "unspecified")
    if b"iCCP" in blocks:
        return icc.trimmed(inflated(blocks[b"iCCP"].partition(b"\0")[2][1:])), "unspecified"
    gamma, primaries = blocks.get(b"gAMA", b""), blocks.get(b"cHRM", b"")
    if b"sRGB" in blocks or not (gamma or primaries):
        return b"", "unspecified"
    display = 1e5 / max(1, int.from_bytes(gamma[:4], "big")) if gamma else 0.0
    points = None
    if len(primaries) == 32:
        white, red, green, blue = ((x / 1e5, y / 1e5) for x, y in struct.iter_unpack(">II", primaries))
        points = icc.Primaries(red, green, blue, white)
    return icc.of_gamma(display, points, gray=gray), "unspecified"


def inflated(packed: bytes) -> bytes:
    """What a short zlib stream holds; empty where it is damaged, or of more than 16 MB."""
    inflate = zlib.decompressobj()
    try:
        whole = inflate.decompress(packed, MAX_INFLATED)
    except zlib.error:
        return b""
    return whole if inflate.eof else b""


def with_blocks(encoded: bytes, metadata: Metadata) -> bytes:
    """The file, as libvips wrote it, with the metadata behind its header and no density of its own. The profile too:
    libpng leaves out, without a word, what it does not like in one.
    """
    at, length = encoded.find(b"pHYs", 0, 200) - 4, 12 + 9
    rest = encoded[33:] if at < 0 else encoded[33:at] + encoded[at + length :]
    return b"".join((encoded[:33], *_written(metadata), rest))


def _written(metadata: Metadata) -> Iterator[bytes]:
    if metadata.icc:
        yield chunk(b"iCCP", b"ICC\0\0" + zlib.compress(metadata.icc))
    if all(metadata.density):
        yield chunk(b"pHYs", struct.pack(">IIB", *(round(each / INCH) for each in metadata.density), METRE))
    if metadata.exif:
        yield chunk(b"eXIf", metadata.exif)
    if metadata.xmp:
        yield chunk(b"iTXt", XMP + b"\0\0\0\0\0" + metadata.xmp)
    if metadata.comment:
        told = metadata.comment.decode("utf-8", "replace").encode()
        yield chunk(b"iTXt", COMMENT + b"\0\0\0\0\0" + told)
    if metadata.iptc:
        lines = re.findall("..{0,71}", metadata.iptc.hex())
        told = f"\niptc\n{len(metadata.iptc):8}\n".encode() + "\n".join(lines).encode() + b"\n"
        yield chunk(b"zTXt", RAW_IPTC + b"\0\0" + zlib.compress(told))
