"""TIFFs that libvips refuses, through tifffile and imagecodecs: odd numbers of bits, packings and colours.

12 bits a sample, L*a*b*, YCbCr without JPEG, LZMA and Zstandard, tiles of separate planes. They are rare, so they are
decoded whole and in memory of their own.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from pipeline import Frame, Header, ItemError, Metadata, Pixels, Spec
from stages.media import icc, tiff_fields, vips
from stages.media.shrinking import factor_of
from stages.media.tiff_tags import (
    BITS,
    COMPRESSION,
    FORMAT,
    IPTC,
    PHOTOMETRIC,
    PLANAR,
    SAMPLES,
    TILE_WIDTH,
    XMP,
    Directory,
)  # fmt: skip

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, INK, YCBCR, LAB, ICC_LAB = (
    0,
    1,
    2,
    3,
    5,
    6,
    8,
    9,
)  # photometric interpretations
LABS = (LAB, ICC_LAB)  # a and b with a sign, and without
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, PALETTE: 1, RGB: 3, INK: 4, YCBCR: 3, LAB: 3, ICC_LAB: 3}
OLD_JPEG, JPEG = 6, 7
USUAL_PACKINGS = (1, 2, 3, 4, 5, JPEG, 8, 32773, 32946)
USUAL_BITS = (1, 2, 4, 8, 16)
ASSOCIATED, UNASSOCIATED = 1, 2  # extra samples that are alpha, premultiplied and straight


def is_odd(page: Directory) -> bool:
    """Whether it is one of those."""
    kind, packing = page.number(PHOTOMETRIC, BLACK_IS_ZERO), page.number(COMPRESSION, 1)
    whole = bool((page.numbers(FORMAT, 1) == 1).all())
    return (
        kind in LABS
        or (kind == YCBCR and packing != JPEG)
        or (whole and page.number(BITS, 1) not in USUAL_BITS)
        or packing not in USUAL_PACKINGS
        or (TILE_WIDTH in page.tags and page.number(PLANAR, 1) == 2 and page.number(SAMPLES, 1) > 1)
    )


def header(data: memoryview, directory: Directory, number: int = 0) -> Header:
    """What `Tiff.header` says, of an odd page.

    Raises:
        ItemError: damaged, or of a kind that is not read either.
    """
    try:
        return _header(_page(data, number), directory)
    except ItemError:
        raise
    except Exception as error:  # tifffile raises whatever a damaged file makes of its arithmetic
        raise ItemError(f"damaged TIFF: {' '.join(str(error).split())}") from error


def _header(page: Any, directory: Directory) -> Header:
    kind, bits = int(page.photometric), int(page.bitspersample)
    if kind not in COLOURS or bits > 16 or page.sampleformat != 1 or (kind in (*LABS, YCBCR) and bits != 8):
        name = getattr(page.photometric, "name", f"photometric interpretation {kind}")
        what = f"a TIFF of {name}, {page.samplesperpixel} samples of {bits} bits"
        raise ItemError(what, limit="gray, RGB, CMYK, YCbCr and L*a*b* of whole numbers are read")
    profile = b"" if kind in LABS else icc.trimmed(page.iccprofile or b"")
    ink = kind == INK and profile[16:20] == b"CMYK"
    model = "cmyk" if ink else "gray" if kind in (WHITE_IS_ZERO, BLACK_IS_ZERO) else "rgb"
    if _alpha(page) is not None and not ink:
        model = {"gray": "gray_alpha", "rgb": "rgba"}[model]
    turn = page.tags.valueof(274, 1)
    spec = Spec.of(
        model, page.imagelength, page.imagewidth, dtype="uint8" if bits <= 8 else "uint16",
        orientation=turn if turn in range(1, 9) else 1,
    )  # fmt: skip
    beside = Metadata(
        b"" if kind == INK and not ink else profile, tiff_fields.exif_of(directory.data, directory),
        directory.block(XMP), directory.block(IPTC), density=tiff_fields.density(directory),
    )  # fmt: skip
    return Header(spec, beside)


def decode(data: memoryview, spec: Spec, out: Pixels, number: int = 0) -> None:
    """Decode into `out`, (H, W, C) of `spec`; averaged where that is smaller than the page.

    Raises:
        ItemError: damaged or truncated.
    """
    factor = factor_of(spec)
    whole = out if factor == 1 else np.empty((*spec.full_size, spec.channels), spec.dtype)
    try:
        page = _page(data, number)
        if page.compression == OLD_JPEG:
            _by_libtiff(data, number, whole)
        else:
            _decode(page, spec, whole)
        if factor > 1:
            vips.averaged(whole, spec, factor, out)
    except ItemError:
        raise
    except Exception as error:  # as above
        raise ItemError(f"damaged TIFF: {' '.join(str(error).split())}") from error


def _decode(page: Any, spec: Spec, out: Pixels) -> None:
    samples = page.asarray()
    if page.planarconfig == 2 and samples.ndim == 3:
        samples = samples.transpose(1, 2, 0)
    samples = samples.reshape(*samples.shape[:2], -1)
    kind, bits = int(page.photometric), int(page.bitspersample)
    colours = COLOURS[kind]
    if samples.shape[:2] != out.shape[:2] or samples.shape[2] < colours:
        raise ItemError(f"damaged TIFF: decoded to {samples.shape}, its header says {out.shape} (H, W, C)")
    if bits not in (8, 16) and kind != PALETTE:
        most = (1 << bits) - 1
        samples = ((samples.astype(np.uint32) * spec.white + most // 2) // most).astype(spec.dtype)
    place = _alpha(page)
    colour = _from_palette(samples[..., 0], page) if kind == PALETTE else _coloured(samples[..., :colours], kind, spec)
    if not spec.has_alpha or place is None:
        out[...] = colour
        return
    alpha = samples[..., colours + place : colours + place + 1]
    if page.extrasamples[place] == ASSOCIATED:
        share = np.maximum(alpha, 1).astype(np.uint32)
        colour = np.minimum((colour.astype(np.uint64) * spec.white + share // 2) // share, spec.white)
    out[..., :-1], out[..., -1:] = colour, alpha


def _by_libtiff(data: memoryview, number: int, out: Pixels) -> None:
    """JPEG as TIFF 6.0 had it, its tables and data in places of their own: only Pillow's libtiff puts it together."""
    from PIL import TiffImagePlugin

    with TiffImagePlugin.TiffImageFile(io.BytesIO(data)) as image:
        image.seek(number)
        image.load()
        pixels = np.asarray(image.convert("L" if out.shape[2] == 1 else "RGB")).reshape(*image.size[::-1], -1)
    if pixels.shape != out.shape:
        raise ItemError(f"damaged TIFF: decoded to {pixels.shape}, its header says {out.shape} (H, W, C)")
    out[...] = pixels


def encode(frame: Frame) -> bytes:
    """A Zstandard TIFF of uint8 or uint16, (H, W, 1 to 4), any alpha last, with predictor and profile."""
    import tifffile

    spec, file = frame.spec, io.BytesIO()
    pixels = frame.pixels[..., 0] if spec.channels == 1 else frame.pixels
    tifffile.imwrite(
        file, pixels, photometric="minisblack" if spec.channels < 3 else "rgb", planarconfig="contig",
        extrasamples=["unassalpha"] if spec.has_alpha else None, compression="zstd", predictor=True, metadata=None,
        iccprofile=frame.metadata.icc or None,
    )  # fmt: skip
    return file.getvalue()


def _page(data: memoryview, number: int) -> Any:
    import tifffile

    try:
        return tifffile.TiffFile(io.BytesIO(data)).pages[number]
    except Exception as error:  # as above
        raise ItemError(f"damaged TIFF: {' '.join(str(error).split())}") from error


def _alpha(page: Any) -> int | None:
    """Which of the extra samples is alpha."""
    kinds = [int(kind) for kind in page.extrasamples]
    return next((place for place, kind in enumerate(kinds) if kind in (ASSOCIATED, UNASSOCIATED)), None)


def _coloured(samples: Pixels, kind: int, spec: Spec) -> Pixels:
    """Colours as the Spec has them, from those of the file."""
    if kind == WHITE_IS_ZERO:
        return spec.white - samples
    if kind == INK and spec.model != "cmyk":
        light = spec.white - samples.astype(np.uint64)
        return ((light[..., :3] * light[..., 3:] + spec.white // 2) // spec.white).astype(spec.dtype)
    if kind in (YCBCR, *LABS):
        return _by_pillow(samples, kind)
    return samples


def _from_palette(indices: Pixels, page: Any) -> Pixels:
    """Indices (H, W) to RGB of 8 bits; some writers fill the 16 bits of a colour with 8 only."""
    colours = np.asarray(page.colormap)
    eight = colours if colours.max() < 256 else colours >> 8
    return eight.T[indices].astype(np.uint8)


def _by_pillow(samples: Pixels, kind: int) -> Pixels:
    """YCbCr (BT.601), or L*a*b* of 8 bits (TIFF 6.0, section 23; under D50), to sRGB."""
    from PIL import Image, ImageCms

    samples = np.ascontiguousarray(samples, np.uint8)
    if kind == ICC_LAB:  # Pillow takes a and b as this format has them, with a sign
        samples = samples ^ np.array([0, 128, 128], np.uint8)
    size = samples.shape[1::-1]
    if kind == YCBCR:
        return np.asarray(Image.frombytes("YCbCr", size, samples.tobytes()).convert("RGB"))
    picture = Image.frombytes("LAB", size, samples.tobytes())
    transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    return np.asarray(transform.apply(picture))
