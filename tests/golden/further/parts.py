"""Files by hand: PNG, BMP, GIF and TIFF from their parts, so that a part can be odd."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
HEIGHT, WIDTH = 43, 61


def picture() -> Array:
    """(43, 61, 3) uint8, smooth in colour, with edges in brightness that are easy to see when they move."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    planes = [40 + 170 * x / WIDTH, 210 - 150 * y / HEIGHT, 120 + 60 * np.sin(x / 17) * np.cos(y / 13)]
    colour = np.stack(planes, -1)
    colour[8:16, 10:30] *= 0.6
    return np.rint(colour).astype(np.uint8)


def gray() -> Array:
    """(43, 61) uint8."""
    return np.rint(picture().astype(float) @ [0.299, 0.587, 0.114]).astype(np.uint8)


# ---- PNG -----------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, body: bytes, crc: int | None = None) -> bytes:
    """A chunk, with another CRC where one is given."""
    crc = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def rows(samples: Array, depth: int) -> bytes:
    """Scan lines without a filter, of (H, W, C)."""
    lines = []
    for row in samples.reshape(len(samples), -1):
        if depth == 16:
            line = row.astype(">u2").tobytes()
        elif depth == 8:
            line = row.astype(np.uint8).tobytes()
        else:
            bits = (row[:, None] >> np.arange(depth)[::-1]) & 1
            line = np.packbits(bits.astype(np.uint8).ravel()).tobytes()
        lines.append(b"\0" + line)
    return b"".join(lines)


ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def png(
    samples: Array, depth: int = 8, colour: int | None = None, *, before: bytes = b"", between: bytes = b"",
    after: bytes = b"", end: bytes | None = None, interlaced: bool = False, tail: bytes = b"", crc: int | None = None,
    pieces: int = 1, empty: bool = False,
) -> bytes:  # fmt: skip
    """Samples (H, W) or (H, W, C) with what is put before, between and after the image data.

    tail: after the zlib stream, within its chunk. crc: of the image data. empty: a chunk of none between the pieces.
    """
    samples = np.atleast_3d(samples)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[samples.shape[2]] if colour is None else colour
    ihdr = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], depth, colour, 0, 0, interlaced)
    parts = [samples[y::h, x::w] for y, x, h, w in ADAM7] if interlaced else [samples]
    data = zlib.compress(b"".join(rows(part, depth) for part in parts if part.size)) + tail
    size = -(-len(data) // pieces)
    cut = [data[n : n + size] for n in range(0, len(data), size)]
    image = between.join(chunk(b"IDAT", one, crc) + (chunk(b"IDAT", b"") if empty else b"") for one in cut)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + before + image + after + (
        chunk(b"IEND", b"") if end is None else end
    )  # fmt: skip


# ---- BMP -----------------------------------------------------------------------------------------------------------


def padded(lines: Iterable[bytes]) -> bytes:
    """Lines, each to a multiple of four bytes."""
    return b"".join(line + bytes(-len(line) % 4) for line in lines)


def bmp(
    data: bytes, bits: int, *, height: int = HEIGHT, compression: int = 0, masks: Sequence[int] = (),
    palette: bytes = b"", used: int = 0, size: int = 40, more: bytes = b"",
) -> bytes:  # fmt: skip
    """A file with an info header of 40 bytes or more; `more` follows its first 40 (masks are put there)."""
    info = struct.pack("<IiiHHIIiiII", size, WIDTH, height, 1, bits, compression, len(data), 2835, 2835, used, 0)
    info += b"".join(struct.pack("<I", mask) for mask in masks) + more
    offset = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + info + palette + data


# ---- GIF -----------------------------------------------------------------------------------------------------------


def lzw(indices: Array, bits: int = 8, *, end: bool = True) -> bytes:
    """Codes that never grow: a clear code before the table would need another width. In sub-blocks."""
    clear, out, at = 1 << bits, [], 0
    most = (1 << bits) - 2
    stream = []
    for n in range(0, indices.size, most):
        stream += [clear, *indices.ravel()[n : n + most].tolist()]
    if end:
        stream.append(clear + 1)
    for code in stream:
        out += [(code >> k) & 1 for k in range(bits + 1)]
        at += bits + 1
    packed = np.packbits(np.array(out, np.uint8), bitorder="little").tobytes()
    blocks = [packed[n : n + 255] for n in range(0, len(packed), 255)]
    return bytes([bits]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def gif_head(palette: bytes = b"", background: int = 0) -> bytes:
    """Signature, screen, and the global palette of 256 where there is one."""
    flags = 0xF7 if palette else 0x70
    return b"GIF89a" + struct.pack("<HHBBB", WIDTH, HEIGHT, flags, background, 0) + palette


def gif_frame(
    indices: Array, x: int = 0, y: int = 0, *, palette: bytes = b"", interlaced: bool = False, clear: int | None = None,
    end: bool = True, disposal: int = 0, delay: int = 10,
) -> bytes:  # fmt: skip
    """A graphic control extension and a picture of (H, W) indices."""
    height, width = indices.shape
    control = b"!\xf9\x04" + struct.pack("<BHBB", disposal << 2 | (clear is not None), delay, clear or 0, 0)
    flags = (0x87 if palette else 0) | (0x40 if interlaced else 0)
    if interlaced:
        order = [*range(0, height, 8), *range(4, height, 8), *range(2, height, 4), *range(1, height, 2)]
        indices = indices[order]
    head = b"," + struct.pack("<HHHHB", x, y, width, height, flags)
    return control + head + palette + lzw(indices, end=end)


def palette_of(pixels: Array) -> tuple[Array, bytes]:
    """Indices and 256 colours (6 x 7 x 6 levels) of RGB."""
    levels = np.array([6, 7, 6])
    steps = np.rint(pixels / 255 * (levels - 1)).astype(int)
    indices = (steps[..., 0] * 7 + steps[..., 1]) * 6 + steps[..., 2]
    grid = np.stack(np.meshgrid(*[np.arange(n) / (n - 1) * 255 for n in levels], indexing="ij"), -1).reshape(-1, 3)
    table = np.zeros((256, 3), np.uint8)
    table[: len(grid)] = np.rint(grid)
    return indices.astype(np.uint8), table.tobytes()


# ---- TIFF ----------------------------------------------------------------------------------------------------------

BYTE, ASCII, SHORT, LONG, UNDEFINED, LONG8 = 1, 2, 3, 4, 7, 16
SIZES = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, UNDEFINED: 1, LONG8: 8}
CODES = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", UNDEFINED: "B", LONG8: "Q"}


def tiff(
    strips: Sequence[bytes], tags: Sequence[tuple[int, int, Sequence[int]]], *, order: str = "<", big: bool = False,
    offsets: int = 273, counts: int | None = 279, shuffled: bool = False,
) -> bytes:  # fmt: skip
    """One page: its strips (or tiles), then its directory. Offsets and counts are put in under these tags."""
    word, wide = ("Q", LONG8) if big else ("I", LONG)
    head = 16 if big else 8
    starts = [head + sum(map(len, strips[:n])) for n in range(len(strips))]
    every = [*tags, (offsets, wide, starts)]
    if counts is not None:
        every.append((counts, wide, [len(strip) for strip in strips]))
    every.sort(key=lambda tag: tag[0])
    if shuffled:
        every.reverse()
    data = b"".join(strips)
    data += bytes(-len(data) % 8)
    start = head + len(data)
    count_code, entry, inline = ("Q", 20, 8) if big else ("H", 12, 4)
    after = start + struct.calcsize(order + count_code) + entry * len(every) + struct.calcsize(order + word)
    directory, rest = struct.pack(order + count_code, len(every)), b""
    for tag, kind, values in every:
        packed = struct.pack(f"{order}{len(values)}{CODES[kind]}", *values)
        directory += struct.pack(f"{order}HH{word}", tag, kind, len(values))
        if len(packed) <= inline:
            directory += packed.ljust(inline, b"\0")
        else:
            directory += struct.pack(order + word, after + len(rest))
            rest += packed + bytes(len(packed) % 2)
    directory += struct.pack(order + word, 0)
    mark = {"<": b"II", ">": b"MM"}[order]
    top = mark + (struct.pack(order + "HHHQ", 43, 8, 0, start) if big else struct.pack(order + "HI", 42, start))
    return top + data + directory + rest
