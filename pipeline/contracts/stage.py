"""The contracts of components. A component is a frozen dataclass in one file; its fields are its YAML keys.

A component computes. It counts nothing, retries nothing, starts no process: the engine does, and names the culprit.
`open` and `close` run in the worker; the backend library is imported there and never at the top of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, NamedTuple

from .frame import Frame, Item
from .spec import Pixels, Size, Spec
from .stamp import Stamp, is_gone, stamp_of
from .template import Template

if TYPE_CHECKING:
    from .codec import Codec
    from .contexts import Part, ReadContext, WriteContext


class Health(NamedTuple):
    """What `pipeline doctor` tells of a component: in one line what works, whether something lacks, and the remedy."""

    says: str
    lacks: bool = False
    remedy: str = ""


class Stage:
    """What every component has. Class constants declare its limits; the plan enforces them.

    Class constants:
        max_workers: the most processes that may run it.
        network: opens connections on purpose, so its workers may.
        pixels_version: raised by one when the same parameters give other pixels than before; a journal does such items
            again.
        example: the required parameters, and some that show what it is for; pages and contract tests are made of it.
    """

    max_workers: ClassVar[int | None] = None
    network: ClassVar[bool] = False
    pixels_version: ClassVar[int] = 1
    example: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def health(cls) -> Health | None:
        """What it can do on this machine, for `pipeline doctor`; None: nothing. Raises what its library does."""
        return None

    def open(self) -> None:
        """Called once in the worker, after it is pinned and before the first frame; import the backend here."""

    def close(self) -> None:
        """Called once in the worker after its last frame; not called when the worker is killed."""


class Transform(Stage):
    """A step from pixels to pixels.

    Class constants:
        inspect: looks only; the frame goes on in the memory it lies in, and `process` gets no output.
        identity_when_equal: a frame whose `output_spec` equals its Spec passes untouched (nothing is called).
        takes_hdr: makes pictures for common screens of those in PQ and HLG, which a chain without it refuses.

    Properties that the plan asks once; a class constant of the name serves where parameters do not decide:
        any_colour: moves or looks at pixels and gives their values no meaning, so it may work before the picture is
            converted to sRGB; a stage that mixes colours of its own into the picture, or judges colours, may not.
        planes: takes YUV in planes as it comes from video (`Spec.planes`); before the first stage that does not, the
            plan has it turned into rgb.
        keeps_extent: what comes out shows the whole of what goes in and nothing else, evenly: it may be of another
            size, and upright. So what lies over the whole picture (a gain map) still fits.
    """

    inspect: ClassVar[bool] = False
    identity_when_equal: ClassVar[bool] = False
    takes_hdr: ClassVar[bool] = False

    @property
    def any_colour(self) -> bool:
        return False

    @property
    def planes(self) -> bool:
        return False

    @property
    def keeps_extent(self) -> bool:
        return self.inspect

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

    @property
    def expanding(self) -> bool:
        """Whether it makes several frames of one: it defines `expand`, which is called in place of `process`."""
        return type(self).expand is not Transform.expand

    def expands(self, spec: Spec) -> int:
        """How many frames a frame of this Spec becomes at most. Pure; asked of stages that define `expand`."""
        return 1

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write the result into `out`, an array of `output_spec(frame.spec)`; called in a worker."""
        raise NotImplementedError(f"{type(self).__name__} defines neither process nor expand")

    def expand(self, frame: Frame) -> Iterator[Part]:
        """Yield the parts of a frame, in order and the same ones every time (a retry starts over)."""
        raise NotImplementedError(f"{type(self).__name__} defines no expand")


class Reader(Stage):
    """Where frames come from. `discover` runs in the parent, `read` in a worker.

    Properties that the plan asks once; a class constant of the name serves where parameters do not decide:
        planes: frames may be YUV in planes (`Spec.planes`).
        turns: the plan applies the orientation of its frames first.
        streams: an item is an ordered stream of frames of one Spec (a video).
        many: an item is several frames of any Spec (pages), each finding its own memory.
        fetches_ahead: `read` asks `context.bytes_of` for them, and several threads may call `load` at once.
    """

    fetches_ahead: ClassVar[bool] = False

    @property
    def planes(self) -> bool:
        return False

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

    @property
    def root(self) -> str | None:
        """The folder that all inputs lie below; None where there is none."""
        return None

    @property
    def named_by_pattern(self) -> bool:
        """Whether `path` is not the name of a file but a pattern of names."""
        return False

    @property
    def watchable(self) -> bool:
        """Whether `at` tells the items that appear while a run goes on."""
        return self.root is not None and not self.waits

    @property
    def waits(self) -> bool:
        """Whether `discover` may wait long for its next item, because another program names them."""
        return False

    def at(self, path: str, without: str | None = None) -> Iterator[Item]:
        """The items that a path below `root` is, or holds where it is a folder, as `discover` would give them; their
        numbers mean nothing. Asked when something appears there.
        """
        return iter(())

    def key(self, item: Item) -> str:
        """What an item is called in a journal: its path below `root`, the same each time."""
        return item.below

    def stamp(self, item: Item) -> Stamp | None:
        """What tells whether the item is the same as the last time; None has it done each time. Asked in the parent."""
        return stamp_of(item.source)

    def load(self, item: Item, context: ReadContext) -> memoryview:
        """The bytes of an item's file, in a buffer that the next call reuses. Asked in a worker, by `sample`, and for
        writers that ask for a frame's source. Raises as `read` does.
        """
        return context.load(item.source)

    def open_source(self, item: Item) -> BinaryIO:
        """The same as a file, to be read from its beginning: for hashes. Asked anywhere; raises OSError."""
        return open(item.source, "rb")

    def is_gone(self, path: str) -> bool:
        """Whether there is certainly no input any more at a path below `root`. Asked in the parent."""
        return is_gone(path)

    def holds(self, path: str, without: str | None = None) -> bool:
        """Whether an existing file is one of the inputs, so that no output is written over it. Asked in a writer."""
        return False

    def would_read(self, path: str, without: str | None = None) -> bool:
        """Whether a file would be read if it lay at this real path; it need not exist. Asked by the plan."""
        return False

    def fixed_spec(self) -> Spec | None:
        """The Spec of every frame where it is known beforehand; spares the question for memory."""
        return None

    @classmethod
    def probe(cls, path: str) -> dict[str, Any] | None:  # noqa: ARG003 - named for those that define it
        """What a file holds, as plain data for `pipeline probe`; None where this reader has nothing to tell of files.

        Asked for files whose first bytes no codec knows. Raises ItemError where it is none of its own, OSError as the
        system says.
        """
        return None

    def sample(self, item: Item, context: ReadContext) -> tuple[Spec, Codec | None]:
        """Spec at full size of an item's first frame, and the codec that can shrink it; what `plan` asks of a few.

        No pixel is decoded. Raises as `read` does.
        """
        return context.full(self.load(item, context))

    def read(self, item: Item, context: ReadContext) -> Iterator[Part]:
        """The frames of an item, announced one by one; the next is asked for when the last was filled.

        Raises:
            ItemError, OSError: this item fails with that reason. Skip: it is left out.
        """
        raise NotImplementedError


class Writer(Stage):
    """Where frames go.

    Class constants:
        encodes: each frame becomes one file in the format of the destination's extension.
        generic: fields that set the encoder's field of the same name.
        ordered: takes the frames of an item in order (a muxer): one worker has the whole item, from its first frame to
            `finish`. A writer with `encodes` gets the frames of a stream as they come, on all its workers.
        joins: makes one file of all frames of an item, so it wants a reader of streams.
        discards: leaves nothing behind, so that a trial run may call it on real input. Outputs of other writers
            are led to a scratch folder for trials, which takes a `destination`.

    Properties that the plan asks once; a field or a class constant of the name serves as well:
        asks_source: `write` asks for `context.source`.
        icc: what becomes of ICC profiles: "srgb" has the plan convert to sRGB before the writer, "keep" writes them
            into the outputs, "drop" leaves them out.
    """

    encodes: ClassVar[bool] = False
    discards: ClassVar[bool] = False
    ordered: ClassVar[bool] = False
    joins: ClassVar[bool] = False
    generic: ClassVar[tuple[str, ...]] = ()

    @property
    def asks_source(self) -> bool:
        return False

    @property
    def icc(self) -> str:
        return "keep"

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
