"""Lays a watermark over the picture."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import product
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline import Frame, Pixels, Size, Spec, Transform, UsageError
from stages.media.position import Position, anchor

# What holds white * white over an opaque picture, and white * white * white over one with alpha.
WIDE: dict[tuple[str, bool], Any] = {
    ("uint8", False): np.uint16, ("uint16", False): np.uint32, ("float32", False): np.float64,
    ("uint8", True): np.uint32, ("uint16", True): np.uint64, ("float32", True): np.float64,
}  # fmt: skip
BLOCK = 1 << 15  # pixels
TILE = 256  # a smaller mark is repeated up to this side beforehand, so that few pieces are laid
FEW = 8  # marks of this number of sizes and models are kept, at 4 to 40 bytes for each of their pixels


class RenderedMark(NamedTuple):
    """A mark of one size for pictures of one model and dtype.

    Attributes:
        colour: (C, h, w) in the model of the picture, times `alpha`.
        alpha: (h, w) from 0 to white; both are of the type that holds their products.
        steps: rows and columns from copy to copy, with `tile`.
    """

    colour: Pixels
    alpha: Pixels
    steps: tuple[int, int]


@dataclass(frozen=True)
class Overlay(Transform):
    """Lays the picture in the file `image` over each frame: "source over" of W3C Compositing Level 1, 5.1 and 9.

    Takes gray, gray_alpha, rgb and rgba of every dtype (H, W, C) and gives the same Spec; alpha is straight. Opacity
    is rounded to a level of alpha, and each result half up. Where the mark is transparent no sample changes. A mark
    larger than the picture without its margins is scaled down to fit, at any `scale`. It is scaled with Lanczos and
    premultiplied alpha, and becomes gray by its luma, ITU-R BT.601, in gray pictures. It is read once in each worker,
    as 8-bit RGBA, upright by its EXIF orientation and without its ICC profile. Put this after `orient` and `resize`.

    CPU time, 1008x756 uint8: 0.35 ms for a mark a fifth as wide on RGB, 0.9 ms on RGBA; 3.1 and 11 ms for one all
    over. Rendering the mark takes 1.3 ms more for a picture that needs it in another size than the last few.
    """

    image: str = field(
        metadata={"file": True, "doc": "file of the mark, with or without transparency, from the working directory"}
    )
    position: Position = field(default="right bottom", metadata={"doc": "place of the mark; with tile, of a copy"})
    margin: int | str = field(
        default=0,
        metadata={"unit": "px", "doc": 'to the edges and between tiles, or a share of the shorter side as "5%"'},
    )
    scale: str | None = field(
        default=None, metadata={"doc": 'width of the mark as a share of the picture\'s, as "20%"; if left out, its own'}
    )
    opacity: float = field(default=1.0, metadata={"ge": 0, "le": 1, "doc": "0 invisible, 1 as it is"})
    tile: bool = field(default=False, metadata={"doc": "repeat the mark all over the picture"})

    example: ClassVar[Mapping[str, Any]] = {
        "image": "samples/mark.png", "position": "right bottom", "margin": "3%", "scale": "20%", "opacity": 0.5,
    }  # fmt: skip

    def __post_init__(self) -> None:
        if isinstance(self.margin, int) and self.margin < 0:
            raise UsageError(f"overlay margin {self.margin} is too small", limit="at least 0")
        if isinstance(self.margin, str):
            _share("margin", self.margin)
        if self.scale is not None and not _share("scale", self.scale):
            raise UsageError(f"overlay scale {self.scale!r} is too small", limit="more than 0%")
        if not os.path.lexists(self.image):
            raise UsageError(f"overlay image {self.image!r} does not exist", remedy=f"looked in {os.getcwd()}")

    def open(self) -> None:
        """Load the mark; raises UsageError where Pillow cannot read it."""
        self._image  # noqa: B018 - read before the first frame, not within it

    def output_spec(self, spec: Spec) -> Spec:
        """The same Spec; raises SpecError for models beside gray and rgb."""
        return spec.require_picture()

    def required_input(self, spec: Spec, need: Size) -> Size:
        """Every pixel: the size and place of the mark are given in those of the full size."""
        return spec.size

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write one copy of the picture into `out`, and anew the rectangles where the mark lies."""
        out[...] = frame.pixels
        spec, image = frame.spec, self._image
        size, at, gap = self.layout(spec.size, Size(image.height, image.width))
        mark = self._mark(Spec.of(spec.model, *size, dtype=spec.dtype), gap if self.tile else 0)
        over = _over_alpha if spec.has_alpha else _over
        for rows, columns, part in self._pieces(mark, at, spec.size):
            over(
                frame.pixels[rows, columns], out[rows, columns], mark.colour[:, *part], mark.alpha[part],
                white=spec.white,
            )  # fmt: skip

    def layout(self, size: Size, own: Size) -> tuple[Size, tuple[int, int], int]:
        """Size of the mark on a picture, its top and left, and the margin, for a mark of its own size. Pure."""
        margin = self.margin
        if isinstance(margin, str):
            margin = math.floor(_share("margin", margin) * min(size) + 0.5)
        room = Size(max(1, size.height - 2 * margin), max(1, size.width - 2 * margin))
        factor = 1.0 if self.scale is None else _share("scale", self.scale) * size.width / own.width
        factor = min(factor, room.height / own.height, room.width / own.width)
        height, width = (max(1, math.floor(side * factor + 0.5)) for side in own)
        height, width = min(height, room.height), min(width, room.width)
        x, y = anchor(self.position)
        top = (size.height - room.height) // 2 + int((room.height - height) * y)
        left = (size.width - room.width) // 2 + int((room.width - width) * x)
        return Size(height, width), (top, left), margin

    def _pieces(
        self, mark: RenderedMark, at: tuple[int, int], size: Size
    ) -> Iterator[tuple[slice, slice, tuple[slice, slice]]]:
        """Rows and columns of the picture that the mark covers, and those of the mark; none overlap."""
        height, width = mark.alpha.shape
        lines = max(1, BLOCK // width)  # blocks of lines: the wide intermediates stay in the cache
        tops, lefts = (
            range(place % step - step, side, step) if self.tile else (place,)
            for place, step, side in zip(at, mark.steps, size, strict=True)
        )
        for top, left in product(tops, lefts):
            first, last = max(left, 0), min(left + width, size.width)
            for row in range(max(top, 0), min(top + height, size.height) if first < last else 0, lines):
                end = min(row + lines, top + height, size.height)
                yield (
                    slice(row, end),
                    slice(first, last),
                    (slice(row - top, end - top), slice(first - left, last - left)),
                )

    @cached_property
    def _image(self) -> Any:
        from PIL import Image, ImageOps

        try:
            with Image.open(self.image) as file:
                image = ImageOps.exif_transpose(file)
                if image.mode.startswith("I;16"):  # Pillow would clip and not scale it
                    image = Image.fromarray(((np.asarray(image) + 128.0) // 257).astype(np.uint8))
                return image.convert("RGBA")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            what = " ".join(str(error).split())
            raise UsageError(f"overlay image {self.image!r} cannot be read: {what}") from error

    @cached_property
    def _mark(self) -> Callable[[Spec, int], RenderedMark]:
        return lru_cache(maxsize=FEW)(self._rendered)

    def _rendered(self, spec: Spec, gap: int) -> RenderedMark:
        """The mark at the size, model and dtype of a Spec; `gap` follows each copy."""
        from PIL import Image

        image, wide, unit = self._image, WIDE[spec.dtype, spec.has_alpha], spec.white / 255
        if (spec.width, spec.height) != image.size:
            image = image.resize((spec.width, spec.height), Image.Resampling.LANCZOS)  # premultiplied by Pillow
        planes = np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
        half = 0.0 if spec.dtype == "float32" else 0.5  # floats are not rounded
        alpha = (np.arange(256) * (self.opacity * unit) + half).astype(wide).take(planes[3])
        if spec.base_model == "gray":
            luma = np.tensordot([[299, 587, 114]], planes[:3], 1)
            colour = (luma * unit / 1000 + half).astype(wide)
        else:
            colour = np.multiply(planes[:3], wide(unit), dtype=wide)
        colour *= alpha
        if not self.tile:
            return RenderedMark(colour, alpha, spec.size)
        # Small copies are repeated here, each followed by its gap; of large ones each is a piece of its own.
        steps = [side + gap for side in spec.size]
        times = [max(1, TILE // step) for step in steps]
        ends = [(0, gap if many > 1 else 0) for many in times]
        colour = np.tile(np.pad(colour, ((0, 0), *ends)), (1, *times))
        alpha = np.tile(np.pad(alpha, ends), times)
        return RenderedMark(colour, alpha, (steps[0] * times[0], steps[1] * times[1]))


def _over(below: Pixels, out: Pixels, colour: Pixels, alpha: Pixels, *, white: int) -> None:
    """Write colour * alpha + below * (1 - alpha), for pictures without alpha."""
    floats = below.dtype.kind == "f"
    clear = white - alpha
    for channel, above in enumerate(colour):
        mixed = below[..., channel] * clear
        mixed += above
        if not floats:
            mixed += white // 2
            mixed //= white
        out[..., channel] = mixed


def _over_alpha(below: Pixels, out: Pixels, colour: Pixels, alpha: Pixels, *, white: int) -> None:
    """Write source over a backdrop with straight alpha; a pixel that stays wholly transparent keeps its colour."""
    floats = below.dtype.kind == "f"
    under = below[..., -1] * (white - alpha)  # alpha of what still shows of the backdrop
    both = alpha * white + under
    nothing = both == 0
    under += nothing
    whole = both + nothing
    for channel, above in enumerate(colour):
        mixed = above * white + below[..., channel] * under
        out[..., channel] = mixed / whole if floats else (mixed + whole // 2) // whole
    out[..., -1] = both if floats else (both + white // 2) // white


def _share(name: str, text: str) -> float:
    """A percentage as a share from 0 to 1; raises UsageError where it is not one."""
    number = text.strip().removesuffix("%")
    try:
        share = float(number) / 100
    except ValueError:
        share = math.nan
    if not text.strip().endswith("%") or not 0 <= share <= 1:
        raise UsageError(f"overlay {name} {text!r} is not a valid share", remedy='write it as "20%"')
    return share
