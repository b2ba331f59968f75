"""JPEG XL: read through imagecodecs (libjxl), whole, and averaged to the size that is needed."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pipeline import STRICT, Codec, DecodeContext, Header, Health, ItemError, Metadata, Pixels, Size, Spec
from stages.media import exif, heif, icc, jpeg_blocks, jxl_header, signatures, vips
from stages.media.shrinking import by_halves, factor_of

if TYPE_CHECKING:
    from stages.media.jxl_header import JxlHeader

BARE = b"\xff\x0a"
MOST_PACKED = 1 << 27  # pixels of a JPEG that is unpacked for what stands beside them; more are beyond the limits
HEAD_NBYTES = 4096  # of a codestream: its header is shorter
DISPLAY = {8: 1.0, 17: 2.6}  # exponents by transfer (H.273); all others are shown as that of sRGB


@dataclass(frozen=True)
class Jpegxl(Codec):
    """JPEG XL of 1 to 16 bits a sample; of an animation the first frame is read. Nothing is written.

    Decodes to gray or rgb, with or without straight alpha (H, W, C), uint8; of more than 8 bits to uint16, stretched to
    its range. Colours come from the codes of the codestream; a profile can be had only of files that are packed JPEGs,
    and of lossy ones, which the decoder brings to linear sRGB by itself. EXIF and XMP are kept where they are not
    packed.
    """

    models: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def health(cls) -> Health:
        """Whether its library is there."""
        cls().open()
        return Health("reads .jxl")

    def open(self) -> None:
        import imagecodecs

        _ = imagecodecs.jpegxl_decode
        vips.library()

    def matches(self, head: bytes) -> bool:
        return signatures.picture(head) == "jpegxl"

    def header(self, data: memoryview) -> Header:
        """Read the boxes and the header of the codestream; unpacks nothing but a JPEG that is packed in the file.

        Raises:
            ItemError: cut short, damaged, or of samples or colours that are not read.
        """
        told, found = _told(data), _boxes(data)
        beside = Metadata(b"", found.get(b"Exif", b"")[4:].removeprefix(exif.EXIF), found.get(b"xml ", b""))
        if b"jbrd" in found and told.height * told.width <= MOST_PACKED:
            beside = _of_packed(data)
        elif told.has_icc and not told.is_xyb:
            raise ItemError(
                "is a JPEG XL with an ICC profile packed into it, which no library here unpacks",
                remedy="convert it first, for example with: djxl in.jxl out.png",
            )
        elif told.has_icc:  # whose decoder has no use for it, and gives linear light
            beside = Metadata(icc.of_gamma(1.0, None, gray=told.is_gray), beside.exif, beside.xmp)
        else:
            beside = Metadata(_profile(told), beside.exif, beside.xmp, density=exif.density(beside.exif))
        model = ("gray" if told.is_gray else "rgb") + ("_alpha" if told.has_alpha else "")
        spec = Spec.of(
            model.replace("rgb_alpha", "rgba"), told.height, told.width, dtype="uint8" if told.bits <= 8 else "uint16",
            orientation=told.orientation, transfer=icc.HDR.get(told.transfer, "unspecified"),
        )  # fmt: skip
        return Header(spec, beside, remarks=("is an animation: its first frame was read",) if told.is_animated else ())

    def shrunk(self, spec: Spec, need: Size) -> Spec:
        """By 1/2, 1/4 ... 1/32, rounded up: pixels are averaged after they were decoded."""
        return by_halves(spec, need)

    def decode(self, data: memoryview, spec: Spec, out: Pixels, how: DecodeContext = STRICT) -> None:
        """Decode the first frame into `out`, (H, W, C) of `spec`.

        Raises:
            ItemError: damaged or truncated.
        """
        import imagecodecs

        try:
            pixels: Pixels = imagecodecs.jpegxl_decode(bytes(data), index=0, keeporientation=True, numthreads=1)
        except Exception as error:  # its own error, and ValueError
            raise ItemError(f"damaged JPEG XL: {' '.join(str(error).split())}") from error
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        if pixels.shape != (*spec.full_size, spec.channels) or pixels.dtype != spec.dtype:
            raise ItemError(f"damaged JPEG XL: decoded to {pixels.shape}, its header says {spec.full_size} (H, W)")
        told = _told(data)
        most = (1 << told.bits) - 1
        if most != spec.white:
            pixels = ((pixels.astype(np.uint32) * spec.white + most // 2) // most).astype(spec.dtype)
        if told.premultiplied:
            share = np.maximum(pixels[..., -1:], 1).astype(np.uint64)
            colour = (pixels[..., :-1] * np.uint64(spec.white) + share // 2) // share
            pixels = np.concatenate([np.minimum(colour, spec.white).astype(spec.dtype), pixels[..., -1:]], -1)
        factor = factor_of(spec)
        if factor == 1:
            out[...] = pixels
        else:
            vips.averaged(np.ascontiguousarray(pixels), spec, factor, out)


def _told(data: memoryview) -> JxlHeader:
    """The header of the codestream; raises ItemError for what is not read."""
    told = jxl_header.read(_codestream(data))
    what = (
        "floating-point samples" if not told.bits else f"{told.bits} bits a sample" if told.bits > 16
        else "CMYK" if told.has_black else ""
    )  # fmt: skip
    if what:
        raise ItemError(f"is a JPEG XL of {what}", limit="gray and RGB of 1 to 16 bits are read")
    return told


def _codestream(data: memoryview) -> bytes:
    """Its first bytes, which a file may hold in one box or in several."""
    if bytes(data[:2]) == BARE:
        return bytes(data[:HEAD_NBYTES])
    parts = b""
    for name, start, end in heif.boxes(data, 0, len(data)):
        if name in (b"jxlc", b"jxlp"):
            parts += bytes(data[start + (4 if name == b"jxlp" else 0) : min(end, start + 4 + HEAD_NBYTES)])
        if len(parts) >= HEAD_NBYTES or name == b"jxlc":
            break
    if parts[:2] != BARE:
        raise ItemError("truncated JPEG XL: it ends before its codestream")
    return parts[:HEAD_NBYTES]


def _boxes(data: memoryview) -> dict[bytes, bytes]:
    """What stands beside the codestream, the first of each kind."""
    if bytes(data[:2]) == BARE:
        return {}
    found: dict[bytes, bytes] = {}
    for name, start, end in heif.boxes(data, 0, len(data)):
        if name in (b"Exif", b"xml ", b"jbrd") and name not in found:
            found[name] = bytes(data[start:end]) if name != b"jbrd" else b""
    return found


def _of_packed(data: memoryview) -> Metadata:
    """What stands beside the pixels of the JPEG that the file was made of."""
    import imagecodecs

    try:
        jpeg = imagecodecs.jpegxl_decode_jpeg(bytes(data), numthreads=1)
    except Exception as error:  # its own error, and ValueError
        raise ItemError(f"damaged JPEG XL: {' '.join(str(error).split())}") from error
    found = jpeg_blocks.read(memoryview(jpeg))
    return Metadata(found.profile, found.exif, found.xmp, found.iptc, found.comment, found.density)


def _profile(told: JxlHeader) -> bytes:
    """The profile of the codes; empty where they say sRGB, or what is for no common screen."""
    if told.transfer in icc.HDR:
        return b""
    try:
        return icc.of_gamma(told.gamma or DISPLAY.get(told.transfer, 0.0), told.primaries, gray=told.is_gray)
    except (struct.error, OverflowError, ValueError) as error:  # chromaticities that no profile can hold
        raise ItemError(f"damaged JPEG XL: its colours make no sense ({error})") from error
