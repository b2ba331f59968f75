"""PNG through Pillow; 16-bit colour through OpenCV, which is imported for such files only."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline import Codec, Frame, Header, ItemError, Metadata, Pixels, Spec

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MODELS = {0: "gray", 2: "rgb", 3: "rgb", 4: "gray_alpha", 6: "rgba"}  # by colour type
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
TYPES = {"gray": 0, "rgb": 2, "gray_alpha": 4, "rgba": 6}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
XMP = b"XML:com.adobe.xmp\0\0\0\0\0"  # key word; not compressed, no language, no translation
MAX_INFLATED = 1 << 20  # of a compressed profile, in bytes
PIECE = 1 << 20  # bytes that are inflated at a time where only their number matters


class _Ihdr(NamedTuple):
    width: int
    height: int
    depth: int
    kind: int
    compression: int
    filter: int
    interlace: int

    @property
    def raw_nbytes(self) -> int:
        """Size of the inflated data: each row of each pass has a filter byte before it (PNG 3rd ed., 7.2)."""
        total = 0
        for x, y, across, down in ADAM7 if self.interlace else ((0, 0, 1, 1),):
            columns, rows = -(-(self.width - x) // across), -(-(self.height - y) // down)
            if columns > 0 and rows > 0:
                total += rows * (1 + (columns * SAMPLES[self.kind] * self.depth + 7) // 8)
        return total


@dataclass(frozen=True)
class Png(Codec):
    """PNG of every colour type and depth; lossless, and 16 bits stay 16 bits.

    Decodes to gray, gray_alpha, rgb or rgba (H, W, C), uint8 or uint16, straight alpha last; palettes become rgb, a
    transparent colour becomes alpha. Of an animation the default image is read. Encodes the same; an ICC profile is
    kept.
    """

    compress_level: int = field(
        default=6, metadata={"ge": 0, "le": 9, "doc": "zlib level: 1 is four times as fast as 6 and 5 % larger"}
    )

    extensions: ClassVar[tuple[str, ...]] = ("png", "apng")
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb", "gray_alpha", "rgba")
    example: ClassVar[Mapping[str, Any]] = {"compress_level": 1}

    def open(self) -> None:
        from PIL import PngImagePlugin  # noqa: F401 - loaded before the first frame, not within it

    def matches(self, head: bytes) -> bool:
        return head[:8] == SIGNATURE

    def header(self, data: memoryview) -> Header:
        """Walk all chunks and check their sums; inflates nothing but the profile.

        Raises:
            ItemError: cut short, a wrong check sum, an impossible header, or less data than its size can need.
        """
        ihdr, blocks, data_nbytes = _ihdr(data), {}, 0
        for name, start, end in _chunks(data):
            if zlib.crc32(data[start - 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
                raise ItemError(f"damaged PNG: wrong check sum of chunk {name.decode('latin-1')!r} at byte {start - 8}")
            if name == b"IDAT":
                data_nbytes += end - start
            elif name in (b"tRNS", b"iCCP", b"eXIf") or (name == b"iTXt" and data[start : start + len(XMP)] == XMP):
                blocks[name] = bytes(data[start:end])
        if ihdr.raw_nbytes > 1032 * data_nbytes + 64:  # no deflate stream expands further (zlib.net/zlib_tech.html)
            raise ItemError(f"damaged PNG: {data_nbytes} bytes of data cannot hold {ihdr.width}x{ihdr.height} pixels")
        model = MODELS[ihdr.kind]
        if b"tRNS" in blocks:
            model = {"gray": "gray_alpha", "rgb": "rgba"}.get(model, model)
        exif = blocks.get(b"eXIf", b"")
        dtype = "uint16" if ihdr.depth == 16 else "uint8"
        spec = Spec.of(model, ihdr.height, ihdr.width, dtype=dtype, orientation=_orientation(exif) if exif else 1)
        return Header(spec, Metadata(_profile(blocks.get(b"iCCP", b"")), exif, blocks.get(b"iTXt", b"")[len(XMP) :]))

    def scratch_nbytes(self, spec: Spec) -> int:
        """Pillow's own picture of 4 bytes a pixel and one copy."""
        return 4 * spec.height * spec.width + spec.nbytes

    def decode(self, data: memoryview, spec: Spec, out: Pixels) -> None:
        """Decode into `out`, (H, W, C) of `spec`.

        Raises:
            ItemError: damaged, or fewer pixels than the header says.
        """
        ihdr = _ihdr(data)
        try:
            samples = _deep(data, ihdr) if ihdr.depth == 16 and ihdr.kind else _shallow(data)
        except (OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError, struct.error) as error:
            raise ItemError(f"damaged PNG: {' '.join(str(error).split())}") from error
        if samples.shape != (*spec.size, SAMPLES[ihdr.kind]):
            raise ItemError(f"damaged PNG: decoded to {samples.shape}, its header says {spec.shape} (H, W, C)")
        # Missing rows come out as zeros and without an error; only then is the data inflated again to be measured.
        if not samples[-2:].any(axis=(1, 2)).all() and _inflated_nbytes(data) < ihdr.raw_nbytes:
            raise ItemError("truncated PNG: its data ends before its last row")
        if ihdr.kind == 3:
            out[...] = _colours(data)[:, : spec.channels][samples[:, :, 0]]
        elif spec.channels == samples.shape[2]:
            out[...] = samples
        else:
            opaque = 65535 if ihdr.depth == 16 else 255
            out[:, :, :-1] = samples
            out[:, :, -1] = np.where((samples == _hidden_colour(data, ihdr)).all(axis=2), 0, opaque)

    def encode(self, frame: Frame) -> bytes | memoryview:
        """The file; `frame.pixels` is C-contiguous (H, W, 1 to 4), any alpha last.

        Raises:
            SpecError: a dtype that is not uint8 or uint16, or another colour model.
        """
        spec, icc = frame.spec, frame.metadata.icc
        spec.require(dtype=("uint8", "uint16"), model=self.models)
        if spec.dtype == "uint16":
            encoded: bytes | memoryview = _encoded_deep(frame.pixels, TYPES[spec.model], self.compress_level)
        else:
            from PIL import Image

            file = io.BytesIO()
            pixels = frame.pixels[:, :, 0] if spec.channels == 1 else frame.pixels
            Image.fromarray(pixels).save(file, "PNG", compress_level=self.compress_level)
            encoded = file.getbuffer()
        if not icc:
            return encoded
        return b"".join((encoded[:33], _chunk(b"iCCP", b"ICC\0\0" + zlib.compress(icc)), encoded[33:]))  # after IHDR


def _ihdr(data: memoryview) -> _Ihdr:
    if len(data) < 33 or bytes(data[12:16]) != b"IHDR":
        raise ItemError("truncated PNG: it ends within its header")
    ihdr = _Ihdr(*struct.unpack_from(">IIBBBBB", data, 16))
    if not (0 < ihdr.width < 1 << 31 and 0 < ihdr.height < 1 << 31) or ihdr.depth not in DEPTHS.get(ihdr.kind, ()):
        raise ItemError(f"damaged PNG: {ihdr.width}x{ihdr.height} of colour type {ihdr.kind} and depth {ihdr.depth}")
    return ihdr


def _chunks(data: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of each chunk up to IEND; raises ItemError where the file ends before."""
    at, size = 8, len(data)
    while at + 12 <= size:
        length, name = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > size:
            break
        yield name, at + 8, at + 8 + length
        if name == b"IEND":
            return
        at += 12 + length
    raise ItemError("truncated PNG: it ends before its end mark")


def _shallow(data: memoryview) -> Pixels:
    """Samples as stored (H, W, S), those of 1, 2 and 4 bits stretched to 8 except in palettes; gray of 16 too."""
    from PIL.PngImagePlugin import PngImageFile  # this class alone: no other format is tried, and no size is judged

    with PngImageFile(io.BytesIO(data)) as image:
        samples = np.asarray(image.convert("L") if image.mode == "1" else image)
    return samples.reshape(*samples.shape[:2], -1)


def _deep(data: memoryview, ihdr: _Ihdr) -> Pixels:
    """Samples of 16 bits in colour or with alpha (H, W, S), which Pillow cuts to 8 (python-pillow/Pillow#1888)."""
    try:
        import cv2
    except ImportError as error:
        remedy = "apt install libgl1, or install opencv-python-headless"
        raise ItemError(f"16-bit colour PNG needs OpenCV: {error}", remedy=remedy) from error
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3:
        raise ItemError("damaged PNG: OpenCV gives no pixels")
    return pixels[:, :, {2: [2, 1, 0], 4: [0, 3], 6: [2, 1, 0, 3]}[ihdr.kind]]


def _colours(data: memoryview) -> Pixels:
    """The palette as (256, 4) uint8 with alpha; entries that are not defined are opaque black."""
    colours = np.zeros((256, 4), np.uint8)
    colours[:, 3] = 255
    for name, start, end in _chunks(data):
        entries = np.frombuffer(data[start:end], np.uint8)[: 768 if name == b"PLTE" else 256]
        if name == b"PLTE":
            colours[: len(entries) // 3, :3] = entries[: len(entries) // 3 * 3].reshape(-1, 3)
        elif name == b"tRNS":
            colours[: len(entries), 3] = entries
    return colours


def _hidden_colour(data: memoryview, ihdr: _Ihdr) -> Pixels:
    """The sample values of the transparent colour, stretched as `_shallow` stretches samples."""
    key = next(np.frombuffer(data[start:end], ">u2") for name, start, end in _chunks(data) if name == b"tRNS")
    most = (1 << ihdr.depth) - 1
    return (key & most) * (255 // most if ihdr.depth < 8 else 1)


def _inflated_nbytes(data: memoryview) -> int:
    """Size of the inflated image data, which is not kept; what follows a damaged place is not counted."""
    inflate, total = zlib.decompressobj(), 0
    for name, start, end in _chunks(data):
        piece: bytes | memoryview = data[start:end] if name == b"IDAT" else b""
        while piece and not inflate.eof:
            try:
                total += len(inflate.decompress(piece, PIECE))
            except zlib.error:
                return total
            piece = inflate.unconsumed_tail
    return total + len(inflate.flush())


def _profile(block: bytes) -> bytes:
    """The ICC profile of an iCCP chunk; empty where it is damaged or larger than a megabyte."""
    inflate = zlib.decompressobj()
    try:
        profile = inflate.decompress(block.partition(b"\0")[2][1:], MAX_INFLATED)
    except zlib.error:
        return b""
    return profile if inflate.eof else b""


def _orientation(exif: bytes) -> int:
    from PIL import Image

    tags = Image.Exif()
    try:
        tags.load(exif)
        value = tags.get(0x0112, 1)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _chunk(name: bytes, content: bytes) -> bytes:
    return b"".join((struct.pack(">I", len(content)), name, content, struct.pack(">I", zlib.crc32(name + content))))


def _encoded_deep(pixels: Pixels, kind: int, level: int) -> bytes:
    """A file of 16-bit samples, each row stored as its difference to the row above (PNG 3rd ed., 9.2, filter 2)."""
    height, width = pixels.shape[:2]
    rows = pixels.astype(">u2").view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    ihdr = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    chunks = (_chunk(b"IHDR", ihdr), _chunk(b"IDAT", zlib.compress(filtered.data, level)), _chunk(b"IEND", b""))
    return b"".join((SIGNATURE, *chunks))
