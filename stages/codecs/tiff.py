"""TIFF: read and written through libvips (libtiff); what that refuses, through tifffile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Literal

from pipeline import (
    STRICT,
    Codec,
    DecodeContext,
    Frame,
    Header,
    ItemError,
    Metadata,
    MissingCodec,
    Picture,
    Pixels,
    Size,
    Spec,
    SpecError,
)
from stages.media import icc, odd_tiff, raw_previews, signatures, tiff_fields, vips
from stages.media.shrinking import by_halves, factor_of
from stages.media.signatures import RAW
from stages.media.tiff_tags import DNG, EXTRA, IPTC, PHOTOMETRIC, SUBFILE, XMP, Directory, directory, pages

PREVIEW = 1  # bit of the tag for kinds of pages
CANON = b"CR"  # the mark of CR2 behind the header
SENSORS = (32803, 34892)  # what pixels mean in TIFF/EP and DNG: a colour filter array, linear raw
ALPHA = (1, 2)  # kinds of extra samples: premultiplied and straight
# Warnings are of tags and of later pages; what fails as an error is of the pixels.
LOADER = vips.Loader("TIFF", "tiffload_source", harmless="error")


@dataclass(frozen=True)
class Tiff(Codec):
    """TIFF and BigTIFF of 1 to 16 bits a sample, in strips and tiles; of several pages the first is read.

    Decodes to gray, gray_alpha, rgb or rgba (H, W, C), uint8 or uint16, straight alpha last; 16 bits are kept
    exactly, and 12 are stretched. Palettes, YCbCr and L*a*b* become rgb, and CMYK without an ICC profile by 255 - ink;
    with one it stays cmyk (H, W, 4; the largest sample is full ink) and is converted by it. Encodes uint8 and uint16,
    with a predictor where the compression gains from it; an ICC profile, EXIF, XMP, IPTC and the density are written.
    """

    compression: Literal["deflate", "lzw", "zstd", "none", "jpeg"] = field(
        default="deflate",
        metadata={"doc": "lossless but for jpeg; zstd packs as well as deflate and faster, and is read by fewer"},
    )
    quality: int = field(
        default=85, metadata={"ge": 1, "le": 100, "doc": "of compression jpeg: libjpeg's scale; 75 small, 90 fine"}
    )

    extensions: ClassVar[tuple[str, ...]] = ("tif", "tiff")
    pixels_version: ClassVar[int] = 3
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb", "gray_alpha", "rgba")
    dtypes: ClassVar[tuple[str, ...]] = ("uint8", "uint16")
    holds: ClassVar[frozenset[str]] = frozenset(("exif", "xmp", "iptc", "density"))
    example: ClassVar[Mapping[str, Any]] = {"compression": "lzw"}

    def open(self) -> None:
        vips.library()

    def matches(self, head: bytes) -> bool:
        return signatures.picture(head) == "tiff"

    def header(self, data: memoryview) -> Header:
        """Read the directories; unpacks nothing.

        Raises:
            ItemError: cut short, damaged, or of a kind that is not read.
        """
        page = directory(data)
        if _is_raw(data, page):
            raise MissingCodec("is a camera's raw file (its first page is a preview), which is not read", remedy=RAW)
        return replace(_header(data, page), frames=sum(1 for _ in pages(page)))

    def preview(self, data: memoryview) -> bytes | None:
        """The largest JPEG inside a camera's raw file."""
        return raw_previews.largest(data) if _is_raw(data, directory(data)) else None

    def shrunk(self, spec: Spec, need: Size) -> Spec:
        """By 1/2, 1/4 ... 1/32, rounded up: pixels are averaged while the file is read."""
        return by_halves(spec, need)

    def decode(self, data: memoryview, spec: Spec, out: Pixels, how: DecodeContext = STRICT) -> None:
        """Decode the first page into `out`, (H, W, C) of `spec`.

        Raises:
            ItemError: damaged or truncated.
        """
        page = directory(data)
        _decode(_alone(data, page, how), page, 0, spec, how, out)

    def pictures(self, data: memoryview, header: Header, how: DecodeContext = STRICT) -> Iterator[Picture]:
        """The pages, each of a size, model and depth of its own; previews and masks are none."""
        data = _alone(data, directory(data), how)
        for number, page in pages(directory(data)):
            spec = header.spec if not number else _header(data, page, number).spec
            yield Picture(spec, partial(_decode, data, page, number, spec, how))

    def encode(self, frame: Frame) -> bytes:
        """The file; `frame.pixels` is C-contiguous (H, W, 1 to 4), uint8 or uint16, any alpha last.

        Raises:
            SpecError: another dtype or colour model, or one that JPEG does not hold.
        """
        spec = frame.spec
        spec.require(dtype=("uint8", "uint16"), model=self.models)
        if self.compression == "jpeg" and (spec.dtype != "uint8" or spec.has_alpha):
            raise SpecError(f"{spec}", limit="JPEG holds uint8 without alpha", remedy="choose another compression")
        if self.compression == "zstd":  # which the wheel's libtiff does not have
            return tiff_fields.with_fields(odd_tiff.encode(frame), frame.metadata)
        predictor = "none" if self.compression in ("none", "jpeg") else "horizontal"
        encoded: bytes = vips.image_of(frame, frame.metadata.icc).tiffsave_buffer(
            compression=self.compression, Q=self.quality, predictor=predictor, keep="icc"
        )
        return tiff_fields.with_fields(encoded, frame.metadata)


def _is_raw(data: memoryview, page: Directory) -> bool:
    return (
        DNG in page.tags or bool(page.number(SUBFILE, 0) & PREVIEW) or bytes(data[8:10]) == CANON
        or page.number(PHOTOMETRIC, 0) in SENSORS
    )  # fmt: skip


def _header(data: memoryview, page: Directory, number: int = 0) -> Header:
    """Spec of a page, and what stands beside its pixels."""
    if odd_tiff.is_odd(page):
        return odd_tiff.header(data, page, number)
    image = LOADER.open(data, page=number)
    profile = icc.trimmed(vips.block(image, "icc-profile-data"))
    shown = _shown(page, keep_ink=profile[16:20] == b"CMYK")(image)
    ink = shown.interpretation == "cmyk"
    turn = int(image.get("orientation")) if image.get_typeof("orientation") else 1
    spec = Spec.of(
        "cmyk" if ink else vips.MODELS[shown.bands], image.height, image.width, dtype=vips.DTYPES[shown.format],
        orientation=turn if 1 <= turn <= 8 else 1,
    )  # fmt: skip
    profile = b"" if image.interpretation == "cmyk" and not ink else profile
    beside = Metadata(
        profile, tiff_fields.exif_of(data, page), page.block(XMP), page.block(IPTC), density=tiff_fields.density(page)
    )
    return Header(spec, beside)


def _decode(
    data: memoryview, page: Directory, number: int, spec: Spec, how: DecodeContext, out: Pixels
) -> None:  # fmt: skip
    if odd_tiff.is_odd(page):
        odd_tiff.decode(data, spec, out, number)
        return
    small = vips.shrunk_by(factor_of(spec), alpha=spec.has_alpha)
    shown = _shown(page, keep_ink=spec.model == "cmyk")
    LOADER.decode(data, spec, out, how, lambda image: small(shown(image)), page=number)


def _alone(data: memoryview, page: Directory, how: DecodeContext) -> memoryview:
    """The file without its later pages where the next one is not to be found: libtiff would fail the first one too."""
    if not page.following:
        return data
    try:
        directory(data, page.following)
    except ItemError as error:
        how.remark(f"its second page cannot be found ({error.what}); the first one was read")
        alone = bytearray(data)
        alone[page.pointer] = bytes(page.pointer.stop - page.pointer.start)
        return memoryview(alone)
    return data


def _shown(page: Directory, *, keep_ink: bool) -> Callable[[Any], Any]:
    """From what libtiff gives to gray, rgb or (with its profile) cmyk, and alpha where the file says which it is."""
    return partial(_colours, extra=tuple(page.numbers(EXTRA).tolist()), keep_ink=keep_ink)


def _colours(image: Any, *, extra: tuple[int, ...], keep_ink: bool) -> Any:
    if image.format not in vips.DTYPES:
        raise ItemError(
            f"a TIFF of {image.format} samples", limit="whole numbers of 1 to 16 bits are read",
            remedy="convert it first, for example with: magick in.tif -depth 16 out.tif",
        )  # fmt: skip
    ink = image.interpretation == "cmyk"
    samples = 4 if ink else 1 if image.bands - len(extra) < 3 else 3
    alpha = next(
        (samples + place for place, kind in enumerate(extra) if kind in ALPHA and samples + place < image.bands), 0
    )
    if not extra and not ink and image.bands == samples + 1 == 4:
        alpha = samples  # what the fourth sample is, is not said: all programs take it for alpha
    if ink:
        colour = image[:4].copy(interpretation="cmyk")
        return colour if keep_ink else vips.without_ink(colour)
    if alpha:
        return image[:samples].bandjoin(image[alpha])  # libvips has made premultiplied colours straight
    return image if image.bands == samples else image[:samples]
