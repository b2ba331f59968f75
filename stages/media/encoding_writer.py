"""What writers have in common that encode each frame: quality, colour profiles, metadata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pipeline import NO_METADATA, Codec, Frame, WriteContext, Writer
from stages.media import gain_map
from stages.media.metadata_policy import kept


@dataclass(frozen=True)
class EncodingWriter(Writer):
    """Parameters of such a writer, and `encoded`, which heeds them. It has a field `keep` of its own."""

    quality: int = field(
        default=85, kw_only=True, metadata={"ge": 1, "le": 100, "doc": "of lossy formats, in the format's own scale"}
    )

    icc: Literal["srgb", "keep", "drop"] = field(
        default="srgb",
        kw_only=True,
        metadata={
            "doc": "ICC profiles: srgb converts pictures that have one to sRGB and leaves it out; keep leaves the"
            " pixels and writes the profile; drop leaves the pixels and writes none"
        },
    )

    unchanged: Literal["encode", "copy"] = field(
        default="encode",
        kw_only=True,
        metadata={
            "doc": "pictures that no stage changes and that are of the output's format: encode them again, or copy"
            " their code, with the metadata that `keep` names (of JPEG, which loses a little each time it is encoded)"
        },
    )

    encodes: ClassVar[bool] = True
    generic: ClassVar[tuple[str, ...]] = ("quality",)

    @property
    def keep(self) -> Sequence[str]:
        """What of a picture's metadata its output says too; a field of each writer."""
        raise NotImplementedError

    @property
    def asks_source(self) -> bool:
        """Whether the code or the gain map of sources is wanted."""
        return self.unchanged == "copy" or "gain_map" in self.keep

    def encoded(self, frame: Frame, context: WriteContext) -> bytes | memoryview:
        """What is written of a frame. Raises what the codec raises."""
        encoder = context.encoder
        if encoder is None:
            raise TypeError("the engine gives a writer with `encodes` an encoder")
        if frame.metadata is not NO_METADATA:
            frame.metadata = kept(frame.metadata, self.keep, frame.spec, encoder.holds, frame.remark)
        return self._encoded(frame, encoder, context)

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
