"""What readers of picture files have in common: how each is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from .contexts import Part, ReadContext, Which
from .frame import Item
from .spec import Spec
from .stage import Reader

if TYPE_CHECKING:
    from .codec import Codec


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

    raw: Literal["refuse", "preview"] = field(
        default="refuse",
        kw_only=True,
        metadata={
            "doc": "what becomes of a camera's raw file: refuse it, or read the JPEG that the camera put into it"
            " (preview)"
        },
    )

    @property
    def streams(self) -> bool:
        return self.frames == "all"

    def decoded(self, context: ReadContext, item: Item) -> Iterator[Part]:
        """The pictures in an item's file that are asked for. Raises what `load` and `context.picture` raise."""
        salvage, previews = self.on_damage == "salvage", self.raw == "preview"
        if self.frames == "first":
            yield context.picture(context.bytes_of(item, self.load), salvage=salvage, previews=previews)
        else:
            data = context.bytes_of(item, self.load)
            yield from context.pictures(data, self.frames, salvage=salvage, previews=previews)

    def sample(self, item: Item, context: ReadContext) -> tuple[Spec, Codec | None]:
        """Spec and codec of what will be read of an item; raises as `read` does."""
        return context.full(self.load(item, context), previews=self.raw == "preview")
