"""What the engine lends to readers and writers, and what they hand back: parts, limits, reasons to skip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from .frame import NO_METADATA, Frame, Item, Metadata
from .parameter_types import Nbytes
from .properties import Properties
from .spec import Pixels, Spec

if TYPE_CHECKING:
    from .codec import Codec


Which = Literal["first", "all", "middle"] | int  # of the pictures in a file; a number counts from 0


class Skip(Exception):
    """Raised by a stage to drop a frame on purpose; the text is the reason in the report."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on hostile or mistaken input, checked before any pixel is decoded; the keys of a config's `limits`.

    Attributes:
        pixels: height x width of one frame.
        file_nbytes: size of one input file, checked while reading.
        frames: frames of one item.
    """

    pixels: int = field(default=100_000_000, metadata={"ge": 1, "doc": "height x width of one frame"})
    file_nbytes: Nbytes = field(default=Nbytes(512 << 20), metadata={"key": "file_size", "doc": "of one input file"})
    frames: int = field(default=1_000_000, metadata={"ge": 1, "doc": "frames of one input"})


class Fill(Protocol):
    """Writes one frame's pixels into `out`, an array of the announced Spec."""

    def __call__(self, out: Pixels) -> None: ...


@dataclass(slots=True)
class Part(Properties):
    """A frame that is announced and not yet made: the engine finds memory for `spec`, then calls `fill(out)`."""

    spec: Spec
    fill: Fill
    metadata: Metadata = NO_METADATA

    def inherit(self, frame: Frame) -> None:
        """Take from the frame it was made of what it does not say itself."""
        if not self.metadata.nbytes:
            self.metadata = frame.metadata
        self.take(frame)


class ReadContext(Protocol):
    """What the engine lends to `Reader.read`, in the worker."""

    limits: Limits

    def remark(self, text: str) -> None:
        """Tell the user something that does not fail the item; the report counts items with equal remarks."""

    def alive(self) -> None:
        """Say that a long step makes progress: its time-out begins anew."""

    def took(self, nbytes: int) -> None:
        """Count bytes that were read in another way than by `load`."""

    def check(self, spec: Spec) -> None:
        """Raise ItemError where a frame has more pixels than the limit; `picture` does it by itself."""

    def bytes_of(self, item: Item, load: Callable[[Item, ReadContext], memoryview]) -> memoryview:
        """The bytes of the item that is read: those that a thread has fetched by `load`, or what `load` gives now."""

    def load(self, path: str) -> memoryview:
        """The bytes of a regular file, in a buffer that the next call reuses.

        Raises:
            ItemError: not a regular file, empty, larger than the limit, changed while it was read.
            OSError: as the system says.
        """

    def load_from(self, nbytes: int, read_into: Callable[[memoryview], int]) -> memoryview:
        """Bytes that do not lie in a file of their own: `read_into` writes them into that very buffer.

        Args:
            nbytes: how many there are.
            read_into: given room for all of them; returns how many came.

        Raises:
            ItemError: none, more than the limit, or fewer came. And whatever `read_into` raises.
        """

    def full(self, data: memoryview, *, previews: bool = False) -> tuple[Spec, Codec]:
        """Spec at full size and codec of an encoded picture; raises as `picture` does."""

    def picture(self, data: memoryview, *, salvage: bool = False, previews: bool = False) -> Part:
        """The first frame of an encoded picture, found by its magic bytes, at the smallest scale the chain takes.

        Args:
            salvage: whether one whose pixels are cut or corrupt is read as far as it goes, with a remark.
            previews: whether of a camera's raw file the JPEG inside is read, with a remark; else it is refused.

        Raises:
            ItemError: unknown format, damaged header, beyond a limit.
        """

    def pictures(
        self, data: memoryview, which: Which, *, salvage: bool = False, previews: bool = False
    ) -> Iterator[Part]:
        """Of a file that may hold several pictures: all, the middle one, or the one of this number from 0; full size.

        Raises:
            ItemError: as `picture` does, and where there is none of this number.
        """


class Source(NamedTuple):
    """An encoded picture, as a writer may ask for it.

    Attributes:
        spec: its Spec at full size, by its header.
        unchanged: it is whole, of the encoder's format, and no stage changes a pixel of it.
        keeps_extent: frames show the whole of it, evenly, at whatever size; see `Transform.keeps_extent`.
    """

    data: memoryview
    spec: Spec
    unchanged: bool
    keeps_extent: bool


class WriteContext(Protocol):
    """What the engine lends to `Writer.write`, in the worker.

    Attributes:
        encoder: the codec of the outputs, for a writer that encodes each frame.
        target: path of the current output.
    """

    encoder: Codec | None
    target: str

    def source(self, frame: Frame) -> Source | None:
        """The encoded picture that the current frame was made of; valid until the next call.

        Only for a writer that `asks_source`. None where there is none: of a later picture of a file, and of a file that
        cannot be read any more. One that was replaced meanwhile is told by its size only.
        """

    def save(self, data: bytes | memoryview, *, mtime_ns: int | None = None) -> int:
        """Write the current output: a temporary file beside the target, renamed when it is whole.

        `mtime_ns` is the time of its last change, in nanoseconds since 1970, in place of now. Returns the bytes
        written. Raises ItemError where the target is one of the input's files.
        """

    def save_beside(self, path: str, data: bytes) -> int | None:
        """Write a companion of the current output, as `save` writes the output itself; None where something is at
        `path` already, which stays as it is. The journal does not know of companions.
        """

    def temporary(self) -> str:
        """The path of a new, empty file beside the current target, for an output that is written piece by piece."""

    def commit(self) -> int:
        """The temporary file is whole: rename it to the target. Raises as `save` does; returns its size in bytes."""

    def discard(self) -> None:
        """Remove the temporary file, if there is one."""

    def alive(self) -> None:
        """Say that a long step makes progress: its time-out begins anew."""
