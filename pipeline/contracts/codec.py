"""The contract of codecs: bytes <-> pixels for one format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .frame import NO_METADATA, Frame, Metadata
from .spec import Pixels, Size, Spec
from .stage import Health, Stage


@dataclass(frozen=True, slots=True)
class Header:
    """What a codec learns without decoding: the Spec at full size and what stands beside the pixels."""

    spec: Spec
    metadata: Metadata = NO_METADATA
    frames: int = 1


class Codec(Stage):
    """Bytes <-> pixels for one format; its fields are the settings of its encoder.

    `open` comes before `header`, `decode` and `encode`: for a reader's codecs when the first file of the format is met.

    Class constants:
        extensions: lower case, without the dot; the first is the usual one.
        models: colour models that `encode` takes.
        last_resort: asked for its magic bytes after all others: it only knows what it refuses.
    """

    extensions: ClassVar[tuple[str, ...]] = ()
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb")
    last_resort: ClassVar[bool] = False

    @classmethod
    def health(cls) -> Health | None:
        """Whether its library is there: opened once, by itself."""
        if not cls.extensions:
            return None
        codec = cls()
        codec.open()
        codec.close()
        return Health("reads and writes ." + " .".join(cls.extensions))

    def matches(self, head: bytes) -> bool:
        """Whether these first 32 bytes of a file are of this format (magic bytes; extensions decide nothing)."""
        raise NotImplementedError

    def header(self, data: memoryview) -> Header:
        """Spec and metadata of an encoded picture; decodes no pixel.

        Raises:
            ItemError: damaged or unsupported, in one line.
        """
        raise NotImplementedError

    def shrunk(self, spec: Spec, need: Size) -> Spec:
        """The smallest Spec this decoder can give that is at least `need`; `spec` itself where it cannot shrink."""
        return spec

    def scratch_nbytes(self, spec: Spec) -> int:
        """Private memory that decoding to `spec` needs beside the destination, in bytes."""
        return 0

    def decode(self, data: memoryview, spec: Spec, out: Pixels) -> None:
        """Decode into `out`, an array of `spec`, one that `header` or `shrunk` gave.

        Raises:
            ItemError: damaged or truncated, in one line.
        """
        raise NotImplementedError

    def encode(self, frame: Frame) -> bytes | memoryview:
        """The encoded file; the pixels are read-only and C-contiguous."""
        raise NotImplementedError
