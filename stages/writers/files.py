"""Writes each frame as one file, in the format that the extension names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pipeline import NO_METADATA, Codec, Frame, Template, WriteContext, Writer
from stages.media import gain_map, sidecars
from stages.media.metadata_policy import kept

Kept = Literal["exif", "xmp", "iptc", "gps", "copyright", "date", "comment", "mtime", "density", "sidecar", "gain_map"]


@dataclass(frozen=True)
class Files(Writer):
    """One encoded file a frame, written beside its target and renamed when it is whole."""

    path: str = field(
        metadata={
            "pixels": False,
            "doc": "path of the outputs; {dir} {stem} {ext} {name} {index} {pts} {row} {column} {width} {height} {hash}"
            " are filled in, the extension names the format",
        }
    )
    quality: int = field(
        default=85, metadata={"ge": 1, "le": 100, "doc": "of lossy formats, in the format's own scale"}
    )

    icc: Literal["srgb", "keep", "drop"] = field(
        default="srgb",
        metadata={
            "doc": "ICC profiles: srgb converts pictures that have one to sRGB and leaves it out; keep leaves the"
            " pixels and writes the profile; drop leaves the pixels and writes none"
        },
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

    unchanged: Literal["encode", "copy"] = field(
        default="encode",
        metadata={
            "doc": "pictures that no stage changes and that are of the output's format: encode them again, or copy"
            " their code, with the metadata that `keep` names (of JPEG, which loses a little each time it is encoded)"
        },
    )

    encodes: ClassVar[bool] = True
    generic: ClassVar[tuple[str, ...]] = ("quality",)
    example: ClassVar[Mapping[str, Any]] = {"path": "out/{dir}/{stem}.jpg", "quality": 85}

    @property
    def asks_source(self) -> bool:
        """Whether the code or the gain map of sources is wanted."""
        return self.unchanged == "copy" or "gain_map" in self.keep

    def destination(self) -> Template:
        """The template of `path`; raises UsageError where a field is not known."""
        return Template(self.path)

    def write(self, frame: Frame, context: WriteContext) -> int:
        """Encode and save; returns the bytes written. Raises what the codec and `context.save` raise."""
        encoder = context.encoder
        if encoder is None:
            raise TypeError("the engine gives a writer with `encodes` an encoder")
        if frame.metadata is not NO_METADATA:
            frame.metadata = kept(frame.metadata, self.keep, frame.spec, encoder.holds, frame.remark)
        mtime_ns = os.stat(frame.item.source).st_mtime_ns if "mtime" in self.keep else None
        written = context.save(self._encoded(frame, encoder, context), mtime_ns=mtime_ns)
        if "sidecar" in self.keep:
            written += sidecars.copy(frame.item.source, self.keep, context, frame.remark)
        return written

    def _encoded(self, frame: Frame, encoder: Codec, context: WriteContext) -> bytes | memoryview:
        """What is written of a frame: its source's code or gain map where that is asked for and can be had."""
        wants_map = "gain_map" in self.keep and "gain_map" in encoder.holds
        source = context.source(frame) if wants_map or self.unchanged == "copy" else None
        made = None
        if source is not None and wants_map:
            made = gain_map.encoded(source, frame, getattr(encoder, "quality", self.quality))
        if source is not None and made is None and self.unchanged == "copy" and source.unchanged:
            made = encoder.repacked(source.data, frame)
        return encoder.encode(frame) if made is None else made
