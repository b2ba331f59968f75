"""The 64-byte records between parent and worker, packed and unpacked in one place.

A record is written by one `write` and read whole: writes and reads of a pipe below PIPE_BUF are atomic, and every
pipe has one writer and one reader. Texts (paths, error messages) do not travel: they lie in the text slots of the
worker's control block in the arena.

What the fields mean. KIND and LEASE mean the same in every record, as does SLOT, the lease's text slot; a field that
is not named is 0:

| kind             | FLAGS                       | NTH            | OFFSET | A B M   | SPEC | BUSY | EXTRA       |
| ---------------- | --------------------------- | -------------- | ------ | ------- | ---- | ---- | ----------- |
| ASSIGN           | SIDE_B, PROPERTIES, GRANTED | frame's index  | region | extents | Spec | MADE | SPAN        |
| GRANT            | VOID                        | frame's index  | region | extents |      |      | SPAN        |
| REFUSE           | VOID                        | frame's index  |        |         |      |      |             |
| FINISH           |                             | frame's index  |        |         |      |      |             |
| READY            |                             | HELD           |        | extents |      |      |             |
| NEED             | SLOTS                       | SLOTS_WANTED   |        | extents |      |      | SPAN        |
| EMIT             | PROPERTIES                  | its index      |        |         | Spec | BUSY |             |
| DONE, reader     | PROPERTIES, REMARKS         |                | NBYTES |         | Spec | BUSY |             |
| DONE, transforms | SIDE_B, PROPERTIES, REMARKS |                |        |         | Spec | BUSY |             |
| DONE, writer     | REMARKS, PARTIALS           | FRAMES written | NBYTES |         |      | BUSY | NBYTES_READ |
| ENDED            | REMARKS                     |                | NBYTES |         |      | BUSY |             |
| FAILED           | TRANSIENT, FULL             |                |        |         |      |      |             |
| BYE              |                             |                | CPU_US |         |      |      | RSS_KBYTES  |

STOP, CLAIMED, CLAIM, SKIPPED and ALIVE carry nothing else. NBYTES is what a reader read, or a writer wrote.

Layout of a region, the byte range of the arena that one frame is lent::

    offset              + 256            + 256 + a          + 256 + a + b   + 256 + a + b + m
    | properties, 256 B | extent A (a B) | extent B (b B)   | metadata (m B) | next frame's region ...

The pixels alternate between extents A and B from group to group (ping-pong). Sizes travel in units of 64 bytes.
"""

from __future__ import annotations

import struct
from typing import Final

from ..contracts.spec import CODE_NBYTES

RECORD_NBYTES = 64
CREDIT = 2  # one frame in hand, one waiting: no idle round trip
MAX_CREDIT = 8  # credit x RECORD_NBYTES <= 512, the least a POSIX pipe takes in one piece, so no write can block
MOST_CREDIT = 64  # of a worker that has threads: a pipe of Linux takes 4096 bytes in one piece
UNIT = 64
HEADER_NBYTES = 256
PAGE = 4096
SIDECAR_NBYTES = 1 << 20  # the most metadata that one frame carries

# The fields of a record that was unpacked.
KIND: Final = 0
FLAGS: Final = 1
SLOT: Final = 2
LEASE: Final = 3
NTH: Final = 4
OFFSET: Final = 5
A: Final = 6
B: Final = 7
M: Final = 8
SPEC: Final = 9
BUSY: Final = 10  # microseconds inside stages since the last record of this lease
EXTRA: Final = 11
# What some of them are called in the kinds of record where they mean something else; see the table.
SLOTS_WANTED: Final = NTH  # regions that a producer asks for
FRAMES: Final = NTH
HELD: Final = NTH  # bits of what confines the worker, of `worker.sandbox`
NBYTES: Final = OFFSET
CPU_US: Final = OFFSET
MADE: Final = BUSY  # frames of this lease that an earlier attempt has made already
SPAN: Final = EXTRA  # size of a whole region in units of 64 bytes
NBYTES_READ: Final = EXTRA  # by a group that holds the whole chain
RSS_KBYTES: Final = EXTRA

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
DONE = 19  # the lease is over: its frame goes on, or (of a writer) is written
ENDED = 20  # the lease of a producer is over: it makes no more frames
FAILED = 21  # the stage raised; the text slot says why
SKIPPED = 22  # the stage raised Skip; the text slot says why
CLAIM = 23  # may I write this output? the text slot names it
BYE = 24  # last words: CPU time and resident size
ALIVE = 25  # a long lease makes progress

# flags
SIDE_B = 1  # the pixels lie in extent B
PROPERTIES = 2  # the region's header holds PTS, clip or metadata
GRANTED = 4  # a region to write to comes along
SLOTS = 8  # memory for all frames of the lease: that many equal regions
PARTIALS = 8  # of a DONE by a writer: what reducers gave lies beside the text slot
VOID = 16  # what came with the ASSIGNs behind this lease was taken back while it waited
TRANSIENT = 32  # the error may pass when tried again
FULL = 64  # the output disk is full
REMARKS = 128  # the text slot says what the user should know of the item

_RECORD = struct.Struct(f"<BBBIIQIIH{CODE_NBYTES}sII")
assert _RECORD.size == RECORD_NBYTES, _RECORD.size
assert SIDECAR_NBYTES // UNIT <= 0xFFFF  # what field M holds
NO_SPEC = bytes(CODE_NBYTES)
MOST_US = 0xFFFFFFFF  # of the field BUSY
MOST_NBYTES = 0xFFFFFFFF  # of the field NBYTES_READ
Region = tuple[int, int, int, int]  # offset in the arena; extents a, b, m in units of 64 bytes
Record = tuple[int, int, int, int, int, int, int, int, int, bytes, int, int]

pack = _RECORD.pack
iter_unpack = _RECORD.iter_unpack


def record(
    kind: int, flags: int = 0, slot: int = 0, lease: int = 0, *, nth: int = 0, offset: int = 0,
    extents: tuple[int, int, int] = (0, 0, 0), spec: bytes = NO_SPEC, busy_us: int = 0, extra: int = 0,
) -> Record:  # fmt: skip
    """A record by the names of its fields; for those that are not sent for every frame."""
    a, b, m = extents
    return (kind, flags, slot, lease, nth, offset, a, b, m, spec, busy_us, extra)


def units(nbytes: int) -> int:
    """Bytes rounded up to units of 64, so that every extent is aligned for SIMD."""
    return -(-nbytes // UNIT)


def region_nbytes(a: int, b: int, m: int) -> int:
    """Size of a region with extents of these sizes in units of 64 bytes."""
    return HEADER_NBYTES + UNIT * (a + b + m)


def region_of(record: Record) -> Region:
    """Offset and extents that a record lends."""
    return record[OFFSET], record[A], record[B], record[M]


def extents_of(record: Record) -> tuple[int, int, int]:
    """The extents a, b, m that a record asks for."""
    return record[A], record[B], record[M]


def without(flag: int, record: Record) -> Record:
    """The record with a flag cleared."""
    return (record[KIND], record[FLAGS] & ~flag, *record[SLOT:])
