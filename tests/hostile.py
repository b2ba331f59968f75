"""Files of strangers: whole ones of every format, and what can be done to them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

CODECS = Path(__file__).parent / "stages/codecs"
HEIC = CODECS / "heic"
MAGIC = {"avif": b"ftyp", "png": b"\x89PNG", "jpg": b"\xff\xd8", "gif": b"GIF8", "bmp": b"BM", "webp": b"RIFF"}


def wholes() -> dict[str, bytes]:
    """One small picture of each format, and some of its kinds, as name.extension."""
    chance = np.random.default_rng(5)
    rgb = np.kron(chance.integers(0, 255, (12, 16, 3), dtype=np.uint8), np.ones((4, 4, 1), np.uint8))
    picture = Image.fromarray(rgb)
    beside = Image.Exif()
    beside.update({0x0112: 6, 0x013B: "Ada", 0x8298: "(c) Ada", 0x011A: 300.0})
    beside.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 30.0)})
    return {
        "plain.jpg": saved(picture, "JPEG", quality=90), "steps.jpg": saved(picture, "JPEG", progressive=True),
        "gray.jpg": saved(picture.convert("L"), "JPEG"), "plain.png": saved(picture, "PNG"),
        "palette.png": saved(picture.quantize(32), "PNG"), "plain.gif": saved(picture.quantize(64), "GIF"),
        "plain.bmp": saved(picture, "BMP"), "lossy.webp": saved(picture, "WEBP"),
        "lossless.webp": saved(picture, "WEBP", lossless=True), "plain.tif": saved(picture, "TIFF"),
        "deflate.tif": saved(picture, "TIFF", compression="tiff_deflate"), "plain.ppm": saved(picture, "PPM"),
        "plain.avif": saved(picture, "AVIF", quality=60, speed=10),
        "plain.heic": (HEIC / "plain.heic").read_bytes(), "ten.heic": (HEIC / "ten.heic").read_bytes(),
        "plain.jp2": saved(picture, "JPEG2000", irreversible=False), "plain.tga": saved(picture, "TGA"),
        "plain.jxl": (CODECS / "jpegxl/p3.jxl").read_bytes(),
        "packed.jxl": (CODECS / "jpegxl/packed_jpeg.jxl").read_bytes(),
        "arithmetic.jpg": (CODECS / "jpeg/arithmetic.jpg").read_bytes(), "plain.dds": saved(picture, "DDS"),
        "plain.xbm": saved(picture.convert("1"), "XBM"), "plain.dib": saved(picture, "DIB"),
        "plain.pcx": saved(picture, "PCX"), "beside.jpg": (saved(picture, "JPEG", exif=beside, comment=b"x" * 20)),
    }  # fmt: skip


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def cuts(data: bytes) -> Iterator[bytes]:
    """The file without its end, at each twentieth."""
    return (data[: len(data) * part // 20] for part in range(1, 20))


def mutated(data: bytes, chance: Random) -> bytes:
    """Some bytes flipped, replaced by extremes, doubled, moved or left out."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(max(1, min(len(changed), chance.choice((64, 64, 512, 1 << 30)))))
        match chance.randrange(6):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at] = chance.randrange(256)
            case 2:
                changed[at : at + 4] = chance.choice(
                    (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\xff\xff")
                )
            case 3:
                changed[at : at + 8] = changed[at : at + 8] * 2
            case 4:
                del changed[at : at + chance.randrange(1, 9)]
            case 5:
                other = chance.randrange(len(changed))
                changed[at : at + 4] = changed[other : other + 4]
    return bytes(changed) + (chance.randbytes(chance.randrange(64)) if chance.random() < 0.1 else b"")


# ---- bombs -----------------------------------------------------------------------------------------------------------


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def bombs(folder: Path) -> dict[str, Path]:
    """Small or sparse files that ask for much."""
    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + ihdr + chunk(b"IDAT", zlib.compress(bytes(100_000), 9)) + chunk(b"IEND", b"")
    frame = b"\x2c\0\0\0\0\x01\0\x01\0\0" + b"\x02\x02\x44\x01\0"
    gif = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff" + frame * 100_000 + b"\x3b"
    entry = struct.pack("<HHII", 0x10E, 2, 4, 0)
    tif = b"II*\0\x08\0\0\0" + struct.pack("<H", 65_535) + entry * 1_000_000
    whole = saved(Image.new("RGB", (64, 48), (9, 99, 199)), "JPEG")
    segments = b"".join(b"\xff\xe1\xff\xff" + b"Exif\0\0" + bytes(65_527) for _ in range(1024))
    exif = whole[:2] + segments + whole[2:]
    wide = struct.pack(">IIBBBBB", 0x7FFFFFFF, 0x7FFFFFFF, 8, 6, 0, 0, 0)
    texts = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(200 << 20), 9))
    small = saved(Image.new("RGB", (8, 8)), "PNG")
    made = {
        "thirty thousand.png": png, "two billion.png": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", wide),
        "frames.gif": gif, "entries.tif": tif, "exif.jpg": exif, "text.png": small[:33] + texts + small[33:],
        "wide.ppm": b"P6 2000000000 2000000000 255\n",
        "wide.bmp": b"BM" + struct.pack("<IIIIiiHHIIIIII", 100, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
        "loop.tif": b"II*\0\x08\0\0\0\x01\0" + entry + struct.pack("<I", 8),
    }  # fmt: skip
    paths = {}
    for name, data in made.items():
        paths[name] = folder / name
        paths[name].write_bytes(data)
    sparse = paths["sparse.jpg"] = folder / "sparse.jpg"
    with sparse.open("wb") as file:
        file.write(whole)
        file.truncate(1 << 40)
    return paths
