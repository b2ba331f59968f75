"""WebP through Pillow (libwebp); the container is walked here, so that a header costs no canvas."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from pipeline import Codec, Frame, Header, ItemError, Metadata, Pixels, Spec

MOST = 16383  # rows and columns of a picture: 14 bits
ANIMATED, ALPHA = 0x02, 0x10  # flags of the chunk VP8X
PICTURES = (b"VP8 ", b"VP8L", b"VP8X")
EXIF = b"Exif\0\0"  # some writers put JPEG's mark before the block


@dataclass(frozen=True)
class Webp(Codec):
    """WebP, lossy and lossless, with transparency; of an animation the first frame is read.

    Decodes to rgb or rgba (H, W, C) uint8, straight alpha last. Encodes uint8; gray becomes rgb, as the format has no
    gray; alpha is stored without loss; an ICC profile is kept.
    """

    quality: int = field(
        default=80, metadata={"ge": 1, "le": 100, "doc": "libwebp's scale; 60 small, 90 fine; lossless ignores it"}
    )
    lossless: bool = field(default=False, metadata={"doc": "every pixel exact, colours under full transparency too"})
    effort: int = field(
        default=4, metadata={"ge": 0, "le": 6, "doc": "libwebp's method: 0 is four times as fast as 4 and 30 % larger"}
    )

    extensions: ClassVar[tuple[str, ...]] = ("webp",)
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb", "gray_alpha", "rgba")
    example: ClassVar[Mapping[str, Any]] = {"lossless": True}

    def open(self) -> None:
        from PIL import WebPImagePlugin  # noqa: F401 - loaded before the first frame, not within it

    def matches(self, head: bytes) -> bool:
        return head[:4] == b"RIFF" and head[8:12] == b"WEBP"

    def header(self, data: memoryview) -> Header:
        """Walk the chunks of the file; decodes nothing.

        Raises:
            ItemError: shorter than it says, a chunk beyond the end, no picture or an impossible one.
        """
        blocks: dict[bytes, bytes] = {}
        kind, animated, frames, size, alpha = b"", False, 0, (0, 0), False
        for name, start, end in _chunks(data):
            if not kind:
                kind, size, alpha, animated = name, *_canvas(name, data[start:end])
            elif name in (b"ICCP", b"EXIF", b"XMP "):
                blocks.setdefault(name, bytes(data[start:end]))
            frames += name == b"ANMF" if animated else name in (b"VP8 ", b"VP8L")
        if not all(size) or not frames:
            raise ItemError(f"damaged WebP: {size[1]}x{size[0]} pixels in {frames} frames")
        exif = blocks.get(b"EXIF", b"").removeprefix(EXIF)
        spec = Spec.of("rgba" if alpha else "rgb", *size, orientation=_orientation(exif) if exif else 1)
        return Header(spec, Metadata(blocks.get(b"ICCP", b""), exif, blocks.get(b"XMP ", b"")), frames)

    def scratch_nbytes(self, spec: Spec) -> int:
        """Two canvases of libwebp, its answer, Pillow's picture and one copy, of 4 bytes a pixel; planes of rows."""
        return 22 * spec.height * spec.width

    def decode(self, data: memoryview, spec: Spec, out: Pixels) -> None:
        """Decode the first frame into `out`, (H, W, 3 or 4) uint8 of `spec`.

        Raises:
            ItemError: damaged or truncated.
        """
        from PIL.WebPImagePlugin import WebPImageFile  # this class alone: no other format is tried

        mode = "RGBA" if spec.has_alpha else "RGB"
        try:
            with _any_size(), WebPImageFile(io.BytesIO(data)) as image:
                pixels = np.asarray(image if image.mode == mode else image.convert(mode))
        except (OSError, SyntaxError, ValueError, EOFError, OverflowError, MemoryError) as error:
            raise ItemError(f"damaged WebP: {' '.join(str(error).split())}") from error
        if pixels.shape != out.shape:
            raise ItemError(f"damaged WebP: decoded to {pixels.shape}, its header says {spec.shape} (H, W, C)")
        out[...] = pixels

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
            method=self.effort, icc_profile=icc,
        )  # fmt: skip
        return file.getbuffer()


def _chunks(data: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of each chunk (WebP container specification, RIFF)."""
    if len(data) < 20:
        raise ItemError("truncated WebP: it ends within its header")
    at, end = 12, 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise ItemError(f"truncated WebP: {len(data)} of {end} bytes are there")
    while at + 8 <= end:
        name, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > end:
            raise ItemError(f"damaged WebP: chunk {name.decode('latin-1')!r} reaches beyond the end")
        yield name, at + 8, at + 8 + length
        at += 8 + length + length % 2


def _canvas(name: bytes, chunk: memoryview) -> tuple[tuple[int, int], bool, bool]:
    """Height and width, whether there is alpha, whether it is an animation, from the first chunk."""
    if name not in PICTURES or len(chunk) < 10:
        raise ItemError(f"damaged WebP: begins with chunk {name.decode('latin-1')!r} of {len(chunk)} bytes")
    if name == b"VP8X":
        width, height = (int.from_bytes(chunk[at : at + 3], "little") + 1 for at in (4, 7))
        return (height, width), bool(chunk[0] & ALPHA), bool(chunk[0] & ANIMATED)
    if name == b"VP8 ":  # key frame header (RFC 6386, 9.1); the two upper bits are a scale that no decoder applies
        width, height = struct.unpack_from("<HH", chunk, 6)
        return (height & MOST, width & MOST), False, False
    bits = int.from_bytes(chunk[1:5], "little")
    return ((bits >> 14 & MOST) + 1, (bits & MOST) + 1), bool(bits >> 28 & 1), False


@contextlib.contextmanager
def _any_size() -> Iterator[None]:
    """Without Pillow's own limit on pixels: the engine's was checked before."""
    from PIL import Image

    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = most


def _orientation(exif: bytes) -> int:
    from PIL import Image

    tags = Image.Exif()
    try:
        tags.load(exif)
        value = tags.get(0x0112, 1)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
