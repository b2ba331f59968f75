"""TIFF: the directories are read and written here; libtiff, through Pillow, packs and unpacks strips and tiles.

Pillow cuts 16-bit colour to 8 bits and turns pixels by the orientation tag. So it is shown the strips of a file as
plain bytes, gray of 8 bits, in a small file of their own, and predictor, byte order, planes and inks are undone here.
Only what is packed as a picture (JPEG, fax, YCbCr) or has less than 8 bits is left to it as it is.
"""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from pipeline import Codec, Frame, Header, ItemError, Metadata, Pixels, Spec, SpecError

SUBFILE, WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, FILL = 254, 256, 257, 258, 259, 262, 266  # tags (TIFF 6.0)
OFFSETS, ORIENTATION, SAMPLES, ROWS, COUNTS, PLANAR, PREDICTOR = 273, 274, 277, 278, 279, 284, 317
TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_COUNTS, INKS, EXTRA, FORMAT = 322, 323, 324, 325, 332, 338, 339
XMP, ICC, DNG = 700, 34675, 50706
LONGS = (WIDTH, LENGTH, OFFSETS, ROWS, COUNTS, TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_COUNTS)
NBYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
INTEGERS = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8"}  # by type
UNPACKED, PREDICTED = (1, 5, 8, 32773, 32946, 34925, 50000), (5, 8, 32946, 34925, 50000)  # none, LZW, Deflate, ...
AS_PICTURES = (2, 3, 4, 7)  # fax and JPEG
COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3}  # samples by photometric interpretation
OTHERS = {4: "a mask", 8: "L*a*b*", 9: "L*a*b*", 10: "L*a*b*", 32803: "a raw sensor", 32844: "LogL", 32845: "LogLuv"}
CODES = {"none": "raw", "deflate": "tiff_adobe_deflate", "lzw": "tiff_lzw", "zstd": "zstd", "jpeg": "jpeg"}
EXPANSION = {1: 1, 5: 1400, 8: 1032, 32773: 64, 32946: 1032}  # of a byte at most: none, LZW, Deflate, PackBits
MOST_PAGES = 1_000_000
DAMAGE = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError,
          MemoryError, ZeroDivisionError, RuntimeError, struct.error)  # fmt: skip


class _Page(NamedTuple):
    """One directory: for each tag its type and where its values lie; and where the next directory is."""

    data: memoryview
    order: str
    tags: dict[int, tuple[int, int, int]]
    following: int

    def numbers(self, tag: int, *usual: int) -> Pixels:
        kind, start, end = self.tags.get(tag, (0, 0, 0))
        if kind in INTEGERS and end > start:
            return np.frombuffer(self.data[start:end], self.order + INTEGERS[kind])
        return np.array(usual, np.uint32)

    def number(self, tag: int, usual: int) -> int:
        return int(self.numbers(tag, usual)[0])

    def block(self, tag: int) -> bytes:
        _, start, end = self.tags.get(tag, (0, 0, 0))
        return bytes(self.data[start:end])


class _Layout(NamedTuple):
    """How the pixels of a page lie in the file."""

    height: int
    width: int
    bits: int
    samples: int
    photometric: int
    compression: int
    planes: int
    predictor: int
    alpha: int  # which sample is alpha, or -1
    premultiplied: bool
    inks: bool  # CMYK with the profile that tells its colours
    across: int  # columns of a strip or tile
    down: int  # rows of it
    offsets: Pixels
    counts: Pixels

    @property
    def unpacked(self) -> bool:
        """Whether the strips are bytes to be unpacked, and not pictures that libtiff must draw."""
        return self.compression in UNPACKED and self.bits in (8, 16) and self.photometric not in (3, 6)

    @property
    def model(self) -> str:
        if self.inks:
            return "cmyk"
        return ("gray" if self.photometric in (0, 1) else "rgb") + ("_alpha" if self.alpha >= 0 else "")


@dataclass(frozen=True)
class Tiff(Codec):
    """TIFF and BigTIFF of 1 to 16 bits a sample, in strips and tiles; of several pages the first is read.

    Decodes to gray, gray_alpha, rgb or rgba (H, W, C), uint8 or uint16, straight alpha last; 16 bits are kept
    exactly. Palettes and YCbCr become rgb, and CMYK without an ICC profile by 255 - ink; with one it stays cmyk
    (H, W, 4; 255 is full ink) and is converted by it. Encodes uint8 and uint16, with a predictor where the compression
    gains from it; an ICC profile is kept.
    """

    compression: Literal["deflate", "lzw", "zstd", "none", "jpeg"] = field(
        default="deflate",
        metadata={"doc": "lossless but for jpeg; zstd packs as well as deflate and faster, and is read by fewer"},
    )
    quality: int = field(
        default=85, metadata={"ge": 1, "le": 100, "doc": "of compression jpeg: libjpeg's scale; 75 small, 90 fine"}
    )

    extensions: ClassVar[tuple[str, ...]] = ("tif", "tiff")
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb", "gray_alpha", "rgba")
    example: ClassVar[Mapping[str, Any]] = {"compression": "lzw"}

    def open(self) -> None:
        from PIL import TiffImagePlugin  # noqa: F401 - loaded before the first frame, not within it

    def matches(self, head: bytes) -> bool:
        return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

    def header(self, data: memoryview) -> Header:
        """Read the directories; unpacks nothing.

        Raises:
            ItemError: cut short, damaged, or of a kind that is not read.
        """
        page = _page(data)
        layout = _layout(page)
        turn = page.number(ORIENTATION, 1)
        spec = Spec.of(
            layout.model.replace("rgb_alpha", "rgba"), layout.height, layout.width,
            dtype="uint16" if layout.bits == 16 else "uint8", orientation=turn if 1 <= turn <= 8 else 1,
        )  # fmt: skip
        icc = b"" if layout.photometric == 5 and not layout.inks else page.block(ICC)
        return Header(spec, Metadata(icc, b"", page.block(XMP)), _pages(page))

    def scratch_nbytes(self, spec: Spec) -> int:
        """The strips unpacked, Pillow's picture of up to 4 bytes a pixel, and samples put in order."""
        return 4 * spec.height * spec.width + 4 * spec.nbytes

    def decode(self, data: memoryview, spec: Spec, out: Pixels) -> None:
        """Decode the first page into `out`, (H, W, C) of `spec`.

        Raises:
            ItemError: damaged or truncated.
        """
        page = _page(data)
        layout = _layout(page)
        try:
            if layout.unpacked:
                _arrange(_samples(page, layout), layout, out)
            else:
                out[...] = _drawn(page, "L" if layout.model == "gray" else "RGB").reshape(out.shape)
        except DAMAGE as error:
            if isinstance(error, ItemError):
                raise
            raise ItemError(f"damaged TIFF: {' '.join(str(error).split())}") from error

    def encode(self, frame: Frame) -> bytes:
        """The file; `frame.pixels` is C-contiguous (H, W, 1 to 4), uint8 or uint16, any alpha last.

        Raises:
            SpecError: another dtype or colour model, or one that JPEG does not hold.
        """
        spec, pixels = frame.spec, frame.pixels
        spec.require(dtype=("uint8", "uint16"), model=self.models)
        if self.compression == "jpeg":
            if spec.dtype != "uint8" or spec.has_alpha:
                raise SpecError(f"{spec}", limit="JPEG holds uint8 without alpha", remedy="choose another compression")
            picture = pixels[:, :, 0] if spec.channels == 1 else pixels
            return _saved(picture, CODES["jpeg"], quality=self.quality, icc_profile=frame.metadata.icc or None)
        samples = pixels.astype("<u2" if spec.dtype == "uint16" else "u1")
        if self.compression != "none":
            samples[:, 1:] -= pixels[:, :-1]
        page = _page(memoryview(_saved(samples.reshape(spec.height, -1).view(np.uint8), CODES[self.compression])))
        tags: dict[int, Sequence[int] | bytes] = {
            WIDTH: [spec.width], LENGTH: [spec.height], BITS: [8 * samples.itemsize] * spec.channels,
            COMPRESSION: [page.number(COMPRESSION, 1)], PHOTOMETRIC: [1 if spec.channels < 3 else 2],
            SAMPLES: [spec.channels], ROWS: [page.number(ROWS, spec.height)], PLANAR: [1],
        }  # fmt: skip
        if self.compression != "none":
            tags[PREDICTOR] = [2]
        if spec.has_alpha:
            tags[EXTRA] = [2]  # not premultiplied
        if frame.metadata.icc:
            tags[ICC] = frame.metadata.icc
        offsets, counts = page.numbers(OFFSETS), page.numbers(COUNTS)
        return _file([page.data[at : at + n] for at, n in zip(offsets.tolist(), counts.tolist(), strict=True)], tags)


def _page(data: memoryview, at: int | None = None) -> _Page:
    """The directory at an offset, or the first one. Raises ItemError where it or its values lie beyond the end."""
    if len(data) < 16:
        raise ItemError("truncated TIFF: it ends within its header")
    order, big = "<" if data[0] == 0x49 else ">", 43 in (data[2], data[3])
    count, entry, offset = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    width, tags = struct.calcsize("=" + offset), {}
    try:
        if at is None:
            (at,) = struct.unpack_from(order + offset, data, width if big else 4)
        (entries,) = struct.unpack_from(order + count, data, at)
        at += struct.calcsize("=" + count)
        step = struct.calcsize("=" + entry) + width
        (following,) = struct.unpack_from(order + offset, data, at + step * entries)
        for place in range(at, at + step * entries, step):
            tag, kind, number = struct.unpack_from(order + entry, data, place)
            nbytes, start = NBYTES.get(kind, 0) * number, place + step - width
            if nbytes > width:
                (start,) = struct.unpack_from(order + offset, data, start)
            if start + nbytes > len(data):
                raise ItemError(f"truncated TIFF: the values of tag {tag} lie beyond its {len(data)} bytes")
            tags[tag] = kind, start, start + nbytes
    except (struct.error, OverflowError):
        raise ItemError(f"truncated TIFF: its directory lies beyond its {len(data)} bytes") from None
    return _Page(data, order, tags, following)


def _pages(page: _Page) -> int:
    """How many pages follow from this one, itself included; previews and masks are none."""
    count, seen = 1, set[int]()
    while page.following and page.following not in seen and len(seen) < MOST_PAGES:
        seen.add(page.following)
        page = _page(page.data, page.following)
        count += not page.number(SUBFILE, 0) & 5
    return count


def _layout(page: _Page) -> _Layout:
    """How the pixels lie. Raises ItemError where that is damaged, or not read here."""
    compression, samples = page.number(COMPRESSION, 1), page.number(SAMPLES, 1)
    usual = 2 if samples in (3, 4) else 0 if compression in (2, 3, 4) else 1  # libtiff's guess
    photometric, bits = page.number(PHOTOMETRIC, usual), page.numbers(BITS, 1)
    _judge(page, photometric, compression, bits)
    colours, tiled = COLOURS[photometric], TILE_WIDTH in page.tags
    if compression == 7 and SAMPLES not in page.tags:
        samples = colours
    extra = page.numbers(EXTRA, *([2] if photometric == 2 and samples == 4 else []))[: max(0, samples - colours)]
    alpha = next((colours + index for index, kind in enumerate(extra) if kind in (1, 2)), -1)
    width, height = page.number(WIDTH, 0), page.number(LENGTH, 0)
    layout = _Layout(
        height, width, int(bits[0]), samples, photometric, compression,
        samples if page.number(PLANAR, 1) == 2 else 1, page.number(PREDICTOR, 1), alpha, 1 in extra,
        photometric == 5 and page.block(ICC)[16:20] == b"CMYK",
        page.number(TILE_WIDTH, width),
        page.number(TILE_LENGTH, 0) if tiled else min(page.number(ROWS, height), height),
        page.numbers(TILE_OFFSETS if tiled else OFFSETS), page.numbers(TILE_COUNTS if tiled else COUNTS),
    )  # fmt: skip
    if not layout.unpacked and (layout.bits > 8 or alpha >= 0 or (layout.bits < 8 and samples != 1)):
        what = f"a TIFF of compression {compression}, {samples} samples of {layout.bits} bits"
        raise _unread(what, "16 bits and alpha are read without JPEG and palette")
    if layout.inks and not (layout.unpacked and layout.bits == 8 and alpha < 0):
        what = f"a CMYK TIFF with an ICC profile, compression {compression}, {samples} samples of {layout.bits} bits"
        raise _unread(what, "with a profile it is read with 8 bits and without alpha and JPEG")
    if samples < colours:
        raise ItemError(f"damaged TIFF: {samples} samples a pixel where {colours} make a colour")
    return _placed(page, layout)


def _judge(page: _Page, photometric: int, compression: int, bits: Pixels) -> None:
    """Raises ItemError, with a remedy, where the kind of picture is not read here."""
    if DNG in page.tags or page.number(SUBFILE, 0) & 1:
        raise ItemError("its first page is a preview: a camera's raw file", remedy="develop it to TIFF or JPEG first")
    if photometric not in COLOURS:
        kind = OTHERS.get(photometric, f"photometric interpretation {photometric}")
        raise _unread(f"a TIFF of {kind}", "gray, palette, RGB, CMYK and YCbCr are read")
    formats = page.numbers(FORMAT, 1)
    if (bits != bits[0]).any() or bits[0] not in (1, 2, 4, 8, 16) or not np.isin(formats, (1, 4)).all():
        kind = {2: "signed ", 3: "float "}.get(int(formats[0]), "")
        what = f"a TIFF of {kind}{'+'.join(map(str, bits[:6]))} bits"
        raise _unread(what, "unsigned 1, 2, 4, 8 and 16 bits are read")
    if compression not in UNPACKED + AS_PICTURES:
        what = f"a TIFF of compression {compression}"
        raise _unread(what, "none, LZW, Deflate, PackBits, LZMA, Zstandard, JPEG and fax are read")
    if photometric == 5 and page.number(INKS, 1) != 1:
        raise _unread("a TIFF of other inks than CMYK", "gray, palette, RGB, CMYK and YCbCr are read")


def _placed(page: _Page, layout: _Layout) -> _Layout:
    """The layout with as many strips or tiles as it needs; raises ItemError where they are not all in the file."""
    height, width, across, down = layout.height, layout.width, layout.across, layout.down
    # A tile may be larger than the picture, but libtiff gets memory for a whole one.
    if not (0 < height < 1 << 31 and 0 < width < 1 << 31 and across and down and 0 < layout.samples < 64) or (
        across * down > 4 * max(height * width, 1 << 22)
    ):
        raise ItemError(f"damaged TIFF: {width}x{height} pixels of {layout.samples} samples in {across}x{down}")
    need = -(-height // down) * -(-width // across) * layout.planes
    offsets, counts = layout.offsets[:need].astype(np.int64), layout.counts[:need].astype(np.int64)
    if not len(counts) and layout.compression == 1 and across == width:  # some old files leave them out
        row = -(-width * layout.bits * layout.samples // layout.planes // 8)
        counts = row * np.minimum(down, height - down * (np.arange(len(offsets)) % -(-height // down)))
    if len(offsets) < need or len(counts) < need:
        raise ItemError(f"damaged TIFF: {min(len(offsets), len(counts))} of {need} strips or tiles are there")
    if (offsets < 0).any() or (counts < 0).any() or (offsets > len(page.data) - counts).any():
        raise ItemError(f"truncated TIFF: its pixels lie beyond its {len(page.data)} bytes")
    if counts.sum() > 2 * len(page.data):
        raise ItemError("damaged TIFF: its strips overlap")
    raw_nbytes = height * width * layout.samples * layout.bits // 8
    if layout.unpacked and raw_nbytes > EXPANSION.get(layout.compression, raw_nbytes) * (int(counts.sum()) + 64):
        raise ItemError(f"damaged TIFF: {counts.sum()} bytes of data cannot hold {width}x{height} pixels")
    return layout._replace(offsets=offsets, counts=counts)


def _unread(what: str, limit: str) -> ItemError:
    return ItemError(what, limit=limit, remedy="convert it first, for example with: magick in.tif out.tif")


def _samples(page: _Page, layout: _Layout) -> Pixels:
    """All samples of a page as stored, (H, W, S) uint8 or uint16, predictor undone."""
    from PIL.TiffImagePlugin import TiffImageFile  # this class alone: no other format is tried

    wide, each = layout.samples // layout.planes * layout.bits // 8, len(layout.offsets) // layout.planes
    tags: dict[int, Sequence[int] | bytes] = {
        WIDTH: [layout.width * wide], LENGTH: [layout.height], BITS: [8], COMPRESSION: [layout.compression],
        PHOTOMETRIC: [1], FILL: [page.number(FILL, 1)], SAMPLES: [1], PLANAR: [1],
    }  # fmt: skip
    tiled = TILE_WIDTH in page.tags
    tags |= {TILE_WIDTH: [layout.across * wide], TILE_LENGTH: [layout.down]} if tiled else {ROWS: [layout.down]}
    planes = []
    for plane in range(layout.planes):
        places = slice(plane * each, (plane + 1) * each)
        pairs = zip(layout.offsets[places].tolist(), layout.counts[places].tolist(), strict=True)
        with _quietly(), TiffImageFile(io.BytesIO(_file([page.data[at : at + n] for at, n in pairs], tags))) as image:
            rows = np.asarray(image)
        stored = rows.view(page.order + "u2") if layout.bits == 16 else rows
        planes.append(stored.reshape(layout.height, layout.width, -1))
    samples = planes[0] if layout.planes == 1 else np.concatenate(planes, axis=2)
    if layout.predictor != 1 and layout.compression in PREDICTED:
        if layout.predictor != 2:
            raise ItemError(f"damaged TIFF: predictor {layout.predictor} with whole numbers")
        samples = samples.astype(samples.dtype.newbyteorder("="))
        for left in range(0, layout.width, layout.across):
            part = samples[:, left : left + layout.across]
            np.cumsum(part, axis=1, dtype=part.dtype, out=part)
    return samples


def _arrange(samples: Pixels, layout: _Layout, out: Pixels) -> None:
    """Samples as stored to `out`: white is the largest, inks become light, alpha is straight and last."""
    top = int(np.iinfo(out.dtype).max)
    colour = samples[:, :, : COLOURS[layout.photometric]]
    if layout.photometric == 0:
        colour = top - colour
    elif layout.photometric == 5 and not layout.inks:
        light = top - colour.astype(np.uint32)
        colour = (light[:, :, :3] * light[:, :, 3:] + top // 2) // top
    if layout.alpha < 0:
        out[...] = colour
        return
    alpha = samples[:, :, layout.alpha : layout.alpha + 1]
    if layout.premultiplied:
        wide = np.maximum(alpha, 1).astype(np.uint32)
        colour = np.minimum((colour.astype(np.uint32) * top + wide // 2) // wide, top)
    out[:, :, :-1], out[:, :, -1:] = colour, alpha


def _drawn(page: _Page, mode: str) -> Pixels:
    """The page as Pillow gives it, (H, W) or (H, W, 3) uint8, but never turned."""
    from PIL.TiffImagePlugin import TiffImageFile

    upright = bytearray(page.data)
    if page.number(ORIENTATION, 1) != 1:
        _, start, end = page.tags[ORIENTATION]
        upright[start:end] = (1).to_bytes(end - start, "little" if page.order == "<" else "big")
    with _quietly(), TiffImageFile(io.BytesIO(upright)) as image:
        image.load()
        return np.asarray(image if image.mode == mode else image.convert(mode))


def _saved(pixels: Pixels, compression: str, **more: Any) -> bytes:
    """The file that Pillow makes of (H, W) or (H, W, 3) uint8."""
    from PIL import Image, TiffImagePlugin  # noqa: F401 - the plugin enters itself, and Pillow looks no further

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "TIFF", compression=compression, **more)
    return file.getvalue()


def _file(pieces: Sequence[memoryview], tags: Mapping[int, Sequence[int] | bytes]) -> bytes:
    """A little-endian file of one page: these strips or tiles, then a directory of `tags` and of where they lie."""
    starts = np.cumsum([8, *map(len, pieces)]).tolist()
    at = starts[-1] + starts[-1] % 2
    places = (TILE_OFFSETS, TILE_COUNTS) if TILE_WIDTH in tags else (OFFSETS, COUNTS)
    tags = {**tags, places[0]: starts[:-1], places[1]: [len(piece) for piece in pieces]}
    entries, beyond, end = [], [], at + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        kind = 7 if isinstance(values, bytes) else 4 if tag in LONGS else 3
        content = values if isinstance(values, bytes) else np.array(values, f"<u{NBYTES[kind]}").tobytes()
        entry = content.ljust(4, b"\0")
        if len(content) > 4:
            entry = struct.pack("<I", end)
            beyond.append(content + bytes(len(content) % 2))
            end += len(beyond[-1])
        entries.append(struct.pack("<HHI", tag, kind, len(values)) + entry)
    if end >= 1 << 32:
        raise ItemError(f"a TIFF of {end} bytes", limit="TIFF counts 4 GiB", remedy="choose another format")
    head = struct.pack("<2sHI", b"II", 42, at)
    directory = (struct.pack("<H", len(tags)), *entries, bytes(4), *beyond)
    return b"".join((head, *pieces, bytes(at - starts[-1]), *directory))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without Pillow's own limit on pixels (the engine's was checked before) and its warnings of odd tags."""
    from PIL import Image

    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = most
