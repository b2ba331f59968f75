"""PNG through libvips: streamed, and shrunk on the way."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from pipeline import STRICT, Codec, DecodeContext, Frame, Header, ItemError, Metadata, Pixels, Size, Spec
from stages.media import exif, icc, signatures, vips
from stages.media.shrinking import by_halves, factor_of

MODELS = {0: "gray", 2: "rgb", 3: "rgb", 4: "gray_alpha", 6: "rgba"}  # by colour type
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
XMP, RAW_EXIF = b"XML:com.adobe.xmp", (b"Raw profile type exif", b"Raw profile type APP1")  # key words of texts
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
COLOURS = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")
PIECE = 1 << 20  # bytes that are inflated at a time
MAX_INFLATED = 1 << 24  # of a compressed profile or text, in bytes
LOADER = vips.Loader("PNG", "pngload_source")


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
    pixels_version: ClassVar[int] = 2
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb", "gray_alpha", "rgba")
    dtypes: ClassVar[tuple[str, ...]] = ("uint8", "uint16")
    example: ClassVar[Mapping[str, Any]] = {"compress_level": 1}

    def open(self) -> None:
        vips.library()

    def matches(self, head: bytes) -> bool:
        return signatures.picture(head) == "png"

    def header(self, data: memoryview) -> Header:
        """Walk the chunks; inflates nothing but the profile and a text that may hold the orientation.

        Raises:
            ItemError: no header, an impossible one, no pixels, or less data than its size can need.
        """
        width, height, depth, kind = _ihdr(data)
        blocks: dict[bytes, bytes] = {}
        remarks: list[str] = []
        data_nbytes, ended = 0, False
        for name, start, end in _chunks(data):
            if name == b"IDAT":
                data_nbytes += end - start
            elif name == b"IEND":
                ended = True
            elif name == b"acTL":
                remarks.append("is an animation (APNG): only its default image was read")
            elif name in TEXTS:
                key = bytes(data[start : min(start + 79, end)]).partition(b"\0")[0]
                blocks.setdefault(key, _text(name, bytes(data[start:end])) if key in (XMP, *RAW_EXIF) else b"")
            elif name in (b"tRNS", b"eXIf", *COLOURS):
                blocks.setdefault(name, bytes(data[start:end]))
        if not ended:
            remarks.append("its end mark (IEND) is missing")
        # No deflate stream expands further (zlib.net/zlib_tech.html).
        if width * height * depth // 8 > 1032 * data_nbytes + 64:
            raise ItemError(f"damaged PNG: {data_nbytes} bytes of data cannot hold {width}x{height} pixels")
        model = MODELS[kind]
        if b"tRNS" in blocks:
            model = {"gray": "gray_alpha", "rgb": "rgba"}.get(model, model)
        texts = [exif.raw_profile(blocks[key]) for key in RAW_EXIF if key in blocks]
        block, xmp = next(filter(None, [blocks.get(b"eXIf", b""), *texts]), b""), blocks.get(XMP, b"")
        profile, transfer = _colours(blocks, gray=model.startswith("gray"))
        spec = Spec.of(
            model, height, width, dtype="uint16" if depth == 16 else "uint8",
            orientation=exif.orientation(block, xmp), transfer=transfer,
        )  # fmt: skip
        return Header(spec, Metadata(profile, block, xmp), remarks=tuple(remarks))

    def shrunk(self, spec: Spec, need: Size) -> Spec:
        """By 1/2, 1/4 ... 1/32, rounded up: pixels are averaged while the file is read."""
        return by_halves(spec, need)

    def decode(self, data: memoryview, spec: Spec, out: Pixels, how: DecodeContext = STRICT) -> None:
        """Decode into `out`, (H, W, C) of `spec`.

        Raises:
            ItemError: damaged, or fewer pixels than the header says.
        """
        small = vips.shrunk_by(factor_of(spec), alpha=spec.has_alpha)
        LOADER.decode(data, spec, out, how, small, is_whole=partial(_inflates, data))

    def encode(self, frame: Frame) -> bytes:
        """The file; `frame.pixels` is C-contiguous (H, W, 1 to 4), any alpha last.

        Raises:
            SpecError: a dtype that is not uint8 or uint16, or another colour model.
        """
        frame.spec.require(dtype=("uint8", "uint16"), model=self.models)
        image = vips.image_of(frame, b"")
        encoded: bytes = image.pngsave_buffer(compression=self.compress_level, filter="all", keep="none")
        icc = frame.metadata.icc
        if not icc:
            return encoded
        # By hand: libpng leaves out, without a word, what it does not like in a profile.
        content = b"iCCPICC\0\0" + zlib.compress(icc)
        chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
        return b"".join((encoded[:33], chunk, encoded[33:]))  # behind IHDR


def _ihdr(data: memoryview) -> tuple[int, int, int, int]:
    """Width, height, depth and colour type."""
    if len(data) < 33 or bytes(data[12:16]) != b"IHDR":
        cgbi = bytes(data[12:16]) == b"CgBI"
        raise ItemError(
            "is a PNG in Apple's own form (CgBI), which is not read"
            if cgbi
            else "truncated PNG: it ends within its header",
            remedy="convert it back, for example with `pngcrush -revert-iphone-optimizations`" if cgbi else "",
        )
    width, height, depth, kind = struct.unpack_from(">IIBB", data, 16)
    if not (0 < width < 1 << 31 and 0 < height < 1 << 31) or depth not in DEPTHS.get(kind, ()):
        raise ItemError(f"damaged PNG: {width}x{height} of colour type {kind} and depth {depth}")
    return width, height, depth, kind


def _chunks(data: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of each chunk up to IEND, or as far as the file goes."""
    at, size = 8, len(data)
    while at + 8 <= size:
        length, name = struct.unpack_from(">I4s", data, at)
        yield name, at + 8, min(at + 8 + length, size)
        if name == b"IEND":
            return
        at += 12 + length


def _inflates(data: memoryview) -> bool:
    """Whether the image data is one whole zlib stream with the right sum; nothing of it is kept."""
    inflate = zlib.decompressobj()
    for name, start, end in _chunks(data):
        piece: bytes | memoryview = data[start:end] if name == b"IDAT" else b""
        while piece and not inflate.eof:
            try:
                inflate.decompress(piece, PIECE)
            except zlib.error:
                return False
            piece = inflate.unconsumed_tail
    return inflate.eof


def _text(name: bytes, chunk: bytes) -> bytes:
    """The text of a tEXt, zTXt or iTXt chunk (PNG 3rd ed., 11.3.3); empty where it is damaged."""
    _, _, rest = chunk.partition(b"\0")
    if name == b"tEXt":
        return rest
    if name == b"zTXt":
        return _inflated(rest[1:])
    packed, rest = rest[:1] == b"\1", rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return _inflated(rest) if packed else rest


def _colours(blocks: dict[bytes, bytes], *, gray: bool) -> tuple[bytes, str]:
    """The profile and the transfer by the first chunk that says them (PNG 3rd ed., 4.3 and 11.3.2)."""
    codes = blocks.get(b"cICP", b"")
    if len(codes) == 4:
        return icc.of_codes(codes[0], codes[1], gray=gray), icc.HDR.get(codes[1], "unspecified")
    if b"iCCP" in blocks:
        return icc.trimmed(_inflated(blocks[b"iCCP"].partition(b"\0")[2][1:])), "unspecified"
    gamma, primaries = blocks.get(b"gAMA", b""), blocks.get(b"cHRM", b"")
    if b"sRGB" in blocks or not (gamma or primaries):
        return b"", "unspecified"
    display = 1e5 / max(1, int.from_bytes(gamma[:4], "big")) if gamma else 0.0
    points = None
    if len(primaries) == 32:
        white, red, green, blue = ((x / 1e5, y / 1e5) for x, y in struct.iter_unpack(">II", primaries))
        points = icc.Primaries(red, green, blue, white)
    return icc.of_gamma(display, points, gray=gray), "unspecified"


def _inflated(packed: bytes) -> bytes:
    inflate = zlib.decompressobj()
    try:
        whole = inflate.decompress(packed, MAX_INFLATED)
    except zlib.error:
        return b""
    return whole if inflate.eof else b""
