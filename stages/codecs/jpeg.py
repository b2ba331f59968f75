"""JPEG through simplejpeg (libjpeg-turbo): decodes at 1/8, 2/8, 4/8 or full size straight into the frame's memory.

What that one refuses or warns of goes the second way: mended where no pixel is touched by it, through libvips.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline import (
    NO_METADATA,
    STRICT,
    Codec,
    Colour,
    DecodeContext,
    Frame,
    Header,
    ItemError,
    Metadata,
    Pixels,
    Size,
    Spec,
)
from stages.media import exif, icc, jpeg_blocks, jpeg_stream, signatures, vips
from stages.media.background import flattened, require_opaque
from stages.media.shrinking import by_halves, factor_of

MOST = 65500  # rows and columns that libjpeg writes
SCALES = (8, 4, 2)
LOSSLESS, ARITHMETIC = frozenset((0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF)), (0xC9, 0xCA)
LOADER = vips.Loader("JPEG", "jpegload_source")
# Of libjpeg's warnings those that say nothing of pixels, after the stream was mended (jerror.h, JWRN_*).
HARMLESS = re.compile("extraneous bytes before marker|unknown adobe color transform", re.IGNORECASE)
NO_END = "it ends without its end mark"
UNNAMED = "subsampling level"  # of its message about sampling factors that it has no name for
SPACES = {"gray": "GRAY", "rgb": "RGB", "cmyk": "CMYK"}


@dataclass(frozen=True)
class Jpeg(Codec):
    """8-bit gray and colour JPEG, baseline and progressive, with Huffman or arithmetic coding.

    Decodes to gray (H, W, 1), rgb (H, W, 3) or, for CMYK and YCCK files with an ICC profile, cmyk (H, W, 4; 255 is full
    ink) uint8. Those without a profile become rgb by 255 - ink (mean error about 12 levels against a conversion by
    profile), with Adobe's inverted sense. The EXIF block is kept as TIFF bytes. Encodes uint8; transparency is
    flattened over `background`; an ICC profile, EXIF, XMP, IPTC, a comment and the density are written.
    """

    quality: int = field(default=85, metadata={"ge": 1, "le": 100, "doc": "libjpeg's scale; 75 small, 90 fine"})
    subsampling: Literal["420", "422", "444"] = field(
        default="420",
        metadata={"doc": "resolution of colour: 420 a quarter, 422 a half, 444 all (sharp coloured edges)"},
    )
    background: Colour = field(
        default=Colour(255, 255, 255),
        metadata={"doc": "opaque colour that rgba and gray_alpha pictures are flattened over"},
    )

    extensions: ClassVar[tuple[str, ...]] = ("jpg", "jpeg", "jpe", "jfif")
    common: ClassVar[int] = 4
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb", "gray_alpha", "rgba")
    holds: ClassVar[frozenset[str]] = frozenset(("exif", "xmp", "iptc", "comment", "density", "gain_map"))
    example: ClassVar[Mapping[str, Any]] = {"subsampling": "444"}

    def __post_init__(self) -> None:
        require_opaque(self.background)

    def open(self) -> None:
        import simplejpeg  # noqa: F401 - loaded before the first frame, not within it

    def matches(self, head: bytes) -> bool:
        return signatures.picture(head) == "jpeg"

    def header(self, data: memoryview) -> Header:
        """Walk the segments up to the first scan; a damaged EXIF or ICC block is left out.

        Raises:
            ItemError: cut short, no frame header, not 8 bits a sample, 2 or more than 4 components, another coding.
        """
        found = jpeg_blocks.read(data)
        if found.frame is None:
            raise ItemError("damaged JPEG: no frame header before the first scan")
        components, height, width = _judged(found.kind, found.frame)
        block, xmp, profile = found.exif, found.xmp, found.profile
        if components == 4 and profile[16:20] != b"CMYK":
            profile = b""
        model = "gray" if components == 1 else "cmyk" if components == 4 and profile else "rgb"
        if model == "rgb" and not profile and block and exif.is_adobe_rgb(block):
            profile = icc.matrix_profile(icc.ADOBE_RGB, icc.ADOBE_GAMMA)
        spec = _spec(model, height, width, exif.orientation(block, xmp) if block or xmp else 1)
        if not any(beside := (profile, block, xmp, found.iptc, found.comment)) and not all(found.density):
            return Header(spec, remarks=found.remarks)
        return Header(spec, Metadata(*beside, found.density), remarks=found.remarks)

    def shrunk(self, spec: Spec, need: Size) -> Spec:
        """The smallest of 1/8, 2/8, 4/8 and full size, rounded up, that is at least `need` in both axes.

        libjpeg-turbo has vector code for these only: a 12-megapixel file takes 17, 23, 24 and 29 ms, but 29 ms at 3/8
        and 44 to 77 ms at 5/8 to 7/8.
        """
        return by_halves(spec, need, SCALES)

    def decode(self, data: memoryview, spec: Spec, out: Pixels, how: DecodeContext = STRICT) -> None:
        """Decode into `out`, C-contiguous (H, W, 1 or 3) uint8 of `spec`, without another copy (but for CMYK).

        Raises:
            ItemError: truncated, damaged, or not of the size that the header says.
        """
        try:
            _decoded(data, spec, out)
        except ValueError as error:
            _second_way(data, spec, out, how, _one_line(error))
        if spec.model == "cmyk":
            np.subtract(255, out, out=out)  # Adobe's sense, 255 for no ink: what writes such files keeps to it

    def repacked(self, data: memoryview, frame: Frame) -> bytes | None:
        """The file with other metadata; None for CMYK and for a file that was not whole."""
        frame_header = jpeg_blocks.read(data).frame
        stream = jpeg_stream.mended(data)
        if frame_header is None or frame_header[3] == 4 or stream is None or not stream.ended:
            return None
        return jpeg_blocks.with_blocks(jpeg_blocks.bare(stream.data), frame)

    def encode(self, frame: Frame) -> bytes:
        """The file as bytes; `frame.pixels` is C-contiguous (H, W, 1 to 4) uint8, any alpha last.

        Raises:
            SpecError: another dtype or colour model. ItemError: more rows or columns than libjpeg writes.
        """
        import simplejpeg

        spec, pixels = frame.spec, frame.pixels
        spec.require(dtype="uint8", model=self.models)
        if max(spec.size) > MOST:
            raise ItemError(f"{spec.width}x{spec.height} pixels", limit=f"JPEG holds {MOST} a side", remedy="resize")
        if spec.has_alpha:
            pixels = flattened(pixels, spec, self.background)
        gray = pixels.shape[2] == 1
        encoded: bytes = simplejpeg.encode_jpeg(
            pixels, self.quality, "GRAY" if gray else "RGB", "Gray" if gray else self.subsampling
        )
        return encoded if frame.metadata is NO_METADATA else jpeg_blocks.with_blocks(encoded, frame)


@lru_cache(maxsize=64)  # a folder has few sizes, and a Spec seen before is the same object: quick to look up by
def _spec(model: str, height: int, width: int, orientation: int) -> Spec:
    return Spec.of(model, height, width, orientation=orientation)


def _judged(kind: int, frame: tuple[int, int, int, int]) -> tuple[int, int, int]:
    """Components, height and width of a frame header; raises ItemError with the name of what is not read."""
    precision, height, width, components = frame
    name = (
        "a JPEG-LS picture" if kind == jpeg_blocks.JPEG_LS
        else "a lossless or hierarchical JPEG" if kind in LOSSLESS
        else f"a JPEG of {precision} bits a sample" if precision != 8 else ""
    )  # fmt: skip
    if name:
        raise ItemError(
            f"is {name}, which is not read", limit="baseline and progressive JPEG of 8 bits are",
            remedy="convert it first, for example with `magick` or `djpeg`",
        )  # fmt: skip
    if components not in (1, 3, 4) or not height or not width:
        raise ItemError(f"a JPEG of {width}x{height} with {components} components", limit="1, 3 or 4 are read")
    return components, height, width


def _decoded(data: memoryview | bytes, spec: Spec, out: Pixels) -> None:
    """Through libjpeg-turbo; raises ValueError where it refuses or warns, and ItemError for another size."""
    import simplejpeg

    # Both minima are given: with one, or a factor that cannot be met, simplejpeg decodes at full size.
    pixels = simplejpeg.decode_jpeg(
        data, SPACES[spec.model], min_height=spec.height, min_width=spec.width, buffer=out
    )  # fmt: skip
    if pixels.shape != spec.shape:
        raise ItemError(f"damaged JPEG: decoded to {pixels.shape}, its header says {spec.shape} (H, W, C)")


def _second_way(data: memoryview, spec: Spec, out: Pixels, how: DecodeContext, warning: str) -> None:
    """What libjpeg-turbo refused or warned of: mended where no pixel depends on it, and through libvips.

    Raises:
        ItemError: some pixels are cut or corrupt, and not to be salvaged.
    """
    stream = jpeg_stream.mended(data)
    if stream is None:
        raise ItemError(f"damaged JPEG: {warning}")
    finish, shrink, view = _shown(spec), factor_of(spec), memoryview(stream.data)
    reason = _wrong(stream, spec, out)
    if reason and not how.salvage:
        cut = not stream.whole or "premature" in reason.lower()
        raise how.lost(f"{'truncated' if cut else 'damaged'} JPEG: {reason}")
    LOADER.decode(view, spec, out, STRICT, finish, shrink=shrink)
    if reason:
        rows = LOADER.rows(view, finish, "warning", {"shrink": shrink})
        how.remark(f"damaged JPEG: {reason}; salvaged: about {rows} of {spec.height} rows are whole")
    elif UNNAMED not in warning:
        how.remark(f"{warning}; every pixel was read")


def _wrong(stream: jpeg_stream.Mended, spec: Spec, out: Pixels) -> str:
    """What is wrong with pixels; empty where nothing is.

    libjpeg-turbo tells the last warning of a file, libvips the first (but none of the last rows): both must be
    harmless. Of a sampling that TurboJPEG has no name for libvips alone can be asked.
    """
    if not stream.whole:
        return "it ends before its last scan"
    if (
        stream.kind in ARITHMETIC and not stream.ended
    ):  # whose decoder takes what is missing for zeros, and says nothing
        return NO_END
    last = ""
    try:
        _decoded(stream.data, spec, out)
        return ""
    except ValueError as error:
        last = _one_line(error)
    if UNNAMED in last and not stream.ended:
        return NO_END
    if UNNAMED not in last and not HARMLESS.search(last):
        return last
    try:
        LOADER.decode(memoryview(stream.data), spec, out, STRICT, _shown(spec), strict=True, shrink=factor_of(spec))
    except ItemError as error:
        first = error.what.partition(": ")[2]
        return "" if HARMLESS.search(first) else first
    return ""


def _shown(spec: Spec) -> Callable[[Any], Any]:
    """From libvips' picture to the samples that libjpeg-turbo would give."""

    def finish(image: Any) -> Any:
        if image.interpretation != "cmyk":
            return image
        return image.invert() if spec.model == "cmyk" else vips.without_ink(image)

    return finish


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
