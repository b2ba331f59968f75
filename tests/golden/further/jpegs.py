"""JPEG: bytes where none should be, odd headers, missing ends, profiles in pieces, sampling, CMYK, orientation."""

from __future__ import annotations

import io
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from case import Array, Case, Reader
from parts import gray, picture
from PIL import Image
from readers import ffmpeg, imagemagick, in_srgb, java, magick_in_srgb, pillow, turned

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
IMAGES = Path(__file__).parent.parent / "images"
BOTH = (ffmpeg, pillow)


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg(pixels: Array, **more: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **{"quality": 95, "subsampling": 0, **more})
    return file.getvalue()


def cjpeg(pixels: Array, *options: str) -> bytes:
    """libjpeg-turbo's own program, which takes any sampling factors."""
    kind = b"P5" if pixels.ndim == 2 else b"P6"
    pnm = kind + b" %d %d 255\n" % (pixels.shape[1], pixels.shape[0]) + pixels.tobytes()
    return subprocess.run(["cjpeg", *options], input=pnm, capture_output=True, check=True).stdout


def before(data: bytes, marker: bytes, junk: bytes) -> bytes:
    at = data.index(marker)
    return data[:at] + junk + data[at:]


def without(data: bytes, marker: int) -> bytes:
    """Without the first segment of a kind."""
    at = data.index(bytes([0xFF, marker]))
    return data[:at] + data[at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0] :]


def profile(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return bytes(image.info["icc_profile"])


def pieces(icc: bytes, order: list[tuple[int, int, int]], size: int) -> bytes:
    """APP2 segments: (number, count, which piece of `size` bytes)."""
    cut = [icc[n : n + size] for n in range(0, len(icc), size)]
    return b"".join(segment(0xE2, b"ICC_PROFILE\0" + bytes([k, of]) + cut[n]) for k, of, n in order)


def exif(order: str, entries: list[tuple[int, int, int, bytes]]) -> bytes:
    """A block of one directory; entries are tag, type, count and the four bytes of the value."""
    mark = {"<": b"II", ">": b"MM"}[order]
    body = struct.pack(order + "H", len(entries))
    body += b"".join(struct.pack(order + "HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    return mark + struct.pack(order + "HI", 42, 8) + body + struct.pack(order + "I", 0)


def in_jpeg(block: bytes) -> bytes:
    return SOI + segment(0xE1, block) + jpeg(picture())[2:]


def damage() -> Iterator[Case]:
    """Extraneous bytes, odd headers, missing ends."""
    plain = jpeg(picture())
    kind = "JPEG: bytes between markers"
    yield Case("j_fill_bytes.jpg", kind, "fill bytes before SOS", before(plain, b"\xff\xda", b"\xff" * 32), BOTH)
    yield Case("j_zeros_before_dqt.jpg", kind, "zeros before DQT", before(plain, b"\xff\xdb", bytes(16)), BOTH)
    yield Case("j_zeros_before_eoi.jpg", kind, "zeros after the last MCU", plain[:-2] + bytes(64) + EOI, BOTH)
    yield Case("j_two_pictures.jpg", kind, "a second picture after EOI", plain + jpeg(picture()[:16, :16]), BOTH)
    kind = "JPEG: odd headers"
    at = plain.index(b"\xff\xe0")
    yield Case("j_jfif_major2.jpg", kind, "JFIF 2.00", plain[: at + 9] + b"\2\0" + plain[at + 11 :], BOTH)
    sos = plain.index(b"\xff\xda") + 2
    end = sos + struct.unpack(">H", plain[sos : sos + 2])[0]
    changed = plain[: end - 3] + b"\0\0\0" + plain[end:]
    yield Case("j_sos_000.jpg", kind, "Se of 0 in baseline", changed, BOTH)
    changed = plain[: end - 3] + b"\1\x3f\0" + plain[end:]
    yield Case("j_sos_ss1.jpg", kind, "Ss of 1 in baseline", changed, BOTH)
    yield Case("j_dqt16.jpg", kind, "tables of 16 bits", cjpeg(picture(), "-quality", "4"), (imagemagick, pillow))
    rgb = without(cjpeg(picture(), "-rgb", "-quality", "95"), 0xEE)
    yield Case("j_ids_rgb.jpg", kind, "components named R, G, B", rgb, (imagemagick, pillow), truth=picture())
    first = SOI + segment(0xE1, b"Exif\0\0" + exif("<", [])) + plain[2:]
    yield Case("j_app1_first.jpg", kind, "APP1 before APP0", first, BOTH)
    short = SOI + segment(0xE0, b"JFIF\0\1\1") + without(plain, 0xE0)[2:]
    yield Case("j_jfif_short.jpg", kind, "APP0 of 9 bytes", short, BOTH)
    kind = "JPEG: no EOI"
    yield Case("j_noeoi_gray.jpg", kind, "gray", jpeg(gray())[:-2], (ffmpeg, pillow))
    yield Case("j_noeoi_progressive.jpg", kind, "refined to the last bit", jpeg(picture(), progressive=True)[:-2], BOTH)
    restarts = cjpeg(picture(), "-quality", "95", "-restart", "1", "-sample", "1x1")
    yield Case("j_noeoi_restarts.jpg", kind, "with restart markers", restarts[:-2], BOTH)
    yield Case("j_half_eoi.jpg", kind, "its first byte is there", plain[:-1], BOTH)


def profiles(srgb: bytes, wide: bytes) -> Iterator[Case]:
    """ICC in pieces, CMYK."""
    kind = "JPEG: ICC in pieces"
    half = -(-len(wide) // 2)
    plain = jpeg(picture())
    applied: tuple[Reader, ...] = (in_srgb(wide), magick_in_srgb(wide, srgb))
    right, swapped = [(1, 2, 0), (2, 2, 1)], [(2, 2, 1), (1, 2, 0)]
    yield Case("j_icc_two.jpg", kind, "in order", SOI + pieces(wide, right, half) + plain[2:], applied)
    yield Case("j_icc_swapped.jpg", kind, "the second first", SOI + pieces(wide, swapped, half) + plain[2:], applied)
    missing = SOI + pieces(wide, right[:1], half) + plain[2:]
    yield Case("j_icc_missing.jpg", kind, "the second is missing: as if untagged", missing, BOTH)
    apart = SOI + pieces(wide, right[:1], half) + segment(0xFE, b"between") + pieces(wide, right[1:], half) + plain[2:]
    yield Case("j_icc_apart.jpg", kind, "a comment between", apart, applied)
    kind = "JPEG: CMYK"
    icc = profile((IMAGES / "j_cmyk_ss2_icc.jpg").read_bytes())
    inks = np.dstack([255 - picture(), gray() // 3])
    through = (in_srgb(icc, "CMYK"), magick_in_srgb(icc, srgb))
    for name, why, more in (
        ("j_cmyk_full.jpg", "all at full size", {}),
        ("j_cmyk_progressive.jpg", "progressive", {"progressive": True}),
        ("j_cmyk_420.jpg", "the second and third at half", {"subsampling": 2}),
    ):
        file = io.BytesIO()
        Image.fromarray(inks, "CMYK").save(
            file, "JPEG", **{"quality": 95, "subsampling": 0, "icc_profile": icc, **more}
        )
        yield Case(name, kind, why, file.getvalue(), through)


def sampling() -> Iterator[Case]:
    """Factors that have no name."""
    kind = "JPEG: sampling factors"
    for name, factors in (
        ("j_samp_3x1.jpg", "3x1,1x1,1x1"),
        ("j_samp_1x4.jpg", "1x4,1x1,1x1"),
        ("j_samp_2x2_2x1_2x1.jpg", "2x2,2x1,2x1"),
        ("j_samp_1x1_2x2_2x2.jpg", "1x1,2x2,2x2"),
        ("j_samp_2x1_1x2_1x1.jpg", "2x2,1x2,2x1"),
        ("j_samp_4x1_2x1_1x1.jpg", "4x1,2x1,1x1"),
    ):
        data = cjpeg(picture(), "-quality", "95", "-sample", factors)
        yield Case(name, kind, factors, data, (java, pillow), truth=picture())


def orientation() -> Iterator[Case]:
    """Where it stands and how."""
    kind = "JPEG: orientation"
    short, signed = 3, 8
    head = b"Exif\0\0"
    # each: what it is, the segment, the orientation that readers make of it
    for name, why, block, value in (
        ("j_ori_signed.jpg", "SSHORT, big-endian", head + exif(">", [(274, signed, 1, b"\0\6\0\0")]), 6),
        ("j_ori_unsorted.jpg", "after tags of higher numbers", head + exif("<", [
            (305, 2, 2, b"a\0\0\0"), (531, short, 1, b"\1\0\0\0"), (274, short, 1, b"\5\0\0\0")]), 5),
        ("j_ori_9.jpg", "no such orientation", head + exif("<", [(274, short, 1, b"\x09\0\0\0")]), 1),
        ("j_ori_0.jpg", "none", head + exif("<", [(274, short, 1, b"\0\0\0\0")]), 1),
        ("j_ori_long8.jpg", "LONG, big-endian", head + exif(">", [(274, 4, 1, b"\0\0\0\x08")]), 8),
    ):  # fmt: skip
        readers = (turned(ffmpeg, value), turned(pillow, value))
        yield Case(name, kind, why, in_jpeg(block), readers)
    xmp = (
        b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
        b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:tiff='
        b'"http://ns.adobe.com/tiff/1.0/"><tiff:Orientation>3</tiff:Orientation></rdf:Description></rdf:RDF></x:xmpmeta>'
    )
    yield Case("j_ori_xmp.jpg", kind, "in XMP alone", in_jpeg(xmp), (turned(ffmpeg, 3), turned(pillow, 3)))


def cases(srgb: bytes, adobe: bytes) -> Iterator[Case]:
    yield from damage()
    yield from profiles(srgb, adobe)
    yield from sampling()
    yield from orientation()
