"""JPEG 2000: read through Pillow (OpenJPEG), samples of more than 8 bits through imagecodecs."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pipeline import NO_METADATA, STRICT, Codec, DecodeContext, Header, Health, ItemError, Metadata, Pixels, Size, Spec
from stages.media import exif, heif, icc, signatures
from stages.media.shrinking import by_halves, factor_of

if TYPE_CHECKING:
    from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

MODELS = {"L": "gray", "LA": "gray_alpha", "RGB": "rgb", "RGBA": "rgba", "I;16": "gray", "P": "rgb", "PA": "rgba"}
WEIGHED = {"LA": "La", "RGBA": "RGBa"}  # averages of colours weigh by alpha
MODES = {"gray": "L", "gray_alpha": "LA", "rgb": "RGB", "rgba": "RGBA"}
CODESTREAM, SIZ = b"\xff\x4f\xff\x51", 0xFF51
RESTRICTED, ANY = 2, 3  # kinds of colour box that hold a profile
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
EXIF = b"JpgTiffExif->JP2"


@dataclass(frozen=True)
class Jpeg2000(Codec):
    """JPEG 2000 (JP2 files and bare codestreams) of 8 to 16 bits a sample. Nothing is written.

    Decodes to gray, rgb, with or without alpha (H, W, C), uint8; of more than 8 bits to uint16, stretched to its range.
    Palettes become rgb. The profile, EXIF and XMP of a JP2 file are kept.
    """

    models: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def health(cls) -> Health:
        """Whether its libraries are there."""
        cls().open()
        return Health("reads .jp2 .j2k .jpf .jpx")

    def open(self) -> None:
        import imagecodecs  # noqa: F401 - loaded before the first frame, not within it
        from PIL import Jpeg2KImagePlugin  # noqa: F401

    def matches(self, head: bytes) -> bool:
        return signatures.picture(head) == "jpeg2000"

    def header(self, data: memoryview) -> Header:
        """Read the boxes and the header of the codestream; decodes no pixel.

        Raises:
            ItemError: cut short, damaged, or of a colour model that is not read.
        """
        with _opened(data) as image:
            mode, (width, height), dpi = image.mode, image.size, image.info.get("dpi", NO_METADATA.density)
        if mode not in MODELS or not width or not height:
            raise ItemError(f"is a JPEG 2000 of mode {mode}", limit="gray, RGB and palettes, with or without alpha")
        bits = _bits(data)
        profile, block, xmp = _beside(data)
        deep = bits > 8 and mode not in ("P", "PA")
        spec = Spec.of(
            MODELS[mode], height, width, dtype="uint16" if deep else "uint8", orientation=exif.orientation(block, xmp)
        )
        return Header(spec, Metadata(icc.trimmed(profile), block, xmp, density=dpi))

    def shrunk(self, spec: Spec, need: Size) -> Spec:
        """By 1/2, 1/4 ... 1/32, rounded up: pixels of 8 bits are averaged after they were decoded.

        To leave out levels of the wavelet would be faster and move the picture: its samples lie at the first of the
        pixels that they stand for, not in their middle.
        """
        return spec if spec.dtype == "uint16" else by_halves(spec, need)

    def decode(self, data: memoryview, spec: Spec, out: Pixels, how: DecodeContext = STRICT) -> None:
        """Decode into `out`, (H, W, C) of `spec`.

        Raises:
            ItemError: damaged or truncated.
        """
        pixels = _deep(data, _bits(data)) if spec.dtype == "uint16" else _shallow(data, spec)
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        if pixels.shape != out.shape:
            raise ItemError(f"damaged JPEG 2000: decoded to {pixels.shape}, its header says {spec.shape} (H, W, C)")
        out[...] = pixels


@contextlib.contextmanager
def _opened(data: memoryview) -> Iterator[Jpeg2KImageFile]:
    """Pillow's picture of a file; what goes wrong with it is ItemError."""
    from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

    try:
        with Jpeg2KImageFile(io.BytesIO(data)) as image:
            yield image
    except ItemError:
        raise
    except Exception as error:  # Pillow raises what OpenJPEG and its own reading of the boxes make of a file
        raise ItemError(f"damaged JPEG 2000: {' '.join(str(error).split()) or type(error).__name__}") from error


def _shallow(data: memoryview, spec: Spec) -> Pixels:
    mode = MODES[spec.model]
    with _opened(data) as image:
        image.load()
        picture = image.convert(mode) if image.mode != mode else image.copy()  # a copy has Pillow's own `reduce`
    if (factor := factor_of(spec)) > 1:
        picture = picture.convert(WEIGHED.get(mode, mode)).reduce(factor).convert(mode)
    return np.asarray(picture)


def _deep(data: memoryview, bits: int) -> Pixels:
    import imagecodecs

    try:
        pixels = imagecodecs.jpeg2k_decode(bytes(data), numthreads=1)
    except Exception as error:  # its own error, and ValueError
        raise ItemError(f"damaged JPEG 2000: {' '.join(str(error).split())}") from error
    if pixels.dtype != np.uint16:
        raise ItemError(f"is a JPEG 2000 of {pixels.dtype} samples", limit="whole numbers of 1 to 16 bits are read")
    most = (1 << bits) - 1
    return pixels if bits == 16 else ((pixels.astype(np.uint32) * 65535 + most // 2) // most).astype(np.uint16)


def _bits(data: memoryview) -> int:
    """Bits a sample, by the first segment of the codestream, which tells the size (ISO/IEC 15444-1, A.5.1)."""
    bare = bytes(data[:4]) == CODESTREAM
    start = 0 if bare else next((at for name, at, _ in heif.within(data, ()) if name == b"jp2c"), -1)
    if start < 0 or start + 43 > len(data) or int.from_bytes(data[start + 2 : start + 4], "big") != SIZ:
        raise ItemError("truncated JPEG 2000: it ends before its codestream")
    return (data[start + 42] & 0x7F) + 1


def _beside(data: memoryview) -> tuple[bytes, bytes, bytes]:
    """Profile, EXIF and XMP of a JP2 file; empty where there is none."""
    profile = block = xmp = b""
    for name, start, end in heif.within(data, (b"jp2h",)):
        if name == b"colr" and end - start > 3 and data[start] in (RESTRICTED, ANY):
            profile = profile or bytes(data[start + 3 : end])
    for name, start, end in heif.within(data, ()):
        kind = bytes(data[start : start + 16]) if name == b"uuid" else b""
        if kind == XMP:
            xmp = xmp or bytes(data[start + 16 : end])
        elif kind == EXIF:
            block = block or bytes(data[start + 16 : end]).removeprefix(exif.EXIF)
    return profile, block, xmp
