"""HEIC: read through pi-heif (libheif and libde265), whole, and averaged to the size that is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np

from pipeline import STRICT, Codec, DecodeContext, Header, Health, ItemError, Metadata, Picture, Pixels, Size, Spec
from stages.media import exif, heif, icc, signatures, vips
from stages.media.shrinking import by_halves, factor_of

MODES = {"L": "gray", "LA": "gray_alpha", "RGB": "rgb", "RGBA": "rgba"}
DEEP = {"I;16": "gray", "RGB;16": "rgb", "RGBA;16": "rgba"}


@dataclass(frozen=True)
class Heic(Codec):
    """HEIC and HEIF of HEVC, as phones write them; of several pictures the primary one is read. Nothing is written.

    Decodes to rgb or rgba (H, W, C), uint8; files of 10 and 12 bits to uint16, stretched to its range; straight alpha
    last. `irot`, `imir` and `clap` are applied. Colours come from the profile, or else from the codes in `nclx`.
    """

    pixels_version: ClassVar[int] = 2
    common: ClassVar[int] = 2
    models: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def health(cls) -> Health:
        """Whether its library is there."""
        cls().open()
        return Health("reads .heic .heif .hif")

    def open(self) -> None:
        import pi_heif

        vips.library()
        pi_heif.options.DECODE_THREADS = 1

    def matches(self, head: bytes) -> bool:
        return signatures.picture(head) == "heic"

    def header(self, data: memoryview) -> Header:
        """Read the boxes; decodes no pixel.

        Raises:
            ItemError: cut short, damaged, or nothing that libheif knows.
        """
        file = _opened(data)
        told = file.info
        codes = heif.properties(data)
        profile = told.get("icc_profile") or b""
        transfer = "unspecified" if profile else icc.HDR.get(codes.transfer, "unspecified")
        spec = replace(_spec(file), transfer=transfer)
        block = (told.get("exif") or b"").removeprefix(exif.EXIF)
        beside = Metadata(
            icc.trimmed(profile) or icc.of_codes(codes.primaries, codes.transfer),
            block,
            told.get("xmp") or b"",
            density=exif.density(block),
        )
        return Header(spec, beside, len(file))

    def shrunk(self, spec: Spec, need: Size) -> Spec:
        """By 1/2, 1/4 ... 1/32, rounded up: pixels are averaged after they were decoded."""
        return by_halves(spec, need)

    def decode(self, data: memoryview, spec: Spec, out: Pixels, how: DecodeContext = STRICT) -> None:
        """Decode the primary picture into `out`, (H, W, C) of `spec`.

        Raises:
            ItemError: damaged or truncated.
        """
        _fill(_opened(data), spec, out)

    def pictures(self, data: memoryview, header: Header, how: DecodeContext = STRICT) -> Iterator[Picture]:
        """The pictures of the file that are to be shown, the primary one first."""
        file = _opened(data)
        first = file.primary_index
        for number in (first, *(each for each in range(len(file)) if each != first)):
            picture = file[number]
            spec = header.spec if number == first else _spec(picture)
            yield Picture(spec, partial(_fill, picture, spec))


def _spec(picture: Any) -> Spec:
    """What the decoder makes of a picture; raises ItemError where that is nothing."""
    width, height = picture.size
    deep = picture.mode in DEEP
    model = DEEP[picture.mode] if deep else MODES.get(picture.mode, "")
    if not model or not width or not height:
        raise ItemError(f"damaged HEIC: {width}x{height} pixels of mode {picture.mode}")
    return Spec.of(model, height, width, dtype="uint16" if deep else "uint8")


def _fill(picture: Any, spec: Spec, out: Pixels) -> None:
    try:
        pixels = np.asarray(picture)
    except Exception as error:  # libheif's errors come as several kinds
        raise ItemError(f"damaged HEIC: {' '.join(str(error).split())}") from error
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.shape != (*spec.full_size, spec.channels) or pixels.dtype != spec.dtype:
        raise ItemError(f"damaged HEIC: decoded to {pixels.shape}, its header says {spec.full_size} (H, W)")
    factor = factor_of(spec)
    if factor == 1:
        out[...] = pixels
    else:
        vips.averaged(np.ascontiguousarray(pixels), spec, factor, out)


def _opened(data: memoryview) -> Any:
    import pi_heif

    strange = next((kind for kind in heif.item_types(data) if not kind.isascii()), b"")
    if strange:  # which ends pi-heif 1.4, and the process with it
        raise ItemError(f"damaged HEIC: an item of the type {strange!r}")
    try:
        file = pi_heif.open_heif(bytes(data), convert_hdr_to_8bit=False)
        _ = file.info  # of the primary picture: there may be none
    except Exception as error:  # it raises ValueError, RuntimeError, EOFError and what libheif makes of a file
        raise ItemError(f"damaged HEIC: {' '.join(str(error).split())}") from error
    return file
