"""Pages of small pictures with their names."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline import Colour, Frame, Partial, Pixels, Reducer, UsageError
from stages.media import picture_figures
from stages.media.background import flattened, require_opaque

GAP = 8  # pixels around a picture
LABEL = 18  # height of the line below it
TYPE = 11  # size of the letters
ELLIPSIS = "\u2026"


@dataclass(frozen=True)
class ContactSheet(Reducer):
    """A montage: frames as they leave the transforms, in a grid with their names, as many pages as are needed.

    `sheet.jpg`, or `sheet-001.jpg` and so on. A frame larger than its cell is shrunk to it; `resize` with `fit: inside`
    before it does that while the file is decoded. Each picture is kept in the journal as JPEG, some kilobytes.
    """

    path: str = field(metadata={"doc": "folder of the pages"})
    columns: int = field(default=6, metadata={"ge": 1, "le": 100, "doc": "pictures in a row"})
    rows: int = field(default=8, metadata={"ge": 1, "le": 100, "doc": "of a page"})
    width: int = field(default=160, metadata={"ge": 16, "le": 2048, "doc": "of a cell, in pixels"})
    height: int = field(default=160, metadata={"ge": 16, "le": 2048, "doc": "of a cell, in pixels"})
    labels: Literal["name", "path", "none"] = field(default="name", metadata={"doc": "what stands below a picture"})
    background: Colour = field(default=Colour(255, 255, 255), metadata={"doc": "of the pages"})
    format: Literal["jpg", "png"] = field(default="jpg", metadata={"doc": "of the pages"})

    example: ClassVar[Mapping[str, Any]] = {"path": "out/sheets", "columns": 8}

    def __post_init__(self) -> None:
        require_opaque(self.background)
        if max(self.page_size) > 30_000:
            width, height = self.page_size
            raise UsageError(
                f"contact_sheet: a page would have {width}x{height} pixels", limit="it may have 30,000 a side",
                remedy="give it fewer columns or rows",
            )  # fmt: skip

    def open(self) -> None:
        from PIL import Image, ImageDraw, ImageFont  # noqa: F401 - loaded before the first frame, not within it

    @property
    def page_size(self) -> tuple[int, int]:
        """Width and height of a page in pixels."""
        return self.columns * (self.width + GAP) + GAP, self.rows * (self._line + GAP) + GAP

    @property
    def _line(self) -> int:
        return self.height + (LABEL if self.labels != "none" else 0)

    def map(self, frame: Frame) -> Partial:
        """The picture as JPEG, and what is written below it."""
        from PIL import Image

        spec, item = frame.spec, frame.item
        picture = Image.fromarray(_shown(frame.pixels, frame, self.background))
        if spec.width > self.width or spec.height > self.height:
            picture.thumbnail((self.width, self.height), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=90, subsampling=0)
        name = item.below if self.labels == "path" else item.name
        return [[name, frame.index, file.getvalue()]]

    def merge(self, total: Partial, partial: Partial) -> Partial:
        total += partial
        return total

    def finish(self, total: Partial) -> Iterator[tuple[str, bytes]]:
        """The pages in item order."""
        most = self.columns * self.rows
        pages = [total[start : start + most] for start in range(0, len(total), most)]
        for number, cells in enumerate(pages, 1):
            name = f"sheet-{number:03d}.{self.format}" if len(pages) > 1 else f"sheet.{self.format}"
            yield name, self._page(cells)

    def _page(self, cells: list[Any]) -> bytes:
        from PIL import Image, ImageDraw, ImageFont

        ground, lines = self.background, -(-len(cells) // self.columns)
        size = (self.page_size[0], lines * (self._line + GAP) + GAP)
        page = Image.new("RGB", size, (ground.red, ground.green, ground.blue))
        draw, font = ImageDraw.Draw(page), ImageFont.load_default(TYPE)
        ink = (0, 0, 0) if ground.luma > 127_500 else (255, 255, 255)
        for place, (name, _, data) in enumerate(cells):
            left = GAP + place % self.columns * (self.width + GAP)
            top = GAP + place // self.columns * (self._line + GAP)
            with Image.open(io.BytesIO(data)) as picture:
                page.paste(
                    picture, (left + (self.width - picture.width) // 2, top + (self.height - picture.height) // 2)
                )
            if self.labels != "none":
                text = shortened(name, self.width, font)
                draw.text((left + self.width / 2, top + self.height + 2), text, ink, font, anchor="ma")
        file = io.BytesIO()
        page.save(file, "JPEG" if self.format == "jpg" else "PNG", quality=90)
        return file.getvalue()


def shortened(name: str, width: int, font: Any) -> str:
    """A name that fits into a width: its middle is left out, for its end tells more than that."""
    name = name.encode("utf-8", "replace").decode()
    if font.getlength(name) <= width:
        return name
    for kept in range(len(name) - 1, 1, -1):
        head = kept // 2
        text = name[:head] + ELLIPSIS + name[len(name) - (kept - head) :]
        if font.getlength(text) <= width:
            return text
    return ELLIPSIS


def _shown(pixels: Pixels, frame: Frame, background: Colour) -> Pixels:
    """(H, W, 3) uint8, opaque."""
    opaque = flattened(pixels, frame.spec, background) if frame.spec.has_alpha else pixels
    eight = picture_figures.in_eight_bits(opaque)
    return np.repeat(eight, 3, axis=2) if eight.shape[2] == 1 else np.ascontiguousarray(eight[..., :3])
