"""GIF through Pillow; the blocks are walked here, so that a header counts frames without decoding them."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline import Codec, Colour, Frame, Header, ItemError, Pixels, Spec
from stages.media.background import flattened, require_opaque

MOST = 65535  # rows and columns of a picture: 16 bits
IMAGE, EXTENSION, TRAILER, GRAPHIC_CONTROL = 0x2C, 0x21, 0x3B, 0xF9
DAMAGE = (OSError, SyntaxError, ValueError, IndexError, EOFError, OverflowError, MemoryError, struct.error)


class _First(NamedTuple):
    """The first frame, and what the file says around it."""

    height: int
    width: int
    colours: Pixels  # (256, 3) uint8
    key: int  # index of the transparent colour, or -1
    box: tuple[slice, slice]  # rows and columns of the canvas that it covers
    frames: int

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
    in up to 256 colours; transparency is flattened over `background`; the format keeps no profile.
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
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb", "gray_alpha", "rgba")
    example: ClassVar[Mapping[str, Any]] = {"dither": False}

    def __post_init__(self) -> None:
        require_opaque(self.background)

    def open(self) -> None:
        from PIL import GifImagePlugin  # noqa: F401 - loaded before the first frame, not within it

    def matches(self, head: bytes) -> bool:
        return head[:6] in (b"GIF87a", b"GIF89a")

    def header(self, data: memoryview) -> Header:
        """Walk the blocks of the file; decodes nothing.

        Raises:
            ItemError: it ends before its trailer, a block that the format does not know, no picture.
        """
        first = _walked(data)
        return Header(Spec.of(first.model, first.height, first.width), frames=first.frames)

    def scratch_nbytes(self, spec: Spec) -> int:
        """Indices twice, where they are transparent, and their colours."""
        return 3 * spec.height * spec.width + spec.nbytes

    def decode(self, data: memoryview, spec: Spec, out: Pixels) -> None:
        """Decode the first frame into `out`, (H, W, C) uint8 of `spec`.

        Raises:
            ItemError: damaged or truncated.
        """
        from PIL.GifImagePlugin import GifImageFile  # this class alone: no other format is tried

        first = _walked(data)
        try:
            with _any_size(), GifImageFile(io.BytesIO(data)) as image:
                indices = np.asarray(image)  # of mode P, or L where Pillow finds that the palette is the gray scale
        except DAMAGE as error:
            raise ItemError(f"damaged GIF: {' '.join(str(error).split())}") from error
        if indices.shape != out.shape[:2] or spec.model != first.model:
            raise ItemError(f"damaged GIF: decoded to {indices.shape}, its header says {spec.size} (H, W)")
        samples = spec.channels - spec.has_alpha
        out[..., :samples] = first.colours[:, :samples][indices]
        if spec.has_alpha:
            out[..., -1] = 0
            out[..., -1][first.box] = np.where(indices[first.box] == first.key, 0, 255)

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
        image.save(file, "GIF")
        return file.getbuffer()


def _walked(data: memoryview) -> _First:
    """The whole file from block to block (GIF89a, appendix B).

    Raises:
        ItemError: as `Gif.header` says.
    """
    try:
        width, height, flags = struct.unpack_from("<HHB", data, 6)
        shared, at = _palette(data, 13, flags)
        first, key, frames = None, -1, 0
        while data[at] != TRAILER:
            if data[at] == IMAGE:
                left, top, across, down, flags = struct.unpack_from("<4HB", data, at + 1)
                colours, at = _palette(data, at + 10, flags)
                if first is None:  # the canvas grows to a frame that reaches beyond it, as Pillow has it
                    height, width = max(height, top + down), max(width, left + across)
                    box = slice(top, top + down), slice(left, left + across)
                    first = _First(height, width, shared if colours is None else colours, key, box, 0)
                frames += 1
                at += 1  # the size of the first code
            elif data[at] == EXTENSION:
                if data[at + 1] == GRAPHIC_CONTROL and not frames and data[at + 2] >= 4:
                    key = data[at + 6] if data[at + 3] & 1 else -1
                at += 2
            else:
                raise ItemError(f"damaged GIF: block {data[at]:#04x} at byte {at}")
            while data[at]:
                at += 1 + data[at]
            at += 1
    except (IndexError, struct.error):
        raise ItemError("truncated GIF: it ends before its end mark") from None
    if first is None or not height or not width:
        raise ItemError(f"damaged GIF: {frames} pictures of {width}x{height} pixels")
    if first.colours is None:
        first = first._replace(colours=np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1))
    return first._replace(frames=frames)


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
