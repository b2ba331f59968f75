"""What readers of picture files have in common: how each is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .contexts import Part, ReadContext
from .stage import Reader


@dataclass(frozen=True)
class PictureReader(Reader):
    """Parameters of readers that decode pictures, and `decoded`, which heeds them."""

    on_damage: Literal["fail", "salvage"] = field(
        default="fail",
        kw_only=True,
        metadata={
            "doc": "what becomes of a picture whose pixels are cut or corrupt: fail it, or salvage what can be read"
            " (JPEG, PNG and TIFF), with a remark that says which part"
        },
    )

    def decoded(self, context: ReadContext, path: str) -> Part:
        """The first frame of the picture in a file. Raises what `context.load` and `context.picture` raise."""
        return context.picture(context.load(path), salvage=self.on_damage == "salvage")
