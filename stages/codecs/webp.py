"""WebP: read through libvips, which scales while it decodes; written through Pillow (libwebp both)."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pipeline import STRICT, Codec, DecodeContext, Frame, Header, ItemError, Metadata, Picture, Pixels, Size, Spec
from stages.media import exif, signatures, vips

MOST = SIDE = 16383  # rows and columns of a picture: 14 bits
STEPS = 4
LOADER = vips.Loader("WebP", "webpload_source", salvages=False)


@dataclass(frozen=True)
class Webp(Codec):
    """WebP, lossy and lossless, with transparency; of an animation the first frame is read.

    Decodes to rgb or rgba (H, W, C) uint8, straight alpha last. Encodes uint8; gray becomes rgb, as the format has no
    gray; alpha is stored without loss; an ICC profile, EXIF and XMP are written.
    """

    quality: int = field(
        default=80, metadata={"ge": 1, "le": 100, "doc": "libwebp's scale; 60 small, 90 fine; lossless ignores it"}
    )
    lossless: bool = field(default=False, metadata={"doc": "every pixel exact, colours under full transparency too"})
    effort: int = field(
        default=4, metadata={"ge": 0, "le": 6, "doc": "libwebp's method: 0 is four times as fast as 4 and 30 % larger"}
    )

    extensions: ClassVar[tuple[str, ...]] = ("webp",)
    pixels_version: ClassVar[int] = 2
    common: ClassVar[int] = 2
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb", "gray_alpha", "rgba")
    holds: ClassVar[frozenset[str]] = frozenset(("exif", "xmp"))
    example: ClassVar[Mapping[str, Any]] = {"lossless": True}

    def open(self) -> None:
        vips.library()

    def matches(self, head: bytes) -> bool:
        return signatures.picture(head) == "webp"

    def header(self, data: memoryview) -> Header:
        """Read the chunks; decodes nothing.

        Raises:
            ItemError: cut short, no picture, or an impossible one.
        """
        end = 8 + int.from_bytes(data[4:8], "little")
        if end > len(data):
            raise ItemError(f"truncated WebP: {len(data)} of {end} bytes are there")
        height, width = _canvas(data)
        image = LOADER.open(data, scale=1 / min(height, width))  # libvips makes room for the picture when it opens it
        block, xmp = vips.block(image, "exif-data").removeprefix(exif.EXIF), vips.block(image, "xmp-data")
        spec = Spec.of(vips.MODELS[image.bands], height, width, orientation=exif.orientation(block, xmp))
        frames = image.get("n-pages") if image.get_typeof("n-pages") else 1
        remarks: tuple[str, ...] = ()
        if spec.model == "rgb" and _has_hidden_alpha(data):
            remarks = ("says that it has no transparency, and has: it was read as opaque",)
        beside = Metadata(vips.block(image, "icc-profile-data"), block, xmp, density=exif.density(block))
        plays = int(image.get("loop")) if frames > 1 and image.get_typeof("loop") else 0
        return Header(spec, beside, frames, remarks, plays if frames > 1 else None)

    def shrunk(self, spec: Spec, need: Size) -> Spec:
        """As small as is needed: libwebp scales while it decodes, to any size."""
        size = (need.height, need.width)
        for _ in range(STEPS):  # until the size says by which scale it was made
            scale = max(size[0] / spec.full_height, size[1] / spec.full_width)
            before, size = size, _scaled(spec, scale)
            if size == before:
                break
        return spec.shrunk(*size) if scale < 1 and size == before else spec

    def decode(self, data: memoryview, spec: Spec, out: Pixels, how: DecodeContext = STRICT) -> None:
        """Decode the first frame into `out`, (H, W, 3 or 4) uint8 of `spec`.

        Raises:
            ItemError: damaged or truncated.
        """
        scale = max(spec.height / spec.full_height, spec.width / spec.full_width)
        LOADER.decode(data, spec, out, how, lambda image: image, scale=scale)

    def pictures(self, data: memoryview, header: Header, how: DecodeContext = STRICT) -> Iterator[Picture]:
        """The frames; a single one as `decode` gives it."""
        if header.frames == 1:
            yield from super().pictures(data, header, how)
            return
        yield from LOADER.pictures(data)

    def encode(self, frame: Frame) -> memoryview:
        """The file; `frame.pixels` is C-contiguous (H, W, 1 to 4) uint8, any alpha last.

        Raises:
            SpecError: another dtype or colour model. ItemError: more rows or columns than the format has.
        """
        from PIL import Image, WebPImagePlugin  # noqa: F401 - the plugin enters itself, and Pillow looks no further

        spec, pixels, icc = frame.spec, frame.pixels, frame.metadata.icc
        spec.require(dtype="uint8", model=self.models)
        if max(spec.size) > MOST:
            raise ItemError(f"{spec.width}x{spec.height} pixels", limit=f"WebP holds {MOST} a side", remedy="resize")
        if spec.channels < 3:
            pixels = pixels[:, :, [0, 0, 0, 1][: spec.channels + 2]]
            icc = b"" if icc[16:20] == b"GRAY" else icc  # a profile of gray means nothing for rgb
        file = io.BytesIO()
        # With lossless, libwebp's quality is a second effort; 75 is what its own presets take.
        Image.fromarray(pixels).save(
            file, "WEBP", quality=75 if self.lossless else self.quality, lossless=self.lossless, exact=self.lossless,
            method=self.effort, icc_profile=icc, exif=frame.metadata.exif, xmp=frame.metadata.xmp,
        )  # fmt: skip
        return file.getbuffer()


def _canvas(data: memoryview) -> tuple[int, int]:
    """Height and width by the first chunk (WebP container specification; RFC 6386, 9.1; lossless format, 3)."""
    head = bytes(data[:30])
    if len(head) < 30:
        raise ItemError("truncated WebP: it ends within its header")
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[27:30], "little") + 1, int.from_bytes(head[24:27], "little") + 1
    if head[12:16] == b"VP8L":
        sides = int.from_bytes(head[21:25], "little")
        return (sides >> 14 & SIDE) + 1, (sides & SIDE) + 1
    height, width = (int.from_bytes(head[at : at + 2], "little") & SIDE for at in (28, 26))
    if head[12:16] != b"VP8 " or not height or not width:
        raise ItemError("damaged WebP: its first chunk is no picture")
    return height, width


def _scaled(spec: Spec, scale: float) -> tuple[int, int]:
    """Height and width as libvips rounds them."""
    return max(1, int(spec.full_height * scale + 0.5)), max(1, int(spec.full_width * scale + 0.5))


def _has_hidden_alpha(data: memoryview) -> bool:
    """Whether a lossless picture has alpha that the header of the file (VP8X) does not tell of."""
    if bytes(data[12:16]) != b"VP8X":
        return False
    at = bytes(data[:4096]).find(b"VP8L")
    return 0 < at < len(data) - 13 and bool(data[at + 12] >> 4 & 1)
