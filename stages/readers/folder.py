"""Reads the pictures of a folder and of the folders below it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pipeline import Item, Listing, Part, PictureReader, ReadContext
from stages.media import signatures
from stages.media.pictures import left_out


@dataclass(frozen=True)
class Folder(PictureReader, Listing):
    """One frame for each picture of a folder; magic bytes and not the extension decide what it is.

    Without `include` every file is taken whose name or, where that says nothing, whose first bytes are those of a
    picture. All others are skipped and counted by reason: hidden, not a picture, a format that is not read. With
    `include` the globs alone decide, and what turns out to be no picture fails.

    Order: the files of a folder by name (in runs of 4096 as the system lists them), then its subfolders by name. A
    folder that cannot be listed is an item that fails with the reason, so nothing is left out in silence.
    """

    include: list[str] = field(
        default_factory=list,
        metadata={
            "pixels": False,
            "doc": "globs below `path`, in any case of letters; ** is any folders, {a,b} is either; if left out, every"
            " file that is a picture by its name or first bytes",
        },
    )

    fetches_ahead: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"path": "samples/photos", "include": ["**/*.{jpg,png}"]}

    @property
    def tells_hidden(self) -> bool:
        """Where all pictures are asked for, hidden ones are told of."""
        return not self.include

    def left_out(self, path: str) -> str:
        """Why a file is no picture that can be read, by its name or else its first bytes; "" where it is one."""
        return "" if self.include else left_out(path, lambda: _head(path), raw=self.raw == "preview")

    def read(self, item: Item, context: ReadContext) -> Iterator[Part]:
        """One frame: the picture at the smallest scale that the chain takes; or as `frames` says."""
        self.must_be_file(item)
        yield from self.decoded(context, item)


def _head(path: str) -> bytes | None:
    """The first bytes of a file; None for one that will fail, with what the system says."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO must not block
    except OSError:
        return None
    try:
        return os.read(fd, signatures.HEAD_NBYTES)
    except OSError:
        return None
    finally:
        os.close(fd)
