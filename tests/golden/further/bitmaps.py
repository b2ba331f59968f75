"""BMP and GIF."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from case import Case
from parts import HEIGHT, WIDTH, Array, bmp, gif_frame, gif_head, gray, padded, palette_of, picture
from readers import ffmpeg, imagemagick, java, pillow


def bgr0(table: bytes) -> bytes:
    colours = np.frombuffer(table, np.uint8).reshape(-1, 3)
    return np.concatenate([colours[:, ::-1], np.zeros((len(colours), 1), np.uint8)], 1).tobytes()


def rle8(indices: Array) -> bytes:
    """Runs, absolute pieces and a delta; bottom up."""
    out = b""
    for row in indices[::-1]:
        x = 0
        while x < len(row):
            run = 1
            while x + run < len(row) and run < 255 and row[x + run] == row[x]:
                run += 1
            if run >= 3 or len(row) - x < 3:
                out += bytes([run, row[x]])
                x += run
            else:
                some = row[x : x + 9][:9].tolist()
                if len(some) < 3:
                    out += bytes([1, row[x]])
                    x += 1
                    continue
                out += bytes([0, len(some), *some]) + bytes(len(some) % 2)
                x += len(some)
        out += b"\0\0"
    return out + b"\0\1"


def bmps() -> Iterator[Case]:
    kind = "BMP"
    pixels, up = picture(), picture()[::-1]
    five = (up >> 3).astype(np.uint16)
    words = five[..., 0] << 10 | five[..., 1] << 5 | five[..., 2]
    rows = padded(row.astype("<u2").tobytes() for row in words)
    yield Case("b_555.bmp", kind, "16 bits without masks: 5, 5, 5", bmp(rows, 16), (ffmpeg, java), 2.5)
    six = five[..., 0] << 11 | (up[..., 1] >> 2).astype(np.uint16) << 5 | five[..., 2]
    rows = padded(row.astype("<u2").tobytes() for row in six)
    data = bmp(rows, 16, compression=3, masks=(0xF800, 0x7E0, 0x1F))
    yield Case("b_565.bmp", kind, "16 bits, masks of 5, 6, 5", data, (ffmpeg, java), 2.5)
    down = padded(row[:, ::-1].tobytes() for row in pixels)
    yield Case("b_topdown.bmp", kind, "top down", bmp(down, 24, height=-HEIGHT), (ffmpeg, java), 0.01, pixels)
    indices, table = palette_of(pixels)
    rows = padded(row.tobytes() for row in indices[::-1])
    core = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, 8)
    colours = np.frombuffer(table, np.uint8).reshape(-1, 3)[:, ::-1].tobytes()
    offset = 14 + 12 + len(colours)
    data = b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + core + colours + rows
    yield Case("b_os2.bmp", kind, "OS/2 header, colours of three bytes", data, (ffmpeg, imagemagick), 0.01)
    data = bmp(rows, 8, palette=bgr0(table)[: 252 * 4], used=252)
    yield Case("b_252.bmp", kind, "252 colours", data, (ffmpeg, java), 0.01)
    data = bmp(rle8(indices), 8, compression=1, palette=bgr0(table))
    yield Case("b_rle8.bmp", kind, "RLE8", data, (ffmpeg, imagemagick), 0.01)
    bits = np.packbits(gray()[::-1] > 127, axis=1)
    data = bmp(padded(row.tobytes() for row in bits), 1, palette=b"\xff\xff\xff\0\0\0\0\0")
    yield Case("b_1_swapped.bmp", kind, "1 bit, white first", data, (ffmpeg, java), 0.01)
    alpha = np.full((HEIGHT, WIDTH, 1), 200, np.uint8)
    rows = np.concatenate([up[..., ::-1], alpha], -1).tobytes()
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    data = bmp(rows, 32, compression=3, masks=masks, size=108, more=bytes(52))
    yield Case("b_v4_alpha.bmp", kind, "version 4, alpha", data, (ffmpeg, imagemagick), 0.01)
    rows = np.concatenate([alpha, up], -1).tobytes()
    data = bmp(rows, 32, compression=3, masks=(0xFF00, 0xFF0000, 0xFF000000))
    yield Case("b_bgrx_masks.bmp", kind, "32 bits, masks in another order", data, (ffmpeg, java), 0.01, pixels)


def gifs() -> Iterator[Case]:
    kind = "GIF"
    indices, table = palette_of(picture())
    both = (ffmpeg, pillow)
    head, end = gif_head(table), b";"
    one = gif_frame(indices, interlaced=True)
    yield Case("g_interlaced_cut.gif", kind, "interlaced, no trailer", head + one, both, 0.01)
    yield Case("g_no_end_code.gif", kind, "no end code", head + gif_frame(indices, end=False) + end, both, 0.01)
    yield Case("g_junk.gif", kind, "bytes after the trailer", head + gif_frame(indices) + end + b"junk" * 9, both, 0.01)
    local = gif_head() + gif_frame(indices, palette=table) + end
    yield Case("g_local.gif", kind, "local colours alone", local, both, 0.01)
    part = gif_head(table) + gif_frame(indices[5:30, 7:40], 7, 5, clear=int(indices[6, 8])) + end
    yield Case("g_offset.gif", kind, "smaller than the screen, one colour clear", part, both, 0.01)
    comment = b"!\xfe\x05hello"  # no end of its sub-blocks
    yield Case(
        "g_comment_cut.gif", kind, "cut in a comment after the picture", head + gif_frame(indices) + comment, both, 0.01
    )
    second = gif_frame(indices)[:400]
    yield Case("g_second_cut.gif", kind, "the second picture is cut", head + gif_frame(indices) + second, both, 0.01)


def cases() -> Iterator[Case]:
    yield from bmps()
    yield from gifs()
