"""PNG: damage that is none, kinds of samples, colour codes."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from case import Array, Case, Reader
from parts import chunk, gray, palette_of, picture, png
from PIL import Image
from readers import as_written, ffmpeg, imagemagick, in_srgb, java, pillow

BOTH = (ffmpeg, java)
IM = (ffmpeg, imagemagick)


def damage() -> Iterator[Case]:
    kind = "PNG: damage that is none"
    whole = {"truth": picture(), "within": 0.01}
    wrong = 0x12345678
    text = chunk(b"tEXt", b"Comment\0hello", wrong)
    yield Case("p_crc_text.png", kind, "CRC of text", png(picture(), before=text), (ffmpeg, pillow), **whole)
    end = png(picture(), end=b"\0\0\0\0IE")
    yield Case("p_half_iend.png", kind, "IEND is cut", end, (pillow, java), **whole)
    yield Case("p_junk_after.png", kind, "bytes after IEND", png(picture()) + b"junk" * 40, BOTH, **whole)
    yield Case("p_no_iend_junk.png", kind, "junk for IEND", png(picture(), end=b"\xff" * 9), (pillow, java), **whole)
    idats = png(picture(), pieces=5, empty=True)
    yield Case("p_empty_idats.png", kind, "image data with empty chunks", idats, BOTH, **whole)
    yield Case("p_zlib_tail.png", kind, "bytes after the zlib stream", png(picture(), tail=b"tail" * 8), BOTH, **whole)
    broken = chunk(b"zTXt", b"Comment\0\0" + b"not zlib") + chunk(b"bKGD", b"\0")
    yield Case("p_broken_text.png", kind, "zTXt and bKGD that are none", png(picture(), before=broken), BOTH, **whole)
    unknown = png(picture(), before=chunk(b"prVt", b"ours"), after=chunk(b"teSt", bytes(99)))
    yield Case("p_unknown.png", kind, "unknown chunks", unknown, BOTH, **whole)
    bad = chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"no profile at all" * 20))
    yield Case("p_iccp_none.png", kind, "iCCP that is no profile", png(picture(), before=bad), BOTH, **whole)


def samples() -> Iterator[Case]:
    kind = "PNG: samples"
    exact: dict[str, Any] = {"within": 0.6}
    level = gray()
    one = (level > 127).astype(np.uint8)
    yield Case("p_gray1.png", kind, "1 bit", png(one, 1), (ffmpeg, pillow), truth=one * 255, **exact)
    for name, bits, key in (("p_gray2_trns.png", 2, 1), ("p_gray4_trns.png", 4, 7)):
        few = level >> (8 - bits)
        clear = np.where(few == key, 0, 255)
        told = as_written(np.dstack([few * (255 // (2**bits - 1)), clear]).astype(np.uint8))
        data = png(few, bits, before=chunk(b"tRNS", struct.pack(">H", key)))
        yield Case(name, kind, f"{bits} bits, one level clear", data, (imagemagick, told), **exact)
    indices, table = palette_of(picture())
    plte = chunk(b"PLTE", table)
    some = plte + chunk(b"tRNS", bytes([0, 40, 80, 120] * 30))
    data = png(indices, 8, 3, before=some)
    yield Case("p_pal_trns.png", kind, "palette, alpha for half of it", data, (ffmpeg, pillow), **exact)
    low = (level >> 4).astype(np.uint8)
    grays = np.repeat(np.arange(16, dtype=np.uint8) * 17, 3).tobytes()
    data = png(np.minimum(low, 14), 4, 3, before=chunk(b"PLTE", grays[:45]))
    yield Case("p_pal4_short.png", kind, "4 bits, 15 of 16 colours", data, (ffmpeg, pillow), **exact)
    alpha = np.full((*level.shape, 1), 180, np.uint8)
    alpha[:20] = 255
    deep = np.concatenate([picture(), alpha], -1).astype(np.uint16) * 257
    yield Case(
        "p_adam7_16.png",
        kind,
        "16 bits, alpha, interlaced",
        png(deep, 16, interlaced=True),
        (imagemagick, pillow),
        **exact,
    )
    yield Case(
        "p_adam7_pal.png", kind, "palette, interlaced", png(indices, 8, 3, before=plte, interlaced=True), BOTH, **exact
    )
    key = chunk(b"tRNS", struct.pack(">HHH", *picture()[0, 0].tolist()))
    yield Case("p_rgb_trns.png", kind, "a colour that is clear", png(picture(), before=key), (ffmpeg, java), **exact)
    gray_alpha = np.dstack([level, alpha[..., 0]]).astype(np.uint16) * 257
    yield Case("p_la16.png", kind, "gray and alpha of 16 bits", png(gray_alpha, 16), IM, **exact)


# ---- colour --------------------------------------------------------------------------------------------------------

# Chromaticities of red, green and blue; white is D65 in all.
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
D65 = (0.3127, 0.3290)


def to_xyz(primaries: Any) -> Array:
    """The matrix from linear RGB to XYZ, by SMPTE RP 177."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    white = np.array([D65[0] / D65[1], 1, (1 - D65[0] - D65[1]) / D65[1]])
    return columns * np.linalg.solve(columns, white)


def srgb_curve(values: Array) -> Array:
    """IEC 61966-2-1, code to light."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def srgb_code(light: Array) -> Array:
    """IEC 61966-2-1, light to code."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def by_formula(primaries: Any, gamma: float = 0.0) -> Reader:
    """FFmpeg's pixels from these primaries and this gamma (without one: sRGB's curve) to sRGB."""

    def formula(data: bytes, name: str) -> Array:
        shown = ffmpeg(data, name)
        codes = shown[..., :3] / 255
        light = codes**gamma if gamma else srgb_curve(codes)
        matrix = np.linalg.solve(to_xyz(SRGB), to_xyz(primaries))
        out = np.rint(srgb_code(light @ matrix.T) * 255).astype(np.uint8)
        return np.concatenate([out, shown[..., 3:]], -1)

    return formula


def by_lcms(primaries: Any, gamma: float = 0.0) -> Reader:
    """Pillow's pixels through a profile that Little CMS makes of the numbers."""
    import imagecodecs

    white = [*D65, 1.0]
    flat = [value for x, y in primaries for value in (x, y, 1.0)]
    curve = None if gamma else [float(srgb_curve(np.array(n / 1023))) for n in range(1024)]
    icc = imagecodecs.cms_profile(
        "rgb", whitepoint=white, primaries=flat,
        **({"gamma": gamma} if gamma else {"transferfunction": np.array(curve, np.float32)}),
    )  # fmt: skip
    return in_srgb(icc)


def chrm(primaries: Any) -> bytes:
    numbers = [round(value * 100000) for pair in (D65, *primaries) for value in pair]
    return chunk(b"cHRM", struct.pack(">8I", *numbers))


def gama(gamma: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(100000 / gamma)))


def colour(srgb: bytes, p3: bytes) -> Iterator[Case]:
    kind = "PNG: colour"
    cicp = chunk(b"cICP", bytes([12, 13, 0, 1]))
    wide = (by_formula(P3), by_lcms(P3))
    yield Case("p_cicp_p3.png", kind, "cICP: Display P3", png(picture(), before=cicp), wide)
    other = chunk(b"iCCP", b"icc\0\0" + zlib.compress(srgb))
    yield Case("p_cicp_iccp.png", kind, "cICP before iCCP", png(picture(), before=cicp + other), wide)
    sure = chunk(b"sRGB", b"\0") + gama(1.0) + chrm(ADOBE)
    plain = {"truth": picture(), "within": 0.01}
    yield Case(
        "p_srgb_gama.png", kind, "sRGB before gAMA and cHRM", png(picture(), before=sure), (ffmpeg, pillow), **plain
    )
    adobe = gama(2.2) + chrm(ADOBE)
    yield Case("p_gama_chrm.png", kind, "gAMA 2.2, cHRM of Adobe RGB", png(picture(), before=adobe),
               (by_formula(ADOBE, 2.2), by_lcms(ADOBE, 2.2)))  # fmt: skip
    yield Case("p_gama18.png", kind, "gAMA of 1.8", png(picture(), before=gama(1.8)),
               (by_formula(SRGB, 1.8), by_lcms(SRGB, 1.8)))  # fmt: skip
    tagged = chunk(b"iCCP", b"icc\0\0" + zlib.compress(p3)) + gama(1.0)
    yield Case("p_iccp_gama.png", kind, "iCCP before gAMA", png(picture(), before=tagged),
               (by_formula(P3, 2.2), in_srgb(p3)))  # fmt: skip


def hdr() -> Iterator[Case]:
    kind = "HDR: refused"
    for name, why, codes in (
        ("p_cicp_hlg.png", "HLG of 8 bits", [9, 18, 0, 1]),
        ("p_cicp_pq_p3.png", "PQ in P3", [12, 16, 0, 1]),
    ):
        yield Case(name, kind, why, png(picture(), before=chunk(b"cICP", bytes(codes))))
    deep = picture().astype(np.uint16) * 257
    yield Case("p_cicp_hlg16.png", kind, "HLG of 16 bits", png(deep, 16, before=chunk(b"cICP", bytes([9, 18, 0, 1]))))


def turned_ones() -> Iterator[Case]:
    from jpegs import exif
    from readers import turned

    kind = "PNG and WebP: orientation"
    block = exif(">", [(274, 3, 1, b"\0\6\0\0")])
    upright = (turned(ffmpeg, 6), turned(pillow, 6))
    yield Case("p_exif6.png", kind, "eXIf", png(picture(), before=chunk(b"eXIf", block)), upright, 0.01)
    late = png(picture(), after=chunk(b"eXIf", block))
    yield Case("p_exif6_late.png", kind, "eXIf after the image data", late, upright, 0.01)
    text = b"\nexif\n%8d\n" % (len(block) + 6) + (b"Exif\0\0" + block).hex().encode() + b"\n"
    raw = chunk(b"tEXt", b"Raw profile type exif\0" + text)
    yield Case("p_raw_exif6.png", kind, "raw profile in tEXt", png(picture(), before=raw), upright, 0.01)
    file = io.BytesIO()
    Image.fromarray(picture()).save(file, "WEBP", lossless=True, exif=b"Exif\0\0" + block)
    yield Case("w_exif6.webp", kind, "EXIF that begins with Exif and two zeros", file.getvalue(), upright, 0.01)


def cases(srgb: bytes, p3: bytes) -> Iterator[Case]:
    yield from damage()
    yield from samples()
    yield from colour(srgb, p3)
    yield from hdr()
    yield from turned_ones()
