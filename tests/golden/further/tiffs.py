"""TIFF: how the file is built, and kinds of samples."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from case import Array, Case
from parts import ASCII, HEIGHT, LONG, SHORT, WIDTH, gray, picture, tiff
from PIL import Image
from readers import ffmpeg, imagemagick, java, opencv, pillow

Tag = tuple[int, int, Any]


def tags(
    bits: list[int], photometric: int, compression: int = 1, rows: int | None = HEIGHT, *,
    extra: list[int] | None = None, planar: int = 1, **more: tuple[int, int, Any],
) -> list[Tag]:  # fmt: skip
    """The tags that a baseline reader wants, and more."""
    found: list[Tag] = [
        (256, SHORT, [WIDTH]), (257, SHORT, [HEIGHT]), (258, SHORT, bits), (259, SHORT, [compression]),
        (262, SHORT, [photometric]), (277, SHORT, [len(bits)]), (284, SHORT, [planar]),
    ]  # fmt: skip
    if rows is not None:
        found.append((278, LONG, [rows]))
    if extra:
        found.append((338, SHORT, extra))
    return [*found, *more.values()]


def strips(pixels: Array, rows: int) -> list[bytes]:
    return [pixels[y : y + rows].tobytes() for y in range(0, HEIGHT, rows)]


def built() -> Iterator[Case]:
    kind = "TIFF: structure"
    pixels = picture()
    rgb = [8, 8, 8]
    exact: dict[str, Any] = {"within": 0.01, "truth": pixels}
    data = tiff(strips(pixels, 10), tags(rgb, 2, rows=10), big=True)
    yield Case("t_big.tif", kind, "BigTIFF", data, (imagemagick, pillow), **exact)
    data = tiff(strips(pixels, 10), tags(rgb, 2, rows=10), order=">", big=True)
    yield Case("t_big_mm.tif", kind, "BigTIFF, big-endian", data, (imagemagick, opencv), **exact)
    data = tiff(strips(pixels, 10), tags(rgb, 2, rows=10), shuffled=True)
    yield Case("t_unsorted.tif", kind, "tags in falling order", data, (imagemagick, pillow), **exact)
    data = tiff([pixels.tobytes()], tags(rgb, 2), counts=None)
    yield Case("t_no_counts.tif", kind, "no StripByteCounts", data, (imagemagick, pillow), **exact)
    data = tiff([pixels.tobytes()], tags(rgb, 2, rows=0xFFFFFFFF))
    yield Case("t_rows_max.tif", kind, "RowsPerStrip of 2^32 - 1", data, (imagemagick, pillow), **exact)
    data = tiff([pixels.tobytes()], tags(rgb, 2, rows=None))
    yield Case("t_no_rows.tif", kind, "no RowsPerStrip", data, (imagemagick, pillow), **exact)
    odd: Any = (305, ASCII, list(b"no zero at its end"))
    data = tiff([pixels.tobytes()], tags(rgb, 2, software=odd))
    yield Case("t_text.tif", kind, "a text without its zero", data, (imagemagick, pillow), **exact)


def kinds() -> Iterator[Case]:
    kind = "TIFF: samples"
    pixels, level = picture(), gray()
    near: dict[str, Any] = {"within": 0.6}
    one = np.packbits(level > 127, axis=1)
    yield Case(
        "t_1_white.tif", kind, "1 bit, 0 is white", tiff([one.tobytes()], tags([1], 0)), (imagemagick, pillow), **near
    )
    reverse = np.packbits(level > 127, axis=1, bitorder="little")
    data = tiff([reverse.tobytes()], tags([1], 1, order=(266, SHORT, [2])))
    yield Case("t_1_fill2.tif", kind, "1 bit, FillOrder 2", data, (imagemagick, pillow), **near)
    yield Case("t_8_white.tif", kind, "8 bits, 0 is white", tiff([(255 - level).tobytes()], tags([8], 0)),
               (imagemagick, pillow), truth=level, **near)  # fmt: skip
    four = level >> 4
    four = np.concatenate([four, np.zeros((HEIGHT, 1), np.uint8)], 1)
    packed = (four[:, ::2] << 4 | four[:, 1::2]).astype(np.uint8)
    table = [n * 4369 for n in range(16)] + [65535 - n * 4369 for n in range(16)] + [n * 2000 for n in range(16)]
    data = tiff([packed.tobytes()], tags([4], 3, map=(320, SHORT, table)))
    yield Case("t_pal4.tif", kind, "palette of 4 bits", data, (imagemagick, pillow), **near)
    planes = [zlib.compress(np.ascontiguousarray(pixels[..., n]).tobytes()) for n in range(3)]
    yield Case("t_planar.tif", kind, "a plane a strip, deflated", tiff(planes, tags([8] * 3, 2, 8, planar=2)),
               (imagemagick, pillow), truth=pixels, **near)  # fmt: skip
    deep = pixels.astype(np.uint16) * 257
    change = np.diff(deep.astype(">u2"), axis=1, prepend=np.zeros((HEIGHT, 1, 3), np.uint16)).astype(">u2")
    data = tiff([zlib.compress(change.tobytes())], tags([16] * 3, 2, 8, predictor=(317, SHORT, [2])), order=">")
    yield Case(
        "t_16_predictor.tif",
        kind,
        "16 bits, big-endian, predictor 2",
        data,
        (imagemagick, ffmpeg),
        truth=pixels,
        **near,
    )
    tile = np.zeros((48, 64, 3), np.uint8)
    tile[:HEIGHT, :WIDTH] = pixels
    blocks = [tile[y : y + 16, x : x + 16].tobytes() for y in range(0, 48, 16) for x in range(0, 64, 16)]
    data = tiff(
        blocks, tags([8] * 3, 2, rows=None, tw=(322, SHORT, [16]), th=(323, SHORT, [16])), offsets=324, counts=325
    )
    yield Case("t_tiles.tif", kind, "tiles of 16", data, (imagemagick, pillow), truth=pixels, **near)
    alpha = np.full((HEIGHT, WIDTH, 1), 128, np.uint8)
    dark = (pixels.astype(int) * 128 // 255).astype(np.uint8)
    data = tiff([np.concatenate([dark, alpha], -1).tobytes()], tags([8] * 4, 2, extra=[1]))
    yield Case("t_premultiplied.tif", kind, "associated alpha", data, (imagemagick, pillow), within=2.0)
    data = tiff([np.concatenate([pixels, alpha], -1).tobytes()], tags([8] * 4, 2, extra=[2]))
    yield Case("t_straight.tif", kind, "unassociated alpha", data, (imagemagick, pillow), **near)
    data = tiff([np.concatenate([pixels, alpha], -1).tobytes()], tags([8] * 4, 2, extra=[0]))
    yield Case("t_fourth.tif", kind, "a fourth sample of no meaning", data, (imagemagick, pillow), within=128.0)
    for name, compression, why in (
        ("t_g4.tif", "group4", "CCITT G4"), ("t_g3.tif", "group3", "CCITT G3"),
        ("t_packbits.tif", "packbits", "PackBits"), ("t_lzw.tif", "tiff_lzw", "LZW"), ("t_jpeg.tif", "jpeg", "JPEG"),
    ):  # fmt: skip
        file = io.BytesIO()
        source = Image.fromarray(level > 127) if compression.startswith("group") else Image.fromarray(pixels)
        source.save(file, "TIFF", compression=compression, **({"quality": 95} if compression == "jpeg" else {}))
        readers = (imagemagick, pillow) if compression != "tiff_lzw" else (java, ffmpeg)
        yield Case(name, kind, why, file.getvalue(), readers)


def cases() -> Iterator[Case]:
    yield from built()
    yield from kinds()
