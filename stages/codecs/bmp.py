"""BMP: bit fields of any layout read with numpy, all else through Pillow; written with numpy, for the sake of alpha."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from pipeline import NO_METADATA, STRICT, Codec, DecodeContext, Frame, Header, ItemError, Metadata, Pixels, Spec
from stages.media import signatures

if TYPE_CHECKING:
    from PIL.BmpImagePlugin import BmpImageFile

MODELS = {"1": "gray", "L": "gray", "P": "rgb", "RGB": "rgb", "RGBA": "rgba"}  # by Pillow's mode
BITFIELDS, ALPHABITFIELDS, RLE = 3, 6, (1, 2)  # compressions
USUAL_MASKS = {16: (0x7C00, 0x3E0, 0x1F, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}
V5, EMBEDDED = 124, b"DEBM"  # size of the header that may tell of a profile, and its mark for one in the file
INCH, SCREEN = 0.0254, 72.0  # metres; pixels an inch where nothing is said
HEAD_NBYTES = 1 << 19  # more than all headers and a palette of 65536 colours
DAMAGE = (OSError, SyntaxError, ValueError, TypeError, IndexError, EOFError, OverflowError, MemoryError, struct.error)


CORE = 12  # bytes of the oldest information header


class Fields(NamedTuple):
    """Where the colours of a pixel of 16 or 32 bits lie."""

    height: int
    width: int
    bits: int
    masks: tuple[int, ...]  # red, green, blue, and alpha where the file says that there is one
    start: int  # of the rows
    upwards: bool

    @property
    def stride(self) -> int:
        """Bytes from row to row, a multiple of four."""
        return -(-self.width * self.bits // 32) * 4


class Rows(NamedTuple):
    """Where the rows lie: the first byte, bytes a row, the first byte behind them, and whether the lowest is first.

    `padding` is how many bytes of the last row are no pixels; some writers leave them out.
    """

    start: int
    stride: int
    end: int
    upwards: bool
    padding: int = 0


@dataclass(frozen=True)
class Bmp(Codec):
    """Windows bitmap: 1, 4, 8, 16, 24 and 32 bits a pixel, plain and run-length encoded.

    Decodes to gray, rgb or rgba (H, W, C) uint8; palettes become rgb, or gray where they are the gray scale. Alpha
    counts only where the file says which bits it has; samples of more than 8 bits are rounded. Encodes uint8 in 8, 24
    or 32 bits, with the density. A profile is neither used nor written.
    """

    extensions: ClassVar[tuple[str, ...]] = ("bmp", "dib")
    pixels_version: ClassVar[int] = 2
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb", "gray_alpha", "rgba")
    holds: ClassVar[frozenset[str]] = frozenset(("density",))

    def open(self) -> None:
        from PIL import BmpImagePlugin  # noqa: F401 - loaded before the first frame, not within it

    def matches(self, head: bytes) -> bool:
        return signatures.picture(head) == "bmp"

    def header(self, data: memoryview) -> Header:
        """Read headers and palette; decodes no pixel.

        Raises:
            ItemError: damaged, unsupported, or fewer bytes than its size needs.
        """
        spec, rows = _layout(data)
        if rows.start + rows.stride - rows.padding > len(data):
            raise ItemError(f"truncated BMP: {len(data)} of {rows.end} bytes are there")
        remarks = ("its ICC profile was not used, as other programs do",) if _has_profile(data) else ()
        density = _density(data)
        return Header(spec, Metadata(density=density) if all(density) else NO_METADATA, remarks=remarks)

    def decode(self, data: memoryview, spec: Spec, out: Pixels, how: DecodeContext = STRICT) -> None:
        """Decode into `out`, (H, W, C) uint8 of `spec`.

        Raises:
            ItemError: damaged or truncated.
        """
        _, rows = _layout(data)
        if rows.end > len(data) >= rows.end - rows.padding:
            how.remark("lacks the padding of its last row; every pixel was read")
            data = memoryview(bytes(data) + bytes(rows.padding))
        if rows.end > len(data):
            if not how.salvage:
                raise how.lost(f"truncated BMP: {len(data)} of {rows.end} bytes are there")
            there = (len(data) - rows.start) // rows.stride
            data = memoryview(bytes(data) + bytes(rows.end - len(data)))
            where = "the lower" if rows.upwards else "the upper"
            how.remark(f"truncated BMP; salvaged: {where} {there} of {spec.height} rows were read")
        fields = _fields(data)
        if fields is not None:
            _from_fields(data, fields, out)
            return
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
        return _file(spec, channels, rows, frame.metadata.density)


def _fields(data: memoryview) -> Fields | None:
    """The layout of a file of 16 or 32 bits a pixel; None for all others.

    Source: BITMAPV5HEADER of the Windows SDK; masks of the older header stand behind it.
    """
    if len(data) < 54 or int.from_bytes(data[14:18], "little") < 40:
        return None
    start, size, width, height, _, bits, packing = struct.unpack_from("<IIiiHHI", data, 10)
    if bits not in USUAL_MASKS or packing not in (0, BITFIELDS, ALPHABITFIELDS):
        return None
    masks = USUAL_MASKS[bits]
    if packing and len(data) >= 70:
        masks = struct.unpack_from("<4I", data, 54)
        if size < 56 and packing != ALPHABITFIELDS:  # three masks, behind the header
            masks = (*masks[:3], 0)
    if not 0 < width < 1 << 31 or not height or not all(masks[:3]):
        raise ItemError(f"damaged BMP: {width}x{height} pixels with masks {masks}")
    return Fields(abs(height), width, bits, masks if masks[3] else masks[:3], start, height > 0)


def _from_fields(data: memoryview, fields: Fields, out: Pixels) -> None:
    """Each sample from its bits, stretched to 8 with rounding."""
    rows = np.frombuffer(data, np.uint8, fields.stride * fields.height, fields.start)
    pixels = rows.reshape(fields.height, fields.stride).view(f"<u{fields.bits // 8}")[:, : fields.width]
    pixels = pixels[::-1] if fields.upwards else pixels
    for channel, mask in enumerate(fields.masks):
        shift = (mask & -mask).bit_length() - 1
        most = mask >> shift
        samples = (pixels & mask) >> shift
        out[..., channel] = samples if most == 255 else (samples.astype(np.uint64) * 255 + most // 2) // most


def _has_profile(data: memoryview) -> bool:
    """Whether a V5 header points to an ICC profile, which viewers leave alone."""
    return len(data) >= 138 and int.from_bytes(data[14:18], "little") == V5 and data[70:74] == EMBEDDED


def _layout(data: memoryview) -> tuple[Spec, Rows]:
    """What the headers say; raises ItemError where that is no picture."""
    fields = _fields(data)
    if fields is not None:
        spec = Spec.of("rgba" if len(fields.masks) == 4 else "rgb", fields.height, fields.width)
        end = fields.start + fields.stride * fields.height
        return spec, Rows(fields.start, fields.stride, end, fields.upwards, _padding(spec, fields.stride, fields.bits))
    with _opened(data[:HEAD_NBYTES]) as image:
        (width, height), mode, (tile,) = image.size, image.mode, image.tile
    if mode not in MODELS or not 0 < width < 1 << 31 or not 0 < height < 1 << 31:
        raise ItemError(f"damaged BMP: {width}x{height} pixels of mode {mode}")
    spec = Spec.of(MODELS[mode], height, width)
    if tile.codec_name != "raw":  # packed: how long its rows are is not known
        return spec, Rows(tile.offset, 1, tile.offset + 1, upwards=True)
    layout: Any = tile.args  # raw mode, bytes a row, direction
    bits = int.from_bytes(data[28:30] if int.from_bytes(data[14:18], "little") > CORE else data[24:26], "little")
    return spec, Rows(
        tile.offset, layout[1], tile.offset + layout[1] * height, layout[2] == -1, _padding(spec, layout[1], bits)
    )  # fmt: skip


def _padding(spec: Spec, stride: int, bits: int) -> int:
    return max(0, stride - -(-spec.width * bits // 8))


def _density(data: memoryview) -> tuple[float, float]:
    """Pixels an inch, of headers that say it; 0 for those that do not."""
    if len(data) < 54 or int.from_bytes(data[14:18], "little") < 40:
        return NO_METADATA.density
    across, down = struct.unpack_from("<ii", data, 38)
    return round(max(0, across) * INCH, 2), round(max(0, down) * INCH, 2)


def _file(spec: Spec, channels: int, rows: Pixels, density: tuple[float, float]) -> bytes:
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
        *(round((each or SCREEN) / INCH) for each in density), len(palette), 0,
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
