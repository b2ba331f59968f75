"""BMP: read through Pillow, written with numpy, as Pillow's 32-bit files lose their alpha."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pipeline import Codec, Frame, Header, ItemError, Pixels, Spec

if TYPE_CHECKING:
    from PIL.BmpImagePlugin import BmpImageFile

MODELS = {"1": "gray", "L": "gray", "P": "rgb", "RGB": "rgb", "RGBA": "rgba"}  # by Pillow's mode
HEADERS = (12, 40, 52, 56, 64, 108, 124)  # sizes of the information header, which tell its version
HEAD_NBYTES = 1 << 19  # more than all headers and a palette of 65536 colours
DAMAGE = (OSError, SyntaxError, ValueError, TypeError, IndexError, EOFError, OverflowError, MemoryError, struct.error)


@dataclass(frozen=True)
class Bmp(Codec):
    """Windows bitmap: 1, 4, 8, 16, 24 and 32 bits a pixel, plain and run-length encoded.

    Decodes to gray, rgb or rgba (H, W, C) uint8; palettes become rgb, or gray where they are the gray scale. Alpha
    counts only where the file says which bits it has. Encodes uint8 in 8, 24 or 32 bits; the format keeps no profile.
    """

    extensions: ClassVar[tuple[str, ...]] = ("bmp", "dib")
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb", "gray_alpha", "rgba")

    def open(self) -> None:
        from PIL import BmpImagePlugin  # noqa: F401 - loaded before the first frame, not within it

    def matches(self, head: bytes) -> bool:
        return head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in HEADERS

    def header(self, data: memoryview) -> Header:
        """Read headers and palette; decodes no pixel.

        Raises:
            ItemError: damaged, unsupported, or fewer bytes than its size needs.
        """
        with _opened(data[:HEAD_NBYTES]) as image:
            (width, height), mode, (tile,) = image.size, image.mode, image.tile
        if mode not in MODELS or not 0 < width < 1 << 31 or not 0 < height < 1 << 31:
            raise ItemError(f"damaged BMP: {width}x{height} pixels of mode {mode}")
        end = int.from_bytes(data[2:6], "little")  # of run-length encoded rows only the size of the file is known
        if tile.codec_name == "raw":
            layout: Any = tile.args  # raw mode, bytes a row, direction
            end = tile.offset + layout[1] * height
        if end > len(data):
            raise ItemError(f"truncated BMP: {len(data)} of {end} bytes are there")
        return Header(Spec.of(MODELS[mode], height, width))

    def scratch_nbytes(self, spec: Spec) -> int:
        """Pillow's own picture of 4 bytes a pixel and two copies."""
        return 4 * spec.height * spec.width + 2 * spec.nbytes

    def decode(self, data: memoryview, spec: Spec, out: Pixels) -> None:
        """Decode into `out`, (H, W, C) uint8 of `spec`.

        Raises:
            ItemError: damaged or truncated.
        """
        with _opened(data) as image:
            mode = {"1": "L", "P": "RGB"}.get(image.mode, image.mode)
            pixels = np.asarray(image if image.mode == mode else image.convert(mode))
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        if pixels.shape != out.shape:
            raise ItemError(f"damaged BMP: decoded to {pixels.shape}, its header says {spec.shape} (H, W, C)")
        out[...] = pixels

    def encode(self, frame: Frame) -> bytes:
        """The file; `frame.pixels` is C-contiguous (H, W, 1 to 4) uint8, any alpha last.

        Raises:
            SpecError: another dtype or colour model. ItemError: more bytes than the format can count.
        """
        spec, pixels = frame.spec, frame.pixels
        spec.require(dtype="uint8", model=self.models)
        channels = 4 if spec.has_alpha else spec.channels
        stride = -(-spec.width * channels // 4) * 4
        rows = np.zeros((spec.height, stride), np.uint8)
        view = rows[:, : spec.width * channels].reshape(spec.height, spec.width, channels)
        if channels == 1:
            view[...] = pixels
        else:  # b, g, r, and any alpha
            view[..., :3] = pixels[..., 2::-1] if spec.channels > 2 else pixels[..., :1]
            view[..., 3:] = pixels[..., spec.channels - channels + 3 :] if channels == 4 else 0
        return _file(spec, channels, rows)


def _file(spec: Spec, channels: int, rows: Pixels) -> bytes:
    """Headers and rows, which stand from the bottom up; with alpha a V4 header, which says that there is alpha."""
    palette = np.zeros((256 if channels == 1 else 0, 4), np.uint8)
    palette[:, :3] = np.arange(len(palette))[:, None]
    more = struct.pack("<4I4s48x", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, b"BGRs") if channels == 4 else b""
    start = 14 + 40 + len(more) + palette.nbytes
    nbytes = start + rows.nbytes
    if nbytes >= 1 << 32:
        raise ItemError(f"a BMP of {nbytes} bytes", limit="BMP counts 4 GiB", remedy="choose another format")
    head = struct.pack("<2sIII", b"BM", nbytes, 0, start)
    info = struct.pack(
        "<IiiHHIIiiII", 40 + len(more), spec.width, spec.height, 1, 8 * channels, 3 if more else 0, rows.nbytes,
        2835, 2835, len(palette), 0,
    )  # fmt: skip
    return b"".join((head, info, more, palette.tobytes(), rows[::-1].tobytes()))


@contextmanager
def _opened(data: memoryview) -> Iterator[BmpImageFile]:
    """Pillow's picture of a file; what goes wrong with it is ItemError."""
    from PIL.BmpImagePlugin import BmpImageFile  # this class alone: no other format is tried, and no size is judged

    try:
        with BmpImageFile(io.BytesIO(data)) as image:
            yield image
    except DAMAGE as error:
        if isinstance(error, ItemError):
            raise
        raise ItemError(f"damaged BMP: {' '.join(str(error).split())}") from error
