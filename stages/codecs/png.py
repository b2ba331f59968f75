"""PNG through libvips: streamed, and shrunk on the way."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

from pipeline import (
    STRICT,
    Codec,
    DecodeContext,
    Frame,
    Header,
    ItemError,
    Metadata,
    Picture,
    Pixels,
    Size,
    Spec,
)
from stages.media import exif, jpeg_blocks, pillow_frames, png_chunks, signatures, vips
from stages.media.shrinking import by_halves, factor_of

MODELS = {0: "gray", 2: "rgb", 3: "rgb", 4: "gray_alpha", 6: "rgba"}  # by colour type
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
BESIDE = (b"tRNS", b"eXIf", b"pHYs", b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")
LOADER = vips.Loader("PNG", "pngload_source")


@dataclass(frozen=True)
class Png(Codec):
    """PNG of every colour type and depth; lossless, and 16 bits stay 16 bits.

    Decodes to gray, gray_alpha, rgb or rgba (H, W, C), uint8 or uint16, straight alpha last; palettes become rgb, a
    transparent colour becomes alpha. Of an animation the default image is read. Encodes the same; an ICC profile, EXIF,
    XMP, IPTC (as ImageMagick writes it), a comment and the density are written.
    """

    compress_level: int = field(
        default=6, metadata={"ge": 0, "le": 9, "doc": "zlib level: 1 is four times as fast as 6 and 5 % larger"}
    )

    extensions: ClassVar[tuple[str, ...]] = ("png", "apng")
    pixels_version: ClassVar[int] = 2
    common: ClassVar[int] = 3
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb", "gray_alpha", "rgba")
    dtypes: ClassVar[tuple[str, ...]] = ("uint8", "uint16")
    holds: ClassVar[frozenset[str]] = frozenset(("exif", "xmp", "iptc", "comment", "density"))
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
        data_nbytes, ended, frames, plays = 0, False, 1, 0
        for name, start, end in png_chunks.chunks(data):
            if name == b"IDAT":
                data_nbytes += end - start
            elif name == b"IEND":
                ended = True
            elif name == b"acTL" and end - start >= 8:
                frames, plays = struct.unpack_from(">II", data, start)
            elif name in png_chunks.TEXTS:
                key = png_chunks.keyword(data[start:end])
                if key in png_chunks.READ_TEXTS:
                    blocks.setdefault(key, png_chunks.text(name, bytes(data[start:end])))
            elif name in BESIDE:
                blocks.setdefault(name, bytes(data[start:end]))
        if not ended:
            remarks.append("its end mark (IEND) is missing")
        # No deflate stream expands further (zlib.net/zlib_tech.html).
        if width * height * depth // 8 > 1032 * data_nbytes + 64:
            raise ItemError(f"damaged PNG: {data_nbytes} bytes of data cannot hold {width}x{height} pixels")
        model = MODELS[kind]
        if b"tRNS" in blocks:
            model = {"gray": "gray_alpha", "rgb": "rgba"}.get(model, model)
        profile, transfer = png_chunks.colours(blocks, gray=model.startswith("gray"))
        beside = _beside(blocks, profile)
        spec = Spec.of(
            model, height, width, dtype="uint16" if depth == 16 else "uint8",
            orientation=exif.orientation(beside.exif, beside.xmp), transfer=transfer,
        )  # fmt: skip
        return Header(spec, beside, max(1, frames), tuple(remarks), plays if frames > 1 else None)

    def shrunk(self, spec: Spec, need: Size) -> Spec:
        """By 1/2, 1/4 ... 1/32, rounded up: pixels are averaged while the file is read."""
        return by_halves(spec, need)

    def decode(self, data: memoryview, spec: Spec, out: Pixels, how: DecodeContext = STRICT) -> None:
        """Decode into `out`, (H, W, C) of `spec`.

        Raises:
            ItemError: damaged, or fewer pixels than the header says.
        """
        small = vips.shrunk_by(factor_of(spec), alpha=spec.has_alpha)
        LOADER.decode(data, spec, out, how, small, is_whole=partial(png_chunks.inflates, data))

    def pictures(self, data: memoryview, header: Header, how: DecodeContext = STRICT) -> Iterator[Picture]:
        """The frames of an animation, in 8 bits and not the default image beside them; else what `decode` gives."""
        if header.frames == 1:
            yield from super().pictures(data, header, how)
            return
        from PIL.PngImagePlugin import PngImageFile

        try:
            image = PngImageFile(io.BytesIO(data))
        except Exception as error:  # Pillow raises what its reading of the chunks makes of a file
            raise _damaged(error) from error
        spec = replace(header.spec.in_model("rgba"), dtype="uint8")
        with image:
            beside = int(bool(image.default_image))
            yield from pillow_frames.pictures(image, spec, range(beside, image.n_frames), _damaged)

    def encode(self, frame: Frame) -> bytes:
        """The file; `frame.pixels` is C-contiguous (H, W, 1 to 4), any alpha last.

        Raises:
            SpecError: a dtype that is not uint8 or uint16, or another colour model.
        """
        frame.spec.require(dtype=("uint8", "uint16"), model=self.models)
        image = vips.image_of(frame, b"")
        encoded: bytes = image.pngsave_buffer(compression=self.compress_level, filter="all", keep="none")
        return png_chunks.with_blocks(encoded, frame.metadata)


def _damaged(error: Exception) -> ItemError:
    return ItemError(f"damaged PNG: {' '.join(str(error).split())}")


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


def _beside(blocks: dict[bytes, bytes], profile: bytes) -> Metadata:
    """What the chunks say beside the pixels."""
    texts = [
        png_chunks.raw_profile(blocks[key]).removeprefix(exif.EXIF) for key in png_chunks.RAW_EXIF if key in blocks
    ]
    block = next(filter(None, [blocks.get(b"eXIf", b""), *texts]), b"")
    records = png_chunks.raw_profile(blocks.get(png_chunks.RAW_IPTC, b""))
    return Metadata(
        profile, block, blocks.get(png_chunks.XMP, b""), jpeg_blocks.iptc_of(records) or records,
        blocks.get(png_chunks.COMMENT, b""), png_chunks.density(blocks.get(b"pHYs", b"")),
    )  # fmt: skip
