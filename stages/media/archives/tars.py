"""The members of a tar, header by header; of what is unpacked no more is held than a header.

A header of the plain kind is read here, in 8 us where `tarfile` takes 70: a set of shards has a million of them. All
others (long names of GNU and pax, sparse files) are left to `tarfile`.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, cast

from stages.media.archives.members import PLAIN, STREAMED, ArchiveEntry, Damaged, Place, leads_out, plain_name
from stages.media.archives.streams import Stream, compression

BLOCK = 512
MOST_HEADER = 1 << 20  # bytes of a name or a pax header; more of them is no name
ZEROS = bytes(BLOCK)
REGULAR = b"0\0"
KINDS = {
    tarfile.SYMTYPE: "a symbolic link in the archive", tarfile.LNKTYPE: "a link to another member of the archive",
    tarfile.CHRTYPE: "a device, not a regular file", tarfile.BLKTYPE: "a device, not a regular file",
    tarfile.FIFOTYPE: "a FIFO, not a regular file",
}  # fmt: skip


class _Header(NamedTuple):
    """What a header says: where the member's bytes are, and why they are not to be read."""

    name: str
    at: int
    nbytes: int
    mtime_s: float
    skip: str = ""
    folder: bool = False


class Tar:
    """A tar that is looked through once. Raises Damaged where it is no tar, and OSError as the system says."""

    def __init__(self, path: str) -> None:
        status = os.stat(path)
        self._size, self._mtime_ns = status.st_size, status.st_mtime_ns
        with open(path, "rb") as file:
            self._streamed = bool(compression(file.read(6)))
        self._file = _Bounded(Stream(path) if self._streamed else open(path, "rb"))  # noqa: SIM115 - see `close`
        self._kind = STREAMED if self._streamed else PLAIN
        try:
            self._tar = tarfile.TarFile(fileobj=cast("Any", self._file), encoding="utf-8")  # holds no member
        except (tarfile.TarError, ValueError, RecursionError, UnicodeError) as error:
            self._file.close()
            raise Damaged("it is not a tar" if status.st_size else "it is empty (0 bytes)") from error
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        self._file.close()

    def head(self, member: ArchiveEntry, nbytes: int) -> bytes:
        """The first bytes of the member that was given last."""
        assert member.place is not None
        self._file.seek(member.place.at)
        return self._file.read(min(nbytes, member.place.nbytes))

    def members(self) -> Iterator[ArchiveEntry]:
        """All but folders, in their order. Raises Damaged behind the last that is whole."""
        at, count = 0, 0
        while True:
            self._file.seek(at)
            block = self._file.read(BLOCK)
            if block == ZEROS:
                return
            if len(block) < BLOCK:
                raise Damaged(f"it is cut: there is no end behind its {count:,} members")
            plain = None if self._tar.pax_headers else _plain(block)  # of all that follow: perhaps their size
            header = self._odd(at) if plain is None else plain._replace(at=at + BLOCK)
            if not self._streamed and header.at + header.nbytes > self._size:
                raise Damaged(f"it is cut within its member {header.name!r}")
            at = header.at + -(-header.nbytes // BLOCK) * BLOCK
            if header.folder:
                continue
            count += 1
            fails = "" if header.skip else leads_out(header.name)
            place = Place(self._kind, header.at, header.nbytes, header.nbytes, 0, self._size, self._mtime_ns)
            yield ArchiveEntry(header.name, place, int(header.mtime_s * 1e9), header.skip, fails)
            if self._streamed and self._file.seek(at) < at:  # only reading tells whether it was whole
                raise Damaged(f"it is cut within its member {header.name!r}")

    def _odd(self, at: int) -> _Header:
        """A header that is not plain, with those before it that belong to it."""
        try:
            self._file.seek(at)
            info = tarfile.TarInfo.fromtarfile(self._tar)
        except (tarfile.TarError, ValueError, RecursionError, UnicodeError) as error:
            raise Damaged(f"its header at byte {at:,} is broken ({error})") from error
        skip = "a sparse file in the archive" if info.issparse() else KINDS.get(info.type, "")
        nbytes = info.size if info.isreg() else 0
        return _Header(plain_name(info.name), info.offset_data, nbytes, info.mtime, skip, folder=info.isdir())


class _Bounded:
    """A file that gives no long headers: what is asked for at once is a header, and some claim to be gigabytes."""

    def __init__(self, file: Stream | BinaryIO) -> None:
        self._file = file

    def read(self, nbytes: int) -> bytes:
        if nbytes > MOST_HEADER:
            raise tarfile.HeaderError(f"a name of {nbytes} bytes")
        return self._file.read(nbytes)

    def seek(self, at: int) -> int:
        return self._file.seek(at)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


def _plain(block: bytes) -> _Header | None:
    """What a ustar header of a regular file says (POSIX.1-1988, and GNU's alike); None for any other header."""
    if block[156] not in REGULAR or block[124] & 0x80 or block[99]:
        return None
    try:
        told = int(block[148:156].strip(b"\0 "), 8)
        nbytes = int(block[124:136].strip(b"\0 ") or b"0", 8)
        mtime_s = int(block[136:148].strip(b"\0 ") or b"0", 8)
    except ValueError:
        return None
    if told != sum(block) - sum(block[148:156]) + 256:
        return None
    raw = block[: block.index(0)]
    if block[345] and block[257:263] == b"ustar\0":
        raw = block[345:500].partition(b"\0")[0] + b"/" + raw
    name = raw.decode("utf-8", "surrogateescape")
    return None if name.endswith("/") else _Header(plain_name(name), 0, nbytes, mtime_s)
