"""The members of a zip: by its directory, or, where that was cut off, by what stands before each of them.

Numbers of sections are those of PKWARE's APPNOTE 6.3.10. `zipfile` holds its directory in memory, 600 bytes a member,
and can say nothing of a zip that is cut; so the directory is read entry by entry here.
"""

from __future__ import annotations

import calendar
import os
import stat
import struct
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from stages.media.archives.members import DEFLATED, STORED, ArchiveMember, Damaged, Place, leads_out, plain_name
from stages.media.archives.opened import bytes_of, head_of

LOCAL = struct.Struct("<4s5H3I2H")  # 4.3.7
ENTRY = struct.Struct("<4s6H3I5H2I")  # 4.3.12
END = struct.Struct("<4s4H2IH")  # 4.3.16
END64, LOCATOR64 = struct.Struct("<4sQ2H2I4Q"), struct.Struct("<4sIQI")  # 4.3.14, 4.3.15
FULL, FULL_SHORT = 0xFFFFFFFF, 0xFFFF  # the number stands in the extra field
METHODS = {0: STORED, 8: DEFLATED}
NAMES = {
    1: "shrink", 6: "implode", 9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz", 98: "PPMd",
    99: "AES",
}  # fmt: skip
ENCRYPTED, BEHIND, UTF8 = 1, 8, 0x800  # flags: bits 0, 3 and 11
BLOCK, BOMB_NBYTES, MOST_NBYTES = 1 << 18, 1 << 30, 1 << 62


class _Found(NamedTuple):
    """An entry of the directory, or what stands before a member."""

    name: bytes
    flags: int
    method: int
    date: int
    time: int
    crc: int
    packed: int
    nbytes: int
    at: int
    mode: int = 0


class Zip:
    """A zip that is looked through. Raises Damaged where it is no zip, and OSError as the system says."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - closed by `close`
        status = os.fstat(self._file.fileno())
        self._size, self._mtime_ns = status.st_size, status.st_mtime_ns
        self._starts = array("Q")

    def close(self) -> None:
        self._file.close()

    def head(self, member: ArchiveMember, nbytes: int) -> bytes:
        """The first bytes of a member."""
        return head_of(self._file.fileno(), member, nbytes)

    def content(self, member: ArchiveMember) -> bytes:
        """All of a member. Raises ItemError where it is corrupt."""
        assert member.place is not None
        return bytes_of(self._file.fileno(), member.place)

    def members(self) -> Iterator[ArchiveMember]:
        """All but folders, in their order. Raises Damaged behind the last that is whole."""
        directory = self._directory()
        if directory is None:
            yield from self._without_directory()
            return
        at, end, before = directory
        starts = array("Q")
        with suppress(Damaged):  # raised once more below, behind what is whole
            starts.extend(each.at for each in self._entries(at, end, before))
        self._starts = array("Q", sorted(starts))
        for found in self._entries(at, end, before):
            if not found.name.endswith(b"/"):
                yield self._member(found, "overlaps another member" if self._overlaps(found, at) else "")

    def _overlaps(self, found: _Found, end: int) -> bool:
        """Whether another member begins within this one, as in a bomb of 42 kB that unpacks to gigabytes."""
        place = bisect_right(self._starts, found.at)
        if place > 1 and self._starts[place - 2] == found.at:
            return True
        following = self._starts[place] if place < len(self._starts) else end
        return found.at + LOCAL.size + found.packed > following

    def _member(self, found: _Found, fails: str = "") -> ArchiveMember:
        name = plain_name(_text(found).replace("\\", "/"))
        skip = "a symbolic link in the archive" if stat.S_ISLNK(found.mode) else ""
        if found.flags & ENCRYPTED:
            fails = "is encrypted; unpack the archive with its password first"
        elif found.method not in METHODS:
            how = NAMES.get(found.method, f"method {found.method}")
            fails = f"is compressed by {how}, which is not read; unpack the archive first"
        kind = METHODS.get(found.method, STORED)
        place = Place(
            kind, found.at, found.nbytes, found.packed, found.crc, _time_ns(found), self._size, self._mtime_ns
        )
        return ArchiveMember(name, place, skip, "" if skip else leads_out(name) or fails)

    # ---- by the directory --------------------------------------------------------------------------------------

    def _directory(self) -> tuple[int, int, int] | None:
        """Begin and end of the directory, and how much stands before the zip; None where there is none."""
        length = min(self._size, END.size + FULL_SHORT)
        tail = self._at(self._size - length, length)
        where = tail.rfind(b"PK\5\6")
        if where < 0 or len(tail) - where < END.size:
            return None
        end = self._size - length + where
        _, _, _, _, _, nbytes, at, _ = END.unpack_from(tail, where)
        behind = end
        if (told := self._directory64(end)) is not None:  # some write it before numbers need it
            nbytes, at, behind = told
        before = behind - nbytes - at  # a program that unpacks itself
        if before < 0 or nbytes < 0:
            raise Damaged("its directory lies where it cannot")
        return at + before, behind, before

    def _directory64(self, end: int) -> tuple[int, int, int] | None:
        """Size and begin of the directory of a zip64, and where what tells them lies."""
        locator = self._at(end - LOCATOR64.size, LOCATOR64.size) if end >= LOCATOR64.size else b""
        if not locator.startswith(b"PK\6\7"):
            return None
        at = end - LOCATOR64.size - END64.size
        told = self._at(at, END64.size)
        if not told.startswith(b"PK\6\6"):
            return None
        return END64.unpack(told)[8], END64.unpack(told)[9], at

    def _entries(self, at: int, end: int, before: int) -> Iterator[_Found]:
        while at < end:
            head = self._at(at, ENTRY.size)
            if len(head) < ENTRY.size or not head.startswith(b"PK\1\2"):
                raise Damaged(f"its directory is broken at byte {at:,}")
            told = ENTRY.unpack(head)
            name, extra, comment = told[10:13]
            more = self._at(at + ENTRY.size, name + extra)
            packed, nbytes, start = _sizes(more[name:], told[8], told[9], told[16])
            if start + before + LOCAL.size + packed > self._size or nbytes > MOST_NBYTES:
                raise Damaged(f"its directory is broken at byte {at:,}")
            mode = told[15] >> 16 if told[1] >> 8 == 3 else 0  # made on Unix
            yield _Found(more[:name], told[3], told[4], told[6], told[5], told[7], packed, nbytes, start + before, mode)
            at += ENTRY.size + name + extra + comment

    # ---- without it --------------------------------------------------------------------------------------------

    def _without_directory(self) -> Iterator[ArchiveMember]:
        """What stands before each member, from the first on; raises Damaged at the end."""
        at, count = 0, 0
        while (head := self._at(at, LOCAL.size)).startswith(b"PK\3\4") and len(head) == LOCAL.size:
            _, _, flags, method, time, date, crc, packed, nbytes, name, extra = LOCAL.unpack(head)
            more = self._at(at + LOCAL.size, name + extra)
            packed, nbytes, _ = _sizes(more[name:], packed, nbytes, 0)
            found = _Found(more[:name], flags, method, date, time, crc, packed, nbytes, at)
            data = at + LOCAL.size + name + extra
            if flags & BEHIND and not packed:
                found, at = self._measured(found, data)
            else:
                at = data + packed
            if at > self._size:
                break
            if not found.name.endswith(b"/"):
                count += 1
                yield self._member(found)
        if not count:
            raise Damaged("it is empty (0 bytes)" if not self._size else "it is not a zip")
        raise Damaged(f"it is cut: its directory is missing, and {count:,} members were found without it")

    def _measured(self, found: _Found, data: int) -> tuple[_Found, int]:
        """A member whose size stands behind it, and where the next one begins; unpacking it tells."""
        if found.method != 8:
            raise Damaged(f"it is cut, and nothing says how long its member {_text(found)!r} is")
        inflate, at, nbytes = zlib.decompressobj(-zlib.MAX_WBITS), data, 0
        try:
            while not inflate.eof and (block := inflate.unconsumed_tail or self._at(at, BLOCK)):
                at += 0 if inflate.unconsumed_tail else len(block)
                nbytes += len(inflate.decompress(block, BLOCK))
                if nbytes > BOMB_NBYTES:
                    raise Damaged(f"its member {_text(found)!r} unpacks to more than 1 GiB")
        except zlib.error as error:
            raise Damaged(f"its member {_text(found)!r} is corrupt ({error})") from error
        if not inflate.eof:
            return found, self._size + 1
        at -= len(inflate.unused_data)
        behind = self._at(at, 24)
        marked = 4 if behind.startswith(b"PK\7\x08") else 0
        wide = behind[marked + 12 : marked + 16] not in (b"PK\3\4", b"PK\1\2", b"")  # sizes of 64 bits
        (crc,) = struct.unpack_from("<I", behind, marked) if len(behind) >= marked + 12 else (0,)
        return found._replace(crc=crc, packed=at - data, nbytes=nbytes), at + marked + (20 if wide else 12)

    def _at(self, at: int, nbytes: int) -> bytes:
        return os.pread(self._file.fileno(), nbytes, at)


def _sizes(extra: bytes, packed: int, nbytes: int, at: int) -> tuple[int, int, int]:
    """The numbers of an entry, from the field 0x0001 of a zip64 where they are too large (4.5.3)."""
    if FULL not in (packed, nbytes, at):
        return packed, nbytes, at
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1:
            numbers = iter(struct.unpack_from(f"<{min(length, len(extra) - 4) // 8}Q", extra, 4))
            nbytes = next(numbers, nbytes) if nbytes == FULL else nbytes
            packed = next(numbers, packed) if packed == FULL else packed
            return packed, nbytes, next(numbers, at) if at == FULL else at
        extra = extra[4 + length :]
    return packed, nbytes, at


def _text(found: _Found) -> str:
    """The name: many programs write UTF-8 and do not say so; else it is code page 437, as the standard has it (D.1)."""
    try:
        return found.name.decode("utf-8")
    except UnicodeDecodeError:
        return found.name.decode("utf-8", "surrogateescape") if found.flags & UTF8 else found.name.decode("cp437")


def _time_ns(found: _Found) -> int:
    """Time of its last change, as if clocks stood at UTC; in steps of 2 s from 1980 on.

    And a nanosecond: a journal doubts times of whole seconds, and here a checksum tells.
    """
    date, time = found.date, found.time
    told = ((date >> 9) + 1980, date >> 5 & 15, date & 31, time >> 11, time >> 5 & 63, (time & 31) * 2)
    try:
        return (
            calendar.timegm(told) * 1_000_000_000 + 1
        )  # one more: the journal doubts whole seconds, the checksum tells
    except ValueError:
        return 0
