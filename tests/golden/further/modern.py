"""WebP, AVIF, HEIC, JPEG XL: made with the programs of their libraries."""

from __future__ import annotations

import io
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from case import Array, Case
from parts import gray, picture
from PIL import Image
from pngs import P3, by_formula
from readers import as_written, avifdec, djxl, ffmpeg, heif_convert, in_srgb, opencv, pillow, turned, upright_by_pillow


def made(command: list[str], pixels: Array, suffix: str) -> bytes:
    """What a program makes of a PNG; `{}` and `{out}` are the files."""
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(pixels).save(f"{folder}/in.png")
        out = Path(folder) / f"out{suffix}"
        subprocess.run([part.format(f"{folder}/in.png", out=out) for part in command], check=True, capture_output=True)
        return out.read_bytes()


def with_alpha(pixels: Array) -> Array:
    ramp = np.linspace(60, 255, pixels.shape[1])[None, :, None].repeat(len(pixels), 0)
    return np.concatenate([pixels, ramp.astype(np.uint8)], -1)


def webp(pixels: Array, **more: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", **{"quality": 95, **more})
    return file.getvalue()


def riff(data: bytes, more: bytes = b"", size: int | None = None) -> bytes:
    """With chunks put at its end, and another size in its head."""
    body = data[8:] + more
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def webps(p3: bytes) -> Iterator[Case]:
    kind = "WebP"
    pixels = picture()
    both = (ffmpeg, pillow)
    tagged = webp(pixels, lossless=True, icc_profile=p3)
    yield Case("w_p3.webp", kind, "an ICC profile", tagged, (in_srgb(p3), by_formula(P3, 2.2)))
    yield Case("w_alpha.webp", kind, "lossy with alpha", webp(with_alpha(pixels)), both, 2.5)
    plain = webp(pixels)
    yield Case(
        "w_unknown.webp", kind, "an unknown chunk after the picture", riff(plain, b"teSt\4\0\0\0ours"), both, 2.5
    )
    yield Case("w_short.webp", kind, "bytes after the end", plain + b"junk" * 8, both, 2.5)
    file = io.BytesIO()
    frames = [Image.fromarray(pixels), Image.fromarray(pixels[::-1].copy())]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], duration=100, lossless=True)
    yield Case(
        "w_animated.webp", kind, "an animation: its first picture", file.getvalue(), (pillow, opencv), 0.01, pixels
    )


def avifs() -> Iterator[Case]:
    kind = "AVIF"
    pixels = picture()
    encode = ["avifenc", "-s", "8", "--min", "4", "--max", "8"]
    for name, why, options, turn in (
        ("v_irot.avif", "irot", ["-y", "444", "--irot", "1"], 8),
        ("v_imir.avif", "imir", ["-y", "444", "--imir", "1"], 2),
        ("v_12bit.avif", "12 bits", ["-y", "444", "-d", "12"], 1),
        ("v_420_601.avif", "4:2:0, BT.601, limited", ["-y", "420", "--cicp", "1/13/6", "-r", "limited"], 1),
        ("v_422_709.avif", "4:2:2, BT.709, full", ["-y", "422", "--cicp", "1/13/1"], 1),
    ):
        data = made([*encode, *options, "{}", "{out}"], pixels, ".avif")
        yield Case(name, kind, why, data, (upright_by_pillow, turned(avifdec, turn)), 2.0)
    data = made([*encode, "-y", "400", "{}", "{out}"], gray(), ".avif")
    yield Case("v_gray.avif", kind, "monochrome", data, (ffmpeg, avifdec), 2.0)
    data = made([*encode, "-y", "444", "{}", "{out}"], with_alpha(pixels), ".avif")
    yield Case("v_alpha.avif", kind, "alpha", data, (avifdec, opencv), 2.0)
    hlg = made([*encode, "-y", "444", "-d", "10", "--cicp", "9/18/9", "{}", "{out}"], pixels, ".avif")
    yield Case("v_hlg.avif", "HDR: refused", "HLG of 10 bits", hlg)


def heics() -> Iterator[Case]:
    kind = "HEIC"
    pixels = np.kron(picture(), np.ones((2, 2, 1), np.uint8))
    encode = ["heif-enc", "-q", "92", "-o", "{out}"]
    for name, why, source, options in (
        ("h_444.heic", "4:4:4", pixels, ["-p", "chroma=444"]),
        ("h_420.heic", "4:2:0", pixels, ["-p", "chroma=420"]),
        ("h_alpha.heic", "alpha", with_alpha(pixels), ["-p", "chroma=444"]),
        ("h_gray.heic", "gray", np.kron(gray(), np.ones((2, 2), np.uint8)), []),
        ("h_10bit.heic", "10 bits", pixels, ["-b", "10", "-p", "chroma=444"]),
    ):
        data = made([*encode, *options, "{}"], source, ".heic")
        # FFmpeg knows no picture of alpha beside another one
        readers = (heif_convert, ffmpeg) if "alpha" not in name else (heif_convert, heif_convert)
        yield Case(name, kind, why, data, readers, 2.0, source if "10" not in name else None)


def jpegxls() -> Iterator[Case]:
    kind = "JPEG XL"
    pixels = picture()
    for name, why, source, options in (
        ("x_lossless.jxl", "lossless", pixels, ["-d", "0"]),
        ("x_lossy.jxl", "VarDCT", pixels, ["-d", "0.5"]),
        ("x_alpha.jxl", "alpha, lossless", with_alpha(pixels), ["-d", "0"]),
        ("x_gray.jxl", "gray", gray(), ["-d", "0"]),
        ("x_progressive.jxl", "progressive", pixels, ["-d", "0.5", "-p"]),
    ):
        data = made(["cjxl", "{}", "{out}", *options], source, ".jxl")
        yield Case(name, kind, why, data, (djxl, as_written(source)), 1.5)


def cases(p3: bytes) -> Iterator[Case]:
    yield from webps(p3)
    yield from avifs()
    yield from heics()
    yield from jpegxls()
