"""What travels: Item (one unit of input), Metadata, and Frame (one image in flight)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

from .properties import Properties
from .spec import Pixels, Spec

UNKNOWN_DENSITY: Final = (0.0, 0.0)
_DENSITY = struct.Struct("<2d")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file says beside its pixels; whether it is kept is the writer's policy.

    Attributes:
        icc: an ICC profile. exif: a TIFF structure, without "Exif" before it. xmp: a packet of XML.
        iptc: records of IPTC-IIM. comment: a text for people, UTF-8 where the format says so.
        density: pixels an inch, across and down; 0 where the file does not say it.
    """

    icc: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    comment: bytes = b""
    density: tuple[float, float] = UNKNOWN_DENSITY

    @property
    def blocks(self) -> tuple[bytes, ...]:
        """All of it as bytes; `of_blocks` is the way back."""
        density = b"" if self.density == UNKNOWN_DENSITY else _DENSITY.pack(*self.density)
        return self.icc, self.exif, self.xmp, self.iptc, self.comment, density

    @classmethod
    def of_blocks(cls, blocks: Sequence[bytes]) -> Self:
        """The metadata that these blocks tell."""
        across, down = _DENSITY.unpack(blocks[5]) if blocks[5] else UNKNOWN_DENSITY
        icc, exif, xmp, iptc, comment = blocks[:5]
        return cls(icc, exif, xmp, iptc, comment, (across, down))

    @property
    def nbytes(self) -> int:
        return sum(map(len, self.blocks))

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
        fails: cannot be read, for this reason (an encrypted member of an archive); counted as failed.
        archive: path of the archive that it is a member of; "" for a file. `source` is this path, a "/" and the
            member's name.
        place: where the member lies in it; what `Reader.read` needs, and no one else.
        columns: names and texts of what a list says of it beside its path.
    """

    number: int
    source: str
    dir: str = ""
    name: str = ""
    skip: str = ""
    fails: str = ""
    archive: str = ""
    place: str = ""
    columns: tuple[tuple[str, str], ...] = ()

    @property
    def member(self) -> str:
        """Its path in its archive; "" for a file."""
        return self.source[len(self.archive) + 1 :] if self.archive else ""

    @property
    def stands_for_others(self) -> bool:
        """Whether it is a folder or an archive that could not be looked through, for all that may be in it."""
        return self.source.endswith("/") or (bool(self.archive) and self.archive == self.source)

    @property
    def below(self) -> str:
        """Its path below the input's root."""
        return f"{self.dir}/{self.name}" if self.dir else self.name

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
        metadata: what the item's file says beside its pixels.
        pts, time_base, duration, clip, plays, row, column: see `Properties`.
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
