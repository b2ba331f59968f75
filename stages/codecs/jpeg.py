"""JPEG through simplejpeg (libjpeg-turbo): decodes at 1/8, 2/8, 4/8 or full size straight into the frame's memory."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline import Codec, Colour, Frame, Header, ItemError, Metadata, Pixels, Size, Spec
from stages.media.background import flattened, require_opaque

SOS, EOI, APP1, APP2 = 0xFFDA, 0xFFD9, 0xFFE1, 0xFFE2
SOFS = frozenset(range(0xFFC0, 0xFFD0)) - {0xFFC4, 0xFFC8, 0xFFCC}  # frame headers (ITU-T T.81, table B.1)
TOLD = SOFS | {APP1, APP2}
ENDS = frozenset((SOS, EOI))
BARE = frozenset(range(0xFFD0, 0xFFD9)) | {0xFF01}  # markers without a length
SPACES = {"gray": "GRAY", "rgb": "RGB", "cmyk": "CMYK"}
EXIF, XMP, ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
ICC_CHUNK = 65535 - 2 - 14  # what an APP2 segment holds beside its length, name and two counters
_FRAME, _SEGMENT = struct.Struct(">BHHB").unpack_from, struct.Struct(">HH").unpack_from


@dataclass(frozen=True)
class Jpeg(Codec):
    """8-bit gray and colour JPEG, baseline and progressive.

    Decodes to gray (H, W, 1), rgb (H, W, 3) or, for CMYK and YCCK files with an ICC profile, cmyk (H, W, 4; 255 is full
    ink) uint8. Those without a profile become rgb by 255 - ink (mean error about 12 levels against a conversion by
    profile), with Adobe's inverted sense. The EXIF block is kept as TIFF bytes. Encodes uint8; transparency is
    flattened over `background`; an ICC profile is kept.
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
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb", "gray_alpha", "rgba")
    example: ClassVar[Mapping[str, Any]] = {"subsampling": "444"}

    def __post_init__(self) -> None:
        require_opaque(self.background)

    def open(self) -> None:
        import simplejpeg  # noqa: F401 - loaded before the first frame, not within it

    def matches(self, head: bytes) -> bool:
        return head[:3] == b"\xff\xd8\xff"

    def header(self, data: memoryview) -> Header:
        """Walk the segments up to the first scan (about 6 us); a damaged EXIF or ICC block is left out.

        Raises:
            ItemError: cut short, no frame header, not 8 bits a sample, 2 or more than 4 components.
        """
        frame, exif, xmp = None, b"", b""
        icc: dict[int, bytes] = {}
        for marker, start, end in _told(data):
            if marker in SOFS:
                frame = _FRAME(data, start) if end - start >= 6 else None
            elif marker == APP1:
                block = bytes(data[start:end])
                if block.startswith(EXIF):
                    exif = exif or block[len(EXIF) :]
                elif block.startswith(XMP):
                    xmp = xmp or block[len(XMP) :]
            elif marker == APP2 and data[start : start + len(ICC)] == ICC and end - start > len(ICC) + 2:
                icc[data[start + len(ICC)]] = bytes(data[start + len(ICC) + 2 : end])
        if frame is None:
            raise ItemError("damaged JPEG: no frame header before the first scan")
        precision, height, width, components = frame
        if precision != 8:
            raise ItemError(f"a JPEG of {precision} bits a sample", limit="8 bits are read")
        if components not in (1, 3, 4) or not height or not width:
            raise ItemError(f"a JPEG of {width}x{height} with {components} components", limit="1, 3 or 4 are read")
        profile = _profile(icc, components) if icc else b""
        model = "gray" if components == 1 else "cmyk" if components == 4 and profile else "rgb"
        spec = _spec(model, height, width, _orientation(exif) if exif else 1)
        return Header(spec, Metadata(profile, exif, xmp)) if profile or exif or xmp else Header(spec)

    def shrunk(self, spec: Spec, need: Size) -> Spec:
        """The smallest of 1/8, 2/8, 4/8 and full size, rounded up, that is at least `need` in both axes.

        libjpeg-turbo has vector code for these only: a 12-megapixel file takes 17, 23, 24 and 29 ms, but 29 ms at 3/8
        and 44 to 77 ms at 5/8 to 7/8. Below 8 pixels two scales can have one size, so nothing is shrunk. A scale
        whose last row or column is a fraction of a pixel is left out where `orientation` would make it the first:
        a Spec says how wide the picture is, but not at which end the fraction lies.
        """
        if max(spec.size) < 8:
            return spec
        for eighths in (1, 2, 4):
            height, width = -(-spec.full_height * eighths // 8), -(-spec.full_width * eighths // 8)
            turned = (spec.orientation in (3, 4, 6, 7) and spec.full_height * eighths % 8) or (
                spec.orientation in (2, 3, 7, 8) and spec.full_width * eighths % 8
            )
            if height >= need.height and width >= need.width and not turned:
                return spec.shrunk(height, width)
        return spec

    def decode(self, data: memoryview, spec: Spec, out: Pixels) -> None:
        """Decode into `out`, C-contiguous (H, W, 1 or 3) uint8 of `spec`, without another copy (but for CMYK).

        Raises:
            ItemError: truncated, damaged, or not of the size that the header says.
        """
        import simplejpeg

        try:
            # Both minima are given: with one, or a factor that cannot be met, simplejpeg decodes at full size.
            pixels = simplejpeg.decode_jpeg(
                data, SPACES[spec.model],
                min_height=spec.height, min_width=spec.width, buffer=out,
            )  # fmt: skip
        except ValueError as error:
            cut = "premature end" in str(error).lower()
            raise ItemError(f"{'truncated' if cut else 'damaged'} JPEG: {_one_line(error)}") from error
        if pixels.shape != spec.shape:
            raise ItemError(f"damaged JPEG: decoded to {pixels.shape}, its header says {spec.shape} (H, W, C)")
        if spec.model == "cmyk":
            np.subtract(255, out, out=out)  # Adobe's sense, 255 for no ink: what writes such files keeps to it

    def encode(self, frame: Frame) -> bytes:
        """The file as bytes; `frame.pixels` is C-contiguous (H, W, 1 to 4) uint8, any alpha last.

        Raises:
            SpecError: another dtype or colour model.
        """
        import simplejpeg

        spec, pixels = frame.spec, frame.pixels
        spec.require(dtype="uint8", model=self.models)
        if spec.has_alpha:
            pixels = flattened(pixels, spec, self.background)
        gray = pixels.shape[2] == 1
        encoded: bytes = simplejpeg.encode_jpeg(
            pixels, self.quality, "GRAY" if gray else "RGB", "Gray" if gray else self.subsampling
        )
        return _with_icc(encoded, frame.metadata.icc) if frame.metadata.icc else encoded


@lru_cache(maxsize=64)  # a folder has few sizes, and a Spec seen before is the same object: quick to look up by
def _spec(model: str, height: int, width: int, orientation: int) -> Spec:
    return Spec.of(model, height, width, orientation=orientation)


def _told(data: memoryview) -> list[tuple[int, int, int]]:
    """Marker, start and end of the content of the TOLD segments before the first scan (ITU-T T.81, B.1.1)."""
    last, at, told = len(data) - 4, 2, []
    while at <= last:
        marker, length = _SEGMENT(data, at)
        if marker in TOLD:
            told.append((marker, at + 4, at + 2 + length))
        elif marker in ENDS:
            return told
        elif marker <= 0xFF00:
            raise ItemError(f"damaged JPEG: no marker at byte {at}")
        elif marker == 0xFFFF:  # any number of fill bytes may stand before a marker
            at += 1
            continue
        elif marker in BARE:
            at += 2
            continue
        at += 2 + length
    raise ItemError("truncated JPEG: it ends within its header")


def _profile(parts: dict[int, bytes], components: int) -> bytes:
    """The ICC profile of numbered parts; empty where one is missing, or where four components are not its CMYK."""
    whole = sorted(parts) == list(range(1, len(parts) + 1))
    profile = b"".join(parts[number] for number in sorted(parts)) if whole else b""
    return b"" if components == 4 and profile[16:20] != b"CMYK" else profile


def _orientation(exif: bytes) -> int:
    """Tag 0x0112 of the first directory of a TIFF block, in any place and byte order; 1 where it is not to be had."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 10:
        return 1
    (first,) = struct.unpack_from(order + "I", exif, 4)
    if first + 2 > len(exif):
        return 1
    (entries,) = struct.unpack_from(order + "H", exif, first)
    for at in range(first + 2, min(first + 2 + 12 * entries, len(exif) - 11), 12):
        tag, kind, count, value = struct.unpack_from(order + "HHIH", exif, at)
        if tag == 0x0112:
            return int(value) if kind == 3 and count == 1 and 1 <= value <= 8 else 1
    return 1


def _with_icc(encoded: bytes, icc: bytes) -> bytes:
    """The file with the profile in APP2 segments after the JFIF segment (ICC.1:2022, B.4)."""
    start = 4 + int.from_bytes(encoded[4:6], "big")
    parts = [icc[at : at + ICC_CHUNK] for at in range(0, len(icc), ICC_CHUNK)]
    if len(parts) > 255:
        raise ItemError(f"an ICC profile of {len(icc)} bytes", limit=f"{255 * ICC_CHUNK} bytes fit a JPEG")
    segments = (
        struct.pack(">HH", APP2, len(part) + 16) + ICC + bytes((number, len(parts))) + part
        for number, part in enumerate(parts, 1)
    )
    return b"".join((encoded[:start], *segments, encoded[start:]))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
