"""The contracts of components. A component is a frozen dataclass in one file; its fields are its YAML keys.

A component computes. It counts nothing, retries nothing, starts no process: the engine does, and names the culprit.
`open` and `close` run in the worker; the backend library is imported there and never at the top of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from .frame import NO_METADATA, Clip, Frame, Item, Metadata, Size, Spec
from .template import Template

if TYPE_CHECKING:
    import numpy as np

    Pixels = np.ndarray[Any, Any]


class Skip(Exception):
    """Raised by a stage to drop a frame on purpose; the text is the reason in the report."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on hostile or mistaken input, checked before any pixel is decoded.

    Attributes:
        pixels: height x width of one frame.
        file_nbytes: size of one input file, checked while reading.
        frames: frames of one item.
    """

    pixels: int = 100_000_000
    file_nbytes: int = 512 * 1024 * 1024
    frames: int = 1_000_000


class Stage:
    """What every component has. Class constants declare its limits; the plan enforces them.

    Class constants:
        max_workers: the most processes that may run it.
        example: parameters that show what it is for; the pages and the contract tests are made with them. They must
            hold the required ones, and be such as a config of this repository could have.
    """

    max_workers: ClassVar[int | None] = None
    example: ClassVar[Mapping[str, Any]] = {}

    def open(self) -> None:
        """Called once in the worker, after it is pinned and before the first frame; import the backend here."""

    def close(self) -> None:
        """Called once in the worker after its last frame; not called when the worker is killed."""


class Transform(Stage):
    """A step from pixels to pixels.

    Class constants:
        inspect: looks only; the frame goes on in the memory it lies in, and `process` gets no output.
        in_place: `process` may write into `frame.pixels` and gets no output; a retry starts at the reader.
        any_colour: moves or looks at pixels and gives their values no meaning, so it may work before the picture is
            converted to sRGB; a stage that mixes colours of its own into the picture, or judges colours, may not.
        planes: takes YUV in planes as it comes from video (`Spec.planes`); before the first stage that does not, the
            plan has it turned into rgb.
        identity_when_equal: a frame whose `output_spec` equals its Spec passes untouched (nothing is called).
        expands: the most frames that one frame becomes; above 1, `expand` is called in place of `process`.
    """

    inspect: ClassVar[bool] = False
    in_place: ClassVar[bool] = False
    any_colour: ClassVar[bool] = False
    planes: ClassVar[bool] = False
    identity_when_equal: ClassVar[bool] = False
    expands: int = 1

    def output_spec(self, spec: Spec) -> Spec:
        """What comes out for what goes in; an upper bound where data decides. Pure; asked once per Spec.

        Raises:
            SpecError: the Spec is not taken; say what is wanted and what was got.
        """
        return spec

    def required_input(self, spec: Spec, need: Size) -> Size:
        """The smallest input from which the output can be made as well as from `spec`. Pure.

        Args:
            spec: the input at its full size.
            need: the smallest size at which the next stage still takes this stage's output.
        """
        return spec.size

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write the result into `out`, an array of `output_spec(frame.spec)`; called in a worker."""
        raise NotImplementedError(f"{type(self).__name__} defines neither process nor expand")

    def expand(self, frame: Frame) -> Iterator[Part]:
        """Yield the parts of a frame, in order and the same ones every time (a retry starts over)."""
        raise NotImplementedError(f"{type(self).__name__} declares expands > 1 and defines no expand")


class Fill(Protocol):
    """Writes one frame's pixels into `out`, an array of the announced Spec."""

    def __call__(self, out: Pixels) -> None: ...


@dataclass(slots=True)
class Part:
    """A frame that is announced and not yet made: the engine finds memory for `spec`, then calls `fill(out)`."""

    spec: Spec
    fill: Fill
    metadata: Metadata = NO_METADATA
    pts: int | None = None
    time_base: tuple[int, int] = (0, 1)
    duration: int = 0
    clip: Clip | None = None

    def inherit(self, frame: Frame) -> None:
        """Take from the frame it was made of what it does not say itself."""
        if not self.metadata.nbytes:
            self.metadata = frame.metadata
        if self.pts is None:
            self.pts, self.time_base, self.duration, self.clip = (
                frame.pts, frame.time_base, frame.duration, frame.clip,
            )  # fmt: skip


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
    """

    extensions: ClassVar[tuple[str, ...]] = ()
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb")

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

    def load(self, path: str) -> memoryview:
        """The bytes of a regular file, in a buffer that the next call reuses.

        Raises:
            ItemError: not a regular file, empty, larger than the limit, changed while it was read.
            OSError: as the system says.
        """

    def full(self, data: memoryview) -> tuple[Spec, Codec]:
        """Spec at full size and codec of an encoded picture; raises as `picture` does."""

    def picture(self, data: memoryview, *, name: str) -> Part:
        """The first frame of an encoded picture, found by its magic bytes, at the smallest scale the chain takes.

        Raises:
            ItemError: unknown format, damaged header, beyond a limit.
        """


class Reader(Stage):
    """Where frames come from. `discover` runs in the parent, `read` in a worker.

    Class constants:
        planes: frames may be YUV in planes (`Spec.planes`).

    Properties that the plan asks once:
        turns: the plan applies the orientation of its frames first.
        streams: an item is an ordered stream of frames of one Spec (a video).
        many: an item is several frames of any Spec (pages), each finding its own memory.
    """

    planes: ClassVar[bool] = False

    @property
    def turns(self) -> bool:
        return False

    @property
    def streams(self) -> bool:
        return False

    @property
    def many(self) -> bool:
        return False

    def discover(self, without: str | None = None) -> Iterator[Item]:
        """The items in input order, found as they are asked for; never a list of them all.

        Runs in a thread of the parent. `without` is the folder of the outputs: when it lies inside the input it is
        not descended into (compared by device and inode).
        """
        raise NotImplementedError

    def count(self, without: str | None = None) -> Iterator[int]:
        """Numbers whose sum is how many items there are, for the ETA; may take long, holds no path."""
        return iter(())

    def holds(self, path: str, without: str | None = None) -> bool:
        """Whether an existing file is one of the inputs, so that no output is written over it. Asked in a writer."""
        return False

    def would_read(self, path: str, without: str | None = None) -> bool:
        """Whether a file would be read if it lay at this real path; it need not exist. Asked by the plan."""
        return False

    def fixed_spec(self) -> Spec | None:
        """The Spec of every frame where it is known beforehand; spares the question for memory."""
        return None

    def sample(self, item: Item, context: ReadContext) -> tuple[Spec, Codec | None]:
        """Spec at full size of an item's first frame, and the codec that can shrink it; what `plan` asks of a few.

        No pixel is decoded. Raises as `read` does.
        """
        return context.full(context.load(item.source))

    def read(self, item: Item, context: ReadContext) -> Iterator[Part]:
        """The frames of an item, announced one by one; the next is asked for when the last was filled.

        Raises:
            ItemError, OSError: this item fails with that reason. Skip: it is left out.
        """
        raise NotImplementedError


class WriteContext(Protocol):
    """What the engine lends to `Writer.write`, in the worker.

    Attributes:
        encoder: the codec of the outputs, for a writer that encodes each frame.
        target: path of the current output.
    """

    encoder: Codec | None
    target: str

    def save(self, data: bytes | memoryview) -> int:
        """Write the current output: a temporary file beside the target, renamed when it is whole.

        Returns the bytes written. Raises ItemError where the target is one of the input's files.
        """

    def temporary(self) -> str:
        """The path of a new, empty file beside the current target, for an output that is written piece by piece."""

    def commit(self) -> int:
        """The temporary file is whole: rename it to the target. Raises as `save` does; returns its size in bytes."""

    def discard(self) -> None:
        """Remove the temporary file, if there is one."""

    def alive(self) -> None:
        """Say that a long step makes progress: its time-out begins anew."""


class Writer(Stage):
    """Where frames go.

    Attributes:
        icc: what becomes of ICC profiles: "srgb" has the plan convert to sRGB before the writer, "keep" writes them
            into the outputs, "drop" leaves them out.

    Class constants:
        encodes: each frame becomes one file in the format of the destination's extension.
        generic: fields that set the encoder's field of the same name.
        ordered: takes the frames of an item in order (a muxer): one worker has the whole item, from its first frame to
            `finish`. A writer with `encodes` gets the frames of a stream as they come, on all its workers.
        discards: leaves nothing behind, so that a trial run may call it on real input. Outputs of other writers
            are led to a scratch folder for trials, which takes a `destination`.
    """

    encodes: ClassVar[bool] = False
    discards: ClassVar[bool] = False
    ordered: ClassVar[bool] = False
    generic: ClassVar[tuple[str, ...]] = ()
    icc: str = "keep"

    @property
    def yuv(self) -> Mapping[str, Any] | None:
        """Parameters of the stage `yuv`, for a writer that takes only YUV in planes; the plan puts it before it."""
        return None

    def destination(self) -> Template | None:
        """The template of the outputs; None where nothing is written. Pure."""
        return None

    def write(self, frame: Frame, context: WriteContext) -> int:
        """Write one frame; returns the bytes written."""
        raise NotImplementedError

    def finish(self, item: Item, context: WriteContext) -> int:
        """Called after the last frame of a stream; returns the bytes written."""
        return 0
