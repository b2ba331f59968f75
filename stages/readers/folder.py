"""Reads the pictures of a folder and of the folders below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pipeline import Item, Listing, Part, ReadContext


@dataclass(frozen=True)
class Folder(Listing):
    """One frame for each file that a glob names; magic bytes and not the extension decide what it is.

    Order: the files of a folder by name (in runs of 4096 as the system lists them), then its subfolders by name. A
    folder that cannot be listed is an item that fails with the reason, so nothing is left out in silence.
    """

    include: list[str] = field(
        default_factory=lambda: ["**/*.{jpg,jpeg,png,webp,avif,gif,tif,tiff,bmp,ppm,pgm,pbm,pnm,heic}"],
        metadata={
            "pixels": False,
            "doc": "globs below `path`, in any case of letters; ** is any folders, {a,b} is either",
        },
    )

    example: ClassVar[Mapping[str, Any]] = {"path": "samples/photos", "include": ["**/*.{jpg,png}"]}

    def read(self, item: Item, context: ReadContext) -> Iterator[Part]:
        """One frame: the picture at the smallest scale that the chain takes."""
        self.must_be_file(item)
        yield context.picture(context.load(item.source))
