"""The 64-byte records between parent and worker, packed and unpacked in one place.

A record is written by one `write` and read whole: writes and reads of a pipe below PIPE_BUF are atomic, and every
pipe has one writer and one reader. Texts (paths, error messages) do not travel: they lie in the text slots of the
worker's control block in the arena.

Layout of a region, the byte range of the arena that one frame is lent::

    offset              + 256            + 256 + a          + 256 + a + b   + 256 + a + b + m
    | properties, 256 B | extent A (a B) | extent B (b B)   | metadata (m B) | next frame's region ...

The pixels alternate between extents A and B from group to group (ping-pong). Sizes travel in units of 64 bytes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from .plan import RECORD_NBYTES

UNIT = 64
HEADER_NBYTES = 256
PAGE = 4096

# parent -> worker
ASSIGN = 1  # work on one frame or item
GRANT = 2  # memory (and a place in the next queue) for one frame of the lease
REFUSE = 3  # the memory asked for can never be had, or the output name is taken; the text slot says why
CLAIMED = 4  # the output name is yours
FINISH = 5  # the last frame of the stream was written: close it
STOP = 6  # no more work: close the stages and end

# worker -> parent
READY = 16  # stages are open
NEED = 17  # the header is read: this much memory, please
EMIT = 18  # one frame of several is made; the lease goes on
DONE = 19  # the lease is over
FAILED = 20  # the stage raised; the text slot says why
SKIPPED = 21  # the stage raised Skip; the text slot says why
CLAIM = 22  # may I write this output? the text slot names it
BYE = 23  # last words: CPU time and resident size
ALIVE = 24  # a long lease makes progress

# flags
SIDE_B = 1  # the pixels lie in extent B
FRAME = 2  # DONE that carries a frame on (a reader of one frame per item)
PROPERTIES = 4  # the region's header holds PTS or metadata
GRANTED = 8  # ASSIGN that carries a region to write to
SLOTS = 16  # NEED for all frames of the lease: that many equal regions
VOID = 16  # GRANT or REFUSE: what came with the ASSIGNs before it was taken back while it was waited for
TRANSIENT = 32  # FAILED that may pass when tried again
REMARKS = 32  # DONE: the text slot says what the user should know of the item
FULL = 64  # FAILED because the output disk is full
PASSED = 128  # the frame stays where it was (all stages of the group only looked)

_RECORD = struct.Struct("<BBHIIQIII24sII")
assert _RECORD.size == RECORD_NBYTES, _RECORD.size
NO_SPEC = bytes(24)

pack = _RECORD.pack
iter_unpack = _RECORD.iter_unpack


class Record(NamedTuple):
    """One record by name; the hot paths unpack the tuple instead.

    Attributes:
        kind, flags: see the constants above.
        slot: text slot of the lease in the worker's control block.
        lease: number of the lease, unique within a run.
        nth: position of the frame in its item; slots wanted in a NEED; frames made in a DONE.
        offset: of the region in the arena; bytes read or written in a DONE.
        a, b, m: sizes of the extents in units of 64 bytes.
        spec: packed Spec of the frame.
        busy_us: time inside stages since the last record of this lease; frames already made in an ASSIGN.
        extra: size of a whole region in units of 64 bytes in ASSIGN, NEED and GRANT; bytes read in a DONE of a
            fused group.
    """

    kind: int
    flags: int = 0
    slot: int = 0
    lease: int = 0
    nth: int = 0
    offset: int = 0
    a: int = 0
    b: int = 0
    m: int = 0
    spec: bytes = NO_SPEC
    busy_us: int = 0
    extra: int = 0

    def pack(self) -> bytes:
        return pack(*self)


def units(nbytes: int) -> int:
    """Bytes rounded up to units of 64, so that every extent is aligned for SIMD."""
    return -(-nbytes // UNIT)


def region_nbytes(a: int, b: int, m: int) -> int:
    """Size of a region with extents of these sizes in units of 64 bytes."""
    return HEADER_NBYTES + UNIT * (a + b + m)
