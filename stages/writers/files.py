"""Writes each frame as one file, in the format that the extension names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pipeline import Frame, Template, WriteContext
from stages.media import sidecars
from stages.media.encoding_writer import EncodingWriter

Kept = Literal["exif", "xmp", "iptc", "gps", "copyright", "date", "comment", "mtime", "density", "sidecar", "gain_map"]


@dataclass(frozen=True)
class Files(EncodingWriter):
    """One encoded file a frame, written beside its target and renamed when it is whole."""

    path: str = field(
        metadata={
            "pixels": False,
            "doc": "path of the outputs; {dir} {stem} {ext} {name} {index} {pts} {row} {column} {width} {height} {hash}"
            " are filled in, the extension names the format",
        }
    )
    keep: tuple[Kept, ...] = field(
        default=("copyright", "density"),
        metadata={
            "doc": "what of a picture's metadata its output says too: exif (but no thumbnails, maker notes and places),"
            " gps, date and comment (of EXIF these alone), copyright (and author), xmp, iptc, density (pixels an inch),"
            " mtime (the time of the file), sidecar (an .xmp file beside the picture is copied beside its output),"
            " gain_map (of Ultra HDR JPEG to JPEG, where nothing is cropped or put around)"
        },
    )

    example: ClassVar[Mapping[str, Any]] = {"path": "out/{dir}/{stem}.jpg", "quality": 85}

    def destination(self) -> Template:
        """The template of `path`; raises UsageError where a field is not known."""
        return Template(self.path)

    def write(self, frame: Frame, context: WriteContext) -> int:
        """Encode and save; returns the bytes written. Raises what the codec and `context.save` raise."""
        data = self.encoded(frame, context)
        mtime_ns = os.stat(frame.item.archive or frame.item.source).st_mtime_ns if "mtime" in self.keep else None
        written = context.save(data, mtime_ns=mtime_ns)
        if "sidecar" in self.keep:
            written += sidecars.copy(frame.item.source, self.keep, context, frame.remark)
        return written
