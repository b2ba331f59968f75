"""Properties: what rides along with a frame beside its pixels. Each is declared here once; all else derives from it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from struct import Struct
from typing import NamedTuple

NO_DIGEST = (0, 0, 0, 0)
_DIGEST = Struct("<4q")


class Clip(NamedTuple):
    """What part of a stream the frames of an item are, in units of their time base; a muxer takes sound of the same.

    Attributes:
        begin: the time stamp that the output counts from.
        end: where the part ends; None at the end of the stream.
        every: whether it is meant to hold every frame that the source shows there.
        bits: significant bits of a sample in the source; 0 where that is the whole dtype.
        turn: EXIF orientation that was not applied and that a writer hands on as a tag; 1 for none.
    """

    begin: int = 0
    end: int | None = None
    every: bool = True
    bits: int = 0
    turn: int = 1


@dataclass(slots=True, kw_only=True)
class Properties:
    """What frames, and parts that become frames, say beside their pixels; plain values that a region's header holds.

    A new one is a field here, of int, bool, float, a tuple or NamedTuple of these, or one of them or None; and what
    uses it.

    Attributes:
        pts, time_base: presentation time stamp of the source in units of numerator/denominator seconds, or None.
        duration: how long it is shown, in the same units; 0 where that is unknown.
        clip: what part of its stream the item is; None where it is no stream in time.
        plays: how often an animation is shown, 0 for ever; None where it is none.
        source_size: height and width in the file, before a decoder shrank it; (0, 0) where that is unknown, and in
            chains without reducers, which alone ask for it.
        source_nbytes, source_sha256: size and SHA-256 (as four numbers, see `sha256`) of the bytes that a reader loaded
            for it; 0 in chains without a reducer that asks for them, and where a reader reads in another way.
        row, column: place among the parts of the picture it was cut from, from 0; None where it was not cut.
    """

    pts: int | None = None
    time_base: tuple[int, int] = (0, 1)
    duration: int = 0
    clip: Clip | None = None
    plays: int | None = None
    source_size: tuple[int, int] = (0, 0)
    source_nbytes: int = 0
    source_sha256: tuple[int, int, int, int] = NO_DIGEST
    row: int | None = None
    column: int | None = None

    @property
    def sha256(self) -> bytes:
        """`source_sha256` as 32 bytes; b"" where it is not known."""
        return b"" if self.source_sha256 == NO_DIGEST else _DIGEST.pack(*self.source_sha256)

    def keep_digest(self, data: memoryview) -> None:
        """These are the bytes that it was made of."""
        self.source_nbytes = len(data)
        first, second, third, fourth = _DIGEST.unpack(sha256(data).digest())
        self.source_sha256 = (first, second, third, fourth)

    def take(self, other: Properties) -> None:
        """Become what the other one says, wherever this one says nothing of its own."""
        for name, usual in USUAL.items():
            if getattr(self, name) == usual:
                setattr(self, name, getattr(other, name))


USUAL = {name: each.default for name, each in Properties.__dataclass_fields__.items()}
