"""The bytes of members, read where they lie. Used in workers, by one thread; archives stay open between reads."""

from __future__ import annotations

import errno
import io
import os
import struct
import zlib
from collections import OrderedDict
from typing import BinaryIO

from pipeline import Item, ItemError
from stages.media.archives.members import DEFLATED, PLAIN, STREAMED, ArchiveMember, Damaged, Place
from stages.media.archives.streams import Stream

MOST = 16  # archives that are open at a time
MOST_HASHED = 1 << 30  # bytes of a member that is read as a file
BLOCK = 1 << 18
LOCAL_NBYTES = 30  # before a member of a zip; its name and an extra field follow
LENGTHS = struct.Struct("<26x2H")


class Opened:
    """Archives by their paths; the last ones used stay open, of compressed tars the very last one."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, BinaryIO] = OrderedDict()
        self._stream: Stream | None = None
        self._streamed = ""

    def read_into(self, path: str, place: Place, into: memoryview) -> int:
        """Fill `into`, which has room for the whole member; the bytes that came.

        Raises:
            ItemError: it is corrupt or cut, or the archive was changed since it was looked through.
            OSError: as the system says.
        """
        if place.kind == STREAMED:
            return self._from_stream(path, place, into)
        file = self._file(path)
        _must_be_same(os.fstat(file.fileno()), place)
        return read_member(file.fileno(), place, into)

    def close(self) -> None:
        """Close them all."""
        while self._files:
            self._files.popitem()[1].close()
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _file(self, path: str) -> BinaryIO:
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by `close`
            if len(self._files) > MOST:
                self._files.popitem(last=False)[1].close()
        else:
            self._files.move_to_end(path)
        return file

    def _from_stream(self, path: str, place: Place, into: memoryview) -> int:
        _must_be_same(os.stat(path), place)
        if self._stream is None or self._streamed != path:
            self.close()
            self._stream, self._streamed = Stream(path), path
        try:
            self._stream.seek(place.at)
            return self._stream.readinto(into)
        except Damaged as error:
            raise ItemError(f"cannot be unpacked: its archive, {error}") from error


def _must_be_same(status: os.stat_result, place: Place) -> None:
    if (status.st_size, status.st_mtime_ns) != (place.size, place.mtime_ns):
        raise ItemError("its archive was changed since it was looked through", remedy="run again")


def read_member(fd: int, place: Place, into: memoryview) -> int:
    """The member of an open archive, from its beginning, as far as there is room; how many bytes came.

    A whole one is compared with its checksum, where it has one. Raises as `Opened.read_into`.
    """
    if place.kind == PLAIN:
        return _pread(fd, place.at, into)
    head = os.pread(fd, LOCAL_NBYTES, place.at)
    if len(head) < LOCAL_NBYTES or not head.startswith(b"PK\3\4"):
        raise ItemError("is not where the directory of its archive says")
    name, extra = LENGTHS.unpack(head)
    at = place.at + LOCAL_NBYTES + name + extra
    count = _inflate(fd, at, place, into) if place.kind == DEFLATED else _pread(fd, at, into)
    if count == place.nbytes and zlib.crc32(into[:count]) != place.crc:
        raise ItemError("is corrupt in its archive: its checksum differs")
    return count


def _pread(fd: int, at: int, into: memoryview) -> int:
    count = 0
    while count < len(into):
        got = os.preadv(fd, [into[count:]], at + count)
        if not got:
            break
        count += got
    return count


def _inflate(fd: int, at: int, place: Place, into: memoryview) -> int:
    """Unpack no more than there is room for: what a header says of a size need not be so."""
    inflate, count, end = zlib.decompressobj(-zlib.MAX_WBITS), 0, at + place.packed
    while not inflate.eof:
        block = inflate.unconsumed_tail
        if not block:
            block = os.pread(fd, min(BLOCK, end - at), at)
            at += len(block)
        if not block:
            break
        try:
            data = inflate.decompress(block, len(into) - count + 1)
        except zlib.error as error:
            raise ItemError(f"is corrupt in its archive ({error})") from error
        room = len(into) - count
        into[count : count + len(data)] = data[:room]
        count += min(room, len(data))
        if len(data) > room:
            if len(into) == place.nbytes:
                raise ItemError(f"unpacks to more than the {place.nbytes:,} bytes that its archive says")
            break
    return count


def bytes_of(fd: int, place: Place) -> bytes:
    """A whole member, which is small. Raises ItemError where it is corrupt or cut."""
    into = bytearray(place.nbytes)
    if read_member(fd, place, memoryview(into)) != place.nbytes:
        raise ItemError("is cut in its archive")
    return bytes(into)


def head_of(fd: int, member: ArchiveMember, nbytes: int) -> bytes:
    """The first bytes of a member; fewer where it is shorter, none where it cannot be read."""
    assert member.place is not None
    into = bytearray(min(nbytes, member.place.nbytes))
    try:
        return bytes(into[: read_member(fd, member.place, memoryview(into))])
    except ItemError:
        return b""


def open_source(item: Item) -> BinaryIO:
    """The bytes of an item's file, which may be a member of an archive, as a file. Raises OSError."""
    if not item.archive:
        return open(item.source, "rb")
    place = Place.of_text(item.place)
    if place.nbytes > MOST_HASHED:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), item.source)
    opened, data = Opened(), bytearray(place.nbytes)
    try:
        count = opened.read_into(item.archive, place, memoryview(data))
    except ItemError as error:
        raise OSError(errno.EIO, str(error), item.source) from error
    finally:
        opened.close()
    return io.BytesIO(data[:count])
