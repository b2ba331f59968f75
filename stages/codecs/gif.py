"""GIF through Pillow; the blocks are walked here, so that a header counts frames without decoding them."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from pipeline import (
    NO_METADATA,
    STRICT,
    Codec,
    Colour,
    DecodeContext,
    Frame,
    Header,
    ItemError,
    Metadata,
    Picture,
    Pixels,
    Size,
    Spec,
)
from stages.media import pillow_frames, signatures
from stages.media.background import flattened, require_opaque
from stages.media.shrinking import by_halves, factor_of

if TYPE_CHECKING:
    from PIL import Image

MOST = 65535  # rows and columns of a picture: 16 bits
IMAGE, EXTENSION, TRAILER, GRAPHIC_CONTROL, APPLICATION, COMMENT = 0x2C, 0x21, 0x3B, 0xF9, 0xFF, 0xFE
LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
DAMAGE = (OSError, SyntaxError, ValueError, IndexError, EOFError, OverflowError, MemoryError, struct.error)


class _First(NamedTuple):
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


@dataclass(frozen=True)
class Gif(Codec):
    """GIF; of an animation the first frame is read.

    Decodes to gray, gray_alpha, rgb or rgba (H, W, C) uint8, gray where all colours of the palette are; the
    transparent colour, and what the frame leaves free of the canvas, has alpha 0. Encodes uint8: gray as it is, rgb
    in up to 256 colours; transparency is flattened over `background`; a comment is written, the format keeps no more.
    """

    colours: int = field(default=256, metadata={"ge": 2, "le": 256, "doc": "the most colours of an rgb picture"})
    dither: bool = field(
        default=False, metadata={"doc": "spread the error of rounding to the palette: no bands, larger files"}
    )
    background: Colour = field(
        default=Colour(255, 255, 255),
        metadata={"doc": "opaque colour that rgba and gray_alpha pictures are flattened over"},
    )

    extensions: ClassVar[tuple[str, ...]] = ("gif",)
    pixels_version: ClassVar[int] = 2
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb", "gray_alpha", "rgba")
    holds: ClassVar[frozenset[str]] = frozenset(("comment",))
    example: ClassVar[Mapping[str, Any]] = {"dither": False}

    def __post_init__(self) -> None:
        require_opaque(self.background)

    def open(self) -> None:
        from PIL import GifImagePlugin  # noqa: F401 - loaded before the first frame, not within it

    def matches(self, head: bytes) -> bool:
        return signatures.picture(head) == "gif"

    def header(self, data: memoryview) -> Header:
        """Walk the blocks of the file; decodes nothing.

        Raises:
            ItemError: no picture.
        """
        first = _walked(data)
        remarks = (f"{first.ends}; the first picture was read",) if first.ends and not first.is_cut else ()
        spec = Spec.of(first.model, first.height, first.width)
        beside = Metadata(comment=first.comment) if first.comment else NO_METADATA
        return Header(spec, beside, first.frames, remarks, first.plays if first.frames > 1 else None)

    def shrunk(self, spec: Spec, need: Size) -> Spec:
        """By 1/2, 1/4 ... 1/32, rounded up: pixels are averaged after they were decoded."""
        return by_halves(spec, need)

    def decode(self, data: memoryview, spec: Spec, out: Pixels, how: DecodeContext = STRICT) -> None:
        """Decode the first frame into `out`, (H, W, C) uint8 of `spec`.

        Raises:
            ItemError: damaged or truncated.
        """
        first = _walked(data)
        if first.is_cut and not how.salvage:
            raise ItemError(f"truncated GIF: {first.ends}")
        indices = self._indices(data, first, how)
        if first.is_cut:
            rows = int(indices.any(axis=1).sum())  # also where they stand interlaced
            how.remark(f"truncated GIF: {first.ends}; salvaged: about {rows} of {first.height} rows were read")
        if indices.shape != spec.full_size or spec.model != first.model or out.shape != spec.shape:
            raise ItemError(f"damaged GIF: decoded to {indices.shape}, its header says {spec.full_size} (H, W)")
        picture = _straight(indices, first) if spec.has_alpha else _opaque(indices, first)
        factor = factor_of(spec)
        if factor > 1:  # Pillow averages alpha as a colour, so the others must be weighed by it before
            straight, weighed = picture.mode, {"LA": "La", "RGBA": "RGBa"}.get(picture.mode, picture.mode)
            picture = picture.convert(weighed).reduce(factor).convert(straight)
        out[...] = np.asarray(picture).reshape(out.shape)

    def _indices(self, data: memoryview, first: _First, how: DecodeContext) -> Pixels:
        """(H, W) of the canvas; what is not there is 0 where that is to be salvaged."""
        from PIL import ImageFile
        from PIL.GifImagePlugin import GifImageFile  # this class alone: no other format is tried

        lenient, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, how.salvage
        try:
            with _any_size(), GifImageFile(io.BytesIO(data[: first.end])) as image:
                return np.asarray(image)  # of mode P, or L where Pillow finds that the palette is the gray scale
        except DAMAGE as error:
            raise _damaged(error) from error
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = lenient

    def pictures(self, data: memoryview, header: Header, how: DecodeContext = STRICT) -> Iterator[Picture]:
        """The frames as rgba, for what one leaves free another may show; a single one as `decode` gives it."""
        if header.frames == 1:
            yield from super().pictures(data, header, how)
            return
        from PIL.GifImagePlugin import GifImageFile

        spec = Spec.of("rgba", *header.spec.size)
        with _any_size():
            image = GifImageFile(io.BytesIO(data))
        with image:
            yield from pillow_frames.pictures(image, spec, range(header.frames), _damaged)

    def encode(self, frame: Frame) -> memoryview:
        """The file; `frame.pixels` is C-contiguous (H, W, 1 to 4) uint8, any alpha last.

        Raises:
            SpecError: another dtype or colour model. ItemError: more rows or columns than the format has.
        """
        from PIL import GifImagePlugin, Image  # noqa: F401 - the plugin enters itself, and Pillow looks no further

        spec, pixels = frame.spec, frame.pixels
        spec.require(dtype="uint8", model=self.models)
        if max(spec.size) > MOST:
            raise ItemError(f"{spec.width}x{spec.height} pixels", limit=f"GIF holds {MOST} a side", remedy="resize")
        if spec.has_alpha:
            pixels = flattened(pixels, spec, self.background)
        image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        if image.mode == "RGB":
            # Pillow's kmeans would add 1 to 4 dB, but takes minutes for some pictures of 6 megapixels.
            palette = image.quantize(self.colours, Image.Quantize.MEDIANCUT)
            image = image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) if self.dither else palette
        file = io.BytesIO()
        image.save(file, "GIF", comment=frame.metadata.comment)
        return file.getbuffer()


def _damaged(error: Exception) -> ItemError:
    return ItemError(f"damaged GIF: {' '.join(str(error).split())}")


def _opaque(indices: Pixels, first: _First) -> Image.Image:
    """The colours of (H, W) indices, through Pillow's tables: four times as fast as numpy's."""
    from PIL import Image

    height, width = indices.shape
    indices = np.ascontiguousarray(indices)
    if first.model == "gray":
        return Image.frombuffer("L", (width, height), indices, "raw", "L", 0, 1).point(first.colours[:, 0].tolist())
    picture = Image.frombuffer("P", (width, height), indices, "raw", "P", 0, 1)
    picture.putpalette(first.colours.tobytes())
    return picture.convert("RGB")


def _straight(indices: Pixels, first: _First) -> Image.Image:
    """The same with alpha: 0 for the transparent colour, and for what the frame leaves free of the canvas."""
    from PIL import Image

    samples = 1 if first.model == "gray_alpha" else 3
    pixels = np.zeros((*indices.shape, samples + 1), np.uint8)
    pixels[..., :samples] = first.colours[:, :samples][indices]
    pixels[..., -1][first.box] = np.where(indices[first.box] == first.key, 0, 255)
    return Image.fromarray(pixels)


def _walked(data: memoryview) -> _First:  # noqa: C901 - one loop over the blocks of the format
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


def _frame(data: memoryview, at: int, size: tuple[int, int], colours: Any, key: int) -> _First:
    """The frame whose descriptor is here; the canvas grows to one that reaches beyond it, as Pillow has it."""
    left, top, across, down = struct.unpack_from("<4H", data, at + 1)
    height, width = max(size[0], top + down), max(size[1], left + across)
    box = slice(top, top + down), slice(left, left + across)
    return _First(height, width, colours, key, box, 0, len(data), is_cut=True)


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


@contextlib.contextmanager
def _any_size() -> Iterator[None]:
    """Without Pillow's own limit on pixels: the engine's was checked before."""
    from PIL import Image

    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = most
