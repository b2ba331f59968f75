"""The contract of codecs: bytes <-> pixels for one format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from ..errors import ItemError
from .contexts import Fill
from .frame import NO_METADATA, Frame, Metadata
from .spec import Pixels, Size, Spec
from .stage import Health, Stage


@dataclass(frozen=True, slots=True)
class Header:
    """What a codec learns without decoding: the Spec at full size and what stands beside the pixels.

    Attributes:
        frames: pictures or pages in the file.
        plays: how often an animation is shown, 0 for ever; None where it is none.
        remarks: what did not fail and may surprise the owner of the file.
    """

    spec: Spec
    metadata: Metadata = NO_METADATA
    frames: int = 1
    remarks: tuple[str, ...] = ()
    plays: int | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """One of the pictures of a file, whole as people see it: of an animation the canvas after its disposal.

    Attributes:
        fill: decodes it into an array of `spec`; raises ItemError as `Codec.decode` does.
        duration_ms: how long it is shown; 0 for a page.
    """

    spec: Spec
    fill: Fill
    duration_ms: int = 0


def _unheard(_: str) -> None:
    """A remark that goes to no one."""


@dataclass(frozen=True, slots=True)
class DecodeContext:
    """What the engine lends to `Codec.decode`.

    Attributes:
        salvage: write what can be read of a picture whose pixels are cut or corrupt, and remark which part; else it
            fails. A codec that cannot do that fails such a file as always.
        remark: tell the user something that does not fail the picture.
    """

    salvage: bool = False
    remark: Callable[[str], None] = _unheard

    @staticmethod
    def lost(what: str) -> ItemError:
        """The error for pixels that are cut or corrupt, of a codec that could salvage the others."""
        return ItemError(what, remedy="`on_damage: salvage` of the reader writes what can be read")


STRICT = DecodeContext()


class Codec(Stage):
    """Bytes <-> pixels for one format; its fields are the settings of its encoder.

    `open` comes before `header`, `decode` and `encode`: for a reader's codecs when the first file of the format is met.

    Class constants:
        extensions: lower case, without the dot; the first is the usual one.
        models: colour models that `encode` takes. dtypes: types of samples that it takes.
        holds: what `encode` writes of a frame's metadata beside the ICC profile: exif, xmp, iptc, comment, density;
            gain_map where what it writes may have one.
        common: those of higher numbers are asked first for their magic bytes, and the others imported only if need be.
        last_resort: asked for its magic bytes after all others: it only knows what it refuses.
    """

    extensions: ClassVar[tuple[str, ...]] = ()
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb")
    dtypes: ClassVar[tuple[str, ...]] = ("uint8",)
    holds: ClassVar[frozenset[str]] = frozenset()
    common: ClassVar[int] = 0
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

    def decode(self, data: memoryview, spec: Spec, out: Pixels, how: DecodeContext = STRICT) -> None:
        """Decode into `out`, an array of `spec`, one that `header` or `shrunk` gave.

        What is needed for the first picture is whole: it is read, with a remark where something else is not. Pixels
        that are cut or corrupt fail the picture, or are salvaged.

        Raises:
            ItemError: damaged or truncated, in one line.
        """
        raise NotImplementedError

    def pictures(self, data: memoryview, header: Header, how: DecodeContext = STRICT) -> Iterator[Picture]:
        """All pictures of the file at full size, in order; each is filled or passed over before the next is asked for.

        Raises:
            ItemError: damaged or truncated.
        """
        yield Picture(header.spec, partial(self.decode, data, header.spec, how=how))

    def preview(self, data: memoryview) -> bytes | None:
        """The encoded picture that a camera put into its raw file; None where this is no raw file.

        Raises:
            ItemError: there is none in it.
        """
        return None

    def repacked(self, data: memoryview, frame: Frame) -> bytes | None:
        """An encoded picture with its pixels' code as it is, and the frame's metadata in place of its own.

        None where that cannot be: it is encoded anew then, which for lossless formats changes no pixel.
        """
        return None

    def encode(self, frame: Frame) -> bytes | memoryview:
        """The encoded file; the pixels are read-only and C-contiguous. Of the metadata it writes all that it holds."""
        raise NotImplementedError
