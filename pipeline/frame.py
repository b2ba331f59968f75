"""What travels: Spec (what the bytes are), Metadata, Item (one unit of input) and Frame (one image in flight)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import SpecError

if TYPE_CHECKING:
    import numpy as np

DTYPES = ("uint8", "uint16", "float32")
MODELS = ("gray", "gray_alpha", "rgb", "rgba", "cmyk", "yuv420", "yuv422", "yuv444", "other")
RANGES = ("full", "limited")
MATRICES = ("unspecified", "bt601", "bt709", "bt2020")
PRIMARIES = ("unspecified", "srgb", "bt601", "bt709", "bt2020", "p3", "adobe_rgb", "icc")
ITEMSIZE = {"uint8": 1, "uint16": 2, "float32": 4}
CHANNELS = {"gray": 1, "gray_alpha": 2, "rgb": 3, "rgba": 4, "cmyk": 4}
_CODE = struct.Struct("<IIII8B")
SPEC_NBYTES = _CODE.size


class Size(NamedTuple):
    """Height and width in pixels, in the order of the array axes."""

    height: int
    width: int


@dataclass(frozen=True)
class Spec:
    """What the bytes of a frame mean; immutable, hashable, 24 bytes on the wire.

    Attributes:
        height, width: of the array as it lies in memory, in pixels.
        channels: samples per pixel.
        dtype: one of DTYPES.
        model: colour model, one of MODELS.
        range, matrix, primaries: how samples map to light; "unspecified" is kept as such, never guessed. Primaries
            of "icc" mean that the frame's ICC profile says it, and that it has not been applied yet.
        planar: False is axis order "HWC", True is "CHW".
        orientation: EXIF tag 1..8; what the rows and columns still mean until a stage applies it.
        full_height, full_width: the size before shrink-on-load. A decoder that shrank keeps the size of the
            file here, so that the last resize rounds and weighs its edges as if it had seen every pixel.
            0 stands for "as `height` and `width`".
    """

    height: int
    width: int
    channels: int = 3
    dtype: str = "uint8"
    model: str = "rgb"
    range: str = "full"
    matrix: str = "unspecified"
    primaries: str = "unspecified"
    planar: bool = False
    orientation: int = 1
    full_height: int = 0
    full_width: int = 0

    def __hash__(self) -> int:
        return self._hash

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}  # a hash of text is of one process

    @cached_property
    def _hash(self) -> int:
        return hash((self.height, self.width, self.full_height, self.full_width, self.channels, self.dtype, self.model))

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1 or self.channels < 1:
            raise SpecError(
                f"a frame of {self.height}x{self.width}x{self.channels} (H x W x C) has no pixels",
                limit="each at least 1",
            )
        if not self.full_height:
            object.__setattr__(self, "full_height", self.height)
            object.__setattr__(self, "full_width", self.width)

    @classmethod
    def of(cls, model: str, height: int, width: int, **more: Any) -> Spec:
        """The Spec of a colour model with the number of channels that belongs to it."""
        return cls(height, width, CHANNELS[model], model=model, **more)

    @property
    def size(self) -> Size:
        return Size(self.height, self.width)

    @property
    def full_size(self) -> Size:
        return Size(self.full_height, self.full_width)

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """The array's shape: (H, W, C), or (C, H, W) when planar."""
        hwc = (self.height, self.width, self.channels)
        return (hwc[2], hwc[0], hwc[1]) if self.planar else hwc

    @cached_property
    def nbytes(self) -> int:
        return self.height * self.width * self.channels * ITEMSIZE[self.dtype]

    @property
    def has_alpha(self) -> bool:
        return self.model in ("gray_alpha", "rgba")

    def resized(self, height: int, width: int) -> Spec:
        """The same picture at another size, with no memory of a shrink-on-load."""
        return replace(self, height=height, width=width, full_height=height, full_width=width)

    def shrunk(self, height: int, width: int) -> Spec:
        """The same picture as a decoder that shrinks on load gives it; the full size is kept."""
        return replace(self, height=height, width=width)

    def require(
        self, *, dtype: str | tuple[str, ...] | None = None, model: str | tuple[str, ...] | None = None
    ) -> Spec:
        """This Spec, if it has one of the dtypes and colour models asked for.

        Raises:
            SpecError: names what is wanted and what was got; the engine adds the stage.
        """
        if (dtype is None or dtype == self.dtype) and (model is None or (type(model) is tuple and self.model in model)):
            return self
        for what, want, got in (("dtype", dtype, self.dtype), ("colour model", model, self.model)):
            wanted = (want,) if isinstance(want, str) else want
            if wanted is not None and got not in wanted:
                raise SpecError(f"wants {what} {' or '.join(wanted)}, got {got}", remedy="convert before this stage")
        return self

    def pack(self) -> bytes:
        """The 24 bytes that stand for this Spec in a record."""
        return _CODE.pack(
            self.height, self.width, self.full_height, self.full_width,
            self.channels, DTYPES.index(self.dtype), MODELS.index(self.model), RANGES.index(self.range),
            MATRICES.index(self.matrix), PRIMARIES.index(self.primaries), self.planar, self.orientation,
        )  # fmt: skip

    @classmethod
    def unpack(cls, code: bytes) -> Spec:
        """The Spec that `pack` made these 24 bytes from."""
        height, width, full_height, full_width, channels, dtype, model, range_, matrix, primaries, planar, turn = (
            _CODE.unpack(code)
        )
        return cls(
            height, width, channels, DTYPES[dtype], MODELS[model], RANGES[range_], MATRICES[matrix],
            PRIMARIES[primaries], bool(planar), turn, full_height, full_width,
        )  # fmt: skip

    def __str__(self) -> str:
        text = f"{self.width}x{self.height} {self.model} {self.dtype}"
        if self.full_size != self.size:
            text += f" (of {self.full_width}x{self.full_height})"
        return text + (f" orientation {self.orientation}" if self.orientation != 1 else "")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file says beside its pixels, as plain bytes; whether it is kept is the writer's policy."""

    icc: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""

    @property
    def nbytes(self) -> int:
        return len(self.icc) + len(self.exif) + len(self.xmp)

    @property
    def icc_model(self) -> str:
        """The colour model that the ICC profile is for: gray, rgb, cmyk or other; "" where it is no profile.

        By the signature and the field "data colour space" of its header (ICC.1:2022, 7.2).
        """
        if len(self.icc) < 128 or self.icc[36:40] != b"acsp":
            return ""
        return {b"GRAY": "gray", b"RGB ": "rgb", b"CMYK": "cmyk"}.get(self.icc[16:20], "other")


NO_METADATA = Metadata()


class Item(NamedTuple):
    """One unit of input as the reader's discovery names it.

    Attributes:
        number: position in input order, from 0.
        source: path (or other address) that `Reader.read` understands; undecodable bytes as surrogates.
        dir: folder below the input's root, "" at the root; what `{dir}` becomes.
        name: last part of the path; what `{name}` becomes.
        skip: not to be read, for this reason (a symbolic link); counted as skipped.
    """

    number: int
    source: str
    dir: str = ""
    name: str = ""
    skip: str = ""

    @property
    def stem(self) -> str:
        head, dot, _ = self.name.rpartition(".")
        return head if dot and head else self.name

    @property
    def ext(self) -> str:
        head, dot, tail = self.name.rpartition(".")
        return tail if dot and head else ""


@dataclass(slots=True)
class Frame:
    """One image in flight, as a stage sees it; valid until the stage returns.

    Attributes:
        item: where it came from.
        index: position within its item, from 0.
        spec: what `pixels` are.
        pixels: array of `spec.shape` and `spec.dtype`. It is a view of memory that the engine owns: read-only
            unless the stage declares `in_place`. Copy what must outlive the call.
        metadata: ICC, EXIF, XMP of the item.
        pts, time_base: presentation time stamp in units of numerator/denominator seconds, or None.
        remarks: what stages had to say of it; see `remark`.
    """

    item: Item
    index: int
    spec: Spec
    pixels: np.ndarray[Any, Any]
    metadata: Metadata = NO_METADATA
    pts: int | None = None
    time_base: tuple[int, int] = (0, 1)
    remarks: list[str] = field(default_factory=list)

    def remark(self, text: str) -> None:
        """Tell the user something that does not fail the item; the report counts items with equal remarks."""
        self.remarks.append(text)
