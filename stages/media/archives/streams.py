"""Compressed tars as files that are read forwards: gzip, Zstandard, bzip2, xz."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, cast

from stages.media.archives.members import Damaged

if TYPE_CHECKING:
    from lzma import LZMADecompressor

BLOCK = 1 << 18
MOST_XZ_NBYTES = 192 << 20  # `xz -9` asks for 65 MiB
MAGIC = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"))
BOMB_NBYTES, BOMB_RATIO = 1 << 30, 250  # so much unpacked, of so many times fewer bytes: no pictures are like that


def compression(head: bytes) -> str:
    """How what begins with these bytes is compressed; "" where it is not."""
    return next((name for magic, name in MAGIC if head.startswith(magic)), "")


class _Xz:
    """A file of xz, unpacked within a bound of memory, which `lzma.LZMAFile` does not know."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw, self._unpack, self._rest = raw, self._begun(), b""

    @staticmethod
    def _begun() -> LZMADecompressor:
        import lzma

        return lzma.LZMADecompressor(memlimit=MOST_XZ_NBYTES)

    def read(self, nbytes: int) -> bytes:
        while True:
            if self._unpack.eof:
                self._rest = (self._unpack.unused_data or self._raw.read(BLOCK)).lstrip(
                    b"\0"
                )  # padding between streams
                if not self._rest:
                    return b""
                self._unpack = self._begun()
            if self._unpack.needs_input and not self._rest:
                self._rest = self._raw.read(BLOCK)
                if not self._rest:
                    raise EOFError
            data, self._rest = self._unpack.decompress(self._rest, nbytes), b""
            if data:
                return data


class Stream:
    """A compressed file, unpacked as it is read. Seeking goes forwards; backwards it begins anew.

    Raises Damaged for what cannot be unpacked, and OSError as the system says.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._at = 0
        self._raw = open(path, "rb")  # noqa: SIM115 - closed by `close`
        self._kind = compression(self._raw.peek(6))
        self._file = self._unpacked()

    def read(self, nbytes: int) -> bytes:
        """As many bytes; fewer at the end."""
        data = self._read(nbytes)
        self._at += len(data)
        self._refuse_bomb()
        return data

    def readinto(self, into: memoryview) -> int:
        """As many bytes as there is room for; how many came."""
        count = 0
        while count < len(into):
            data = self.read(min(BLOCK, len(into) - count))
            if not data:
                break
            into[count : count + len(data)] = data
            count += len(data)
        return count

    def tell(self) -> int:
        return self._at

    def seek(self, at: int) -> int:
        """To this place, counted in unpacked bytes; not beyond the end."""
        if at < self._at:
            self._raw.seek(0)
            self._file, self._at = self._unpacked(), 0
        while self._at < at and self.read(min(BLOCK, at - self._at)):
            pass
        return self._at

    def close(self) -> None:
        self._raw.close()

    def _unpacked(self) -> BinaryIO:
        if self._kind == "zstd":
            import zstandard

            decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 27)
            return cast("BinaryIO", decompressor.stream_reader(self._raw, read_across_frames=True, closefd=False))
        if self._kind == "gzip":
            import gzip

            return cast("BinaryIO", gzip.GzipFile(fileobj=self._raw))
        if self._kind == "bzip2":
            import bz2

            return cast("BinaryIO", bz2.BZ2File(self._raw))
        return cast("BinaryIO", _Xz(self._raw))

    def _read(self, nbytes: int) -> bytes:
        data = self._some(nbytes)
        while data and len(data) < nbytes and (more := self._some(nbytes - len(data))):
            data += more
        return data

    def _some(self, nbytes: int) -> bytes:
        """At least one byte, unless it is over."""
        try:
            return self._file.read(nbytes)
        except (EOFError, io.UnsupportedOperation) as error:
            raise Damaged("it is cut") from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise Damaged(f"its compressed data are corrupt ({error})") from error
        except Exception as error:  # each library has its own: zlib.error, LZMAError, ZstdError
            raise Damaged(f"its compressed data are corrupt ({error})") from error

    def _refuse_bomb(self) -> None:
        if self._at > BOMB_NBYTES and self._at > BOMB_RATIO * max(1, self._raw.tell()):
            raise Damaged(f"it unpacks to more than {BOMB_RATIO} times its size, as no pictures do")
