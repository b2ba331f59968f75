"""Formats that no other codec reads, known by their first bytes: so that a file is refused by name, with the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipeline import Codec, Header, MissingCodec
from stages.media import raw_previews
from stages.media.signatures import HEAD_NBYTES, is_raw, named


@dataclass(frozen=True)
class Unread(Codec):
    """Names camera raw, OpenEXR and other formats that are not read, with what to do about each such file."""

    last_resort: ClassVar[bool] = True
    models: ClassVar[tuple[str, ...]] = ()

    def matches(self, head: bytes) -> bool:
        """Whether these first 32 bytes are of a format that can be named."""
        return bool(named(head)[0])

    def preview(self, data: memoryview) -> bytes | None:
        """The JPEG inside a camera's raw file."""
        return raw_previews.largest(data) if is_raw(bytes(data[:HEAD_NBYTES])) else None

    def header(self, data: memoryview) -> Header:
        """Raises MissingCodec: what the file is, and what can be done about it."""
        name, remedy = named(bytes(data[:HEAD_NBYTES]))
        raise MissingCodec(
            f"is {'an' if name.startswith(('Open', 'XML')) else 'a'} {name}, which is not read", remedy=remedy
        )
