"""What readers of picture files have in common: how each is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from .contexts import Part, ReadContext, Which
from .stage import Reader


@dataclass(frozen=True)
class PictureReader(Reader):
    """Parameters of readers that decode pictures, and `decoded`, which heeds them."""

    on_damage: Literal["fail", "salvage"] = field(
        default="fail",
        kw_only=True,
        metadata={
            "doc": "what becomes of a picture whose pixels are cut or corrupt: fail it, or salvage what can be read"
            " (JPEG, PNG, TIFF, GIF, plain BMP), with a remark that says which part"
        },
    )

    frames: Which = field(
        default="first",
        kw_only=True,
        metadata={
            "ge": 0,
            "doc": "of animations and files of several pages: the first picture, all (as frames of one item, with the"
            " times they are shown for), the middle one, or the one of this number, from 0",
        },
    )

    @property
    def streams(self) -> bool:
        return self.frames == "all"

    def decoded(self, context: ReadContext, path: str) -> Iterator[Part]:
        """The pictures in a file that are asked for. Raises what `context.load` and `context.picture` raise."""
        salvage = self.on_damage == "salvage"
        if self.frames == "first":
            yield context.picture(context.load(path), salvage=salvage)
        else:
            yield from context.pictures(context.load(path), self.frames, salvage=salvage)
