"""The blocks of a GIF file: the first picture and what stands around all of them, without decoding anything.

Source: GIF89a, appendix B; the loop of NETSCAPE2.0.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np

from pipeline import ItemError, Pixels

IMAGE, EXTENSION, TRAILER, GRAPHIC_CONTROL, APPLICATION, COMMENT = 0x2C, 0x21, 0x3B, 0xF9, 0xFF, 0xFE
LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


class First(NamedTuple):
    """The first frame, and what the file says around it."""

    height: int
    width: int
    colours: Pixels  # (256, 3) uint8
    key: int  # index of the transparent colour, or -1
    box: tuple[slice, slice]  # rows and columns of the canvas that it covers
    frames: int
    end: int  # of its data
    ends: str = ""  # what is wrong behind it
    is_cut: bool = False  # whether the file ends within it
    plays: int = 1  # how often all frames are shown, 0 for ever
    comment: bytes = b""

    @property
    def model(self) -> str:
        whole = self.box == (slice(0, self.height), slice(0, self.width))
        gray = (self.colours == self.colours[:, :1]).all()
        return ("gray" if gray else "rgb") if self.key < 0 and whole else ("gray_alpha" if gray else "rgba")


def walked(data: memoryview) -> First:  # noqa: C901 - one loop over the blocks of the format
    """The whole file from block to block (GIF89a, appendix B); what is wrong behind the first picture ends the walk.

    Raises:
        ItemError: as `Gif.header` says.
    """
    first, key, frames, at, ends, plays, comment = None, -1, 0, 13, "", 1, b""
    height = width = 0
    try:
        width, height, flags = struct.unpack_from("<HHB", data, 6)
        shared, at = _palette(data, 13, flags)
        while data[at] != TRAILER:
            if data[at] == IMAGE:
                colours, place = _palette(data, at + 10, data[at + 9])
                if first is None:
                    first = _frame(data, at, (height, width), shared if colours is None else colours, key)
                place = _behind_blocks(data, place + 1)  # the size of the first code
                if first.is_cut:
                    first = first._replace(end=place, is_cut=False)
                at, frames = place, frames + 1
            elif data[at] == EXTENSION:
                if data[at + 1] == GRAPHIC_CONTROL and not frames and data[at + 2] >= 4:
                    key = data[at + 6] if data[at + 3] & 1 else -1
                elif data[at + 1] == APPLICATION:
                    plays = _plays(data, at, plays)
                elif data[at + 1] == COMMENT:
                    comment = comment or bytes(data[at + 3 : at + 3 + data[at + 2]])
                at = _behind_blocks(data, at + 2)
            elif data[at] == 0:  # some writers put more ends of blocks than there are blocks
                at += 1
            else:
                ends = f"block {data[at]:#04x} at byte {at} is none of GIF's"
                break
    except (IndexError, struct.error):
        ends = "it ends within its first picture" if first and first.is_cut else "it ends before its end mark"
    if first is None or not first.height or not first.width:
        what = f"truncated GIF: {ends}" if ends else f"damaged GIF: {frames} pictures of {width}x{height} pixels"
        raise ItemError(what)
    if first.colours is None:
        first = first._replace(colours=np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1))
    return first._replace(frames=max(1, frames), ends=ends, plays=plays, comment=comment)


def _frame(data: memoryview, at: int, size: tuple[int, int], colours: Any, key: int) -> First:
    """The frame whose descriptor is here; the canvas grows to one that reaches beyond it, as Pillow has it."""
    left, top, across, down = struct.unpack_from("<4H", data, at + 1)
    height, width = max(size[0], top + down), max(size[1], left + across)
    box = slice(top, top + down), slice(left, left + across)
    return First(height, width, colours, key, box, 0, len(data), is_cut=True)


def _plays(data: memoryview, at: int, usual: int) -> int:
    """How often all frames are shown, by an application's extension; `usual` where it says something else."""
    if data[at + 3 : at + 14] not in LOOPS or data[at + 14] != 3:
        return usual
    again = int.from_bytes(data[at + 16 : at + 18], "little")
    return again + 1 if again else 0  # it counts how often they are shown once more


def _behind_blocks(data: memoryview, at: int) -> int:
    """Where the data blocks that begin here end; raises IndexError where the file does before."""
    while data[at]:
        at += 1 + data[at]
    return at + 1


def _palette(data: memoryview, at: int, flags: int) -> tuple[Any, int]:
    """The colour table that begins here, black beyond its end, or None where there is none; and where it ends."""
    if not flags & 0x80:
        return None, at
    end = at + (3 << (flags & 7) + 1)
    entries = np.frombuffer(data[at:end], np.uint8)
    if len(entries) < end - at:
        raise IndexError
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(entries) // 3] = entries.reshape(-1, 3)
    return colours, end
