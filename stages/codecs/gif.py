"""GIF through Pillow; the blocks are walked here, so that a header counts frames without decoding them."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

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
from stages.media import gif_blocks, pillow_frames, signatures
from stages.media.background import flattened, require_opaque
from stages.media.shrinking import by_halves, factor_of

if TYPE_CHECKING:
    from PIL import Image

MOST = 65535  # rows and columns of a picture: 16 bits
DAMAGE = (OSError, SyntaxError, ValueError, IndexError, EOFError, OverflowError, MemoryError, struct.error)


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
        first = gif_blocks.walked(data)
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
        first = gif_blocks.walked(data)
        if first.is_cut and not how.salvage:
            raise how.lost(f"truncated GIF: {first.ends}")
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

    def _indices(self, data: memoryview, first: gif_blocks.First, how: DecodeContext) -> Pixels:
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


def _opaque(indices: Pixels, first: gif_blocks.First) -> Image.Image:
    """The colours of (H, W) indices, through Pillow's tables: four times as fast as numpy's."""
    from PIL import Image

    height, width = indices.shape
    indices = np.ascontiguousarray(indices)
    if first.model == "gray":
        return Image.frombuffer("L", (width, height), indices, "raw", "L", 0, 1).point(first.colours[:, 0].tolist())
    picture = Image.frombuffer("P", (width, height), indices, "raw", "P", 0, 1)
    picture.putpalette(first.colours.tobytes())
    return picture.convert("RGB")


def _straight(indices: Pixels, first: gif_blocks.First) -> Image.Image:
    """The same with alpha: 0 for the transparent colour, and for what the frame leaves free of the canvas."""
    from PIL import Image

    samples = 1 if first.model == "gray_alpha" else 3
    pixels = np.zeros((*indices.shape, samples + 1), np.uint8)
    pixels[..., :samples] = first.colours[:, :samples][indices]
    pixels[..., -1][first.box] = np.where(indices[first.box] == first.key, 0, 255)
    return Image.fromarray(pixels)


@contextlib.contextmanager
def _any_size() -> Iterator[None]:
    """Without Pillow's own limit on pixels: the engine's was checked before."""
    from PIL import Image

    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = most
