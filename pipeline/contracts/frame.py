"""What travels: Item (one unit of input), Metadata, and Frame (one image in flight)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from .properties import Properties
from .spec import Pixels, Spec


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
        source: path (or other address) that `Reader.read` understands; undecodable bytes as surrogates. One that ends
            in "/." is a folder, whose name has no extension.
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
        return head if dot and head and not self.source.endswith("/.") else self.name

    @property
    def ext(self) -> str:
        head, dot, tail = self.name.rpartition(".")
        return tail if dot and head and not self.source.endswith("/.") else ""


@dataclass(slots=True)
class Frame(Properties):
    """One image in flight, as a stage sees it; valid until the stage returns.

    Attributes:
        item: where it came from.
        index: position within its item, from 0. Before a stage that makes several frames of one it is the position of
            the first that this one becomes, as if every frame became as many as it can.
        spec: what `pixels` are.
        pixels: array of `spec.shape` and `spec.dtype`. It is a read-only view of memory that the
            engine owns. Copy what must outlive the call.
        metadata: ICC, EXIF, XMP of the item.
        pts, time_base, duration, clip, row, column: see `Properties`.
        remarks: what stages had to say of it; see `remark`.
    """

    item: Item
    index: int
    spec: Spec
    pixels: Pixels
    metadata: Metadata = NO_METADATA
    remarks: list[str] = field(default_factory=list)

    def remark(self, text: str) -> None:
        """Tell the user something that does not fail the item; the report counts items with equal remarks."""
        self.remarks.append(text)
