"""Archives of all that is done: once a run is through, packed from what workers staged, by us.

An archive is written under a temporary name and renamed when it is whole. One whose members are as they were is left
alone; where one changes, what it held is kept beside until the new ones are there, so a kill at any moment loses
nothing: run again, and what is missing is packed.
"""

from __future__ import annotations

import os
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from hashlib import blake2b
from typing import BinaryIO, Self

from ..contracts.archive_writer import ArchiveWriter, Content, PackedMember, WrittenArchive
from ..errors import EnvironmentRefusal, StopRun
from ..journal import Journal
from ..journal.durable import sync
from ..journal.ownership import on_disk
from ..journal.packed import UNFINISHED, Packs, foreign
from ..journal.partials import CLAIMED
from ..journal.store import refusals
from ..journal.verdict import OnDisk
from ..plan.model import Plan
from ..worker.folders import Folders

BUFFER_NBYTES = 1 << 20
MOST_OPEN = 16
LIMITED = "the archives were left as they are: this run was limited to a part of the input"
MIXED = "the archives were left as they are: some of their members are of another chain; run again without a limit"


def pack(plan: Plan, journal: Journal, *, whole: bool, limited: bool) -> tuple[list[str], str]:
    """Bring the archives up to date with the items that are done; their paths, and a note. After the journal's `flush`.

    Args:
        whole: whether this run has found all that is in the input. limited: whether it was told to take a part of it.

    Raises:
        PipelineError: an archive may not or cannot be written.
    """
    with refusals(journal.path), closing(Packing(plan, journal)) as packing:
        if whole:
            journal.partials().forget_others()
        if packing.known and (limited or packing.is_mixed()):
            return sorted(filter(os.path.exists, packing.known)), LIMITED if limited else MIXED
        return packing.carry_out(), ""


class Packing:
    """The archives of one run."""

    def __init__(self, plan: Plan, journal: Journal) -> None:
        self._writer: ArchiveWriter = plan.writer.build()
        self._journal = journal
        self._overwrite = plan.overwrite
        self._packs: Packs = journal.packs()
        params = {name: value for name, value in plan.writer.params.items() if name != "path"}
        self._salt = repr((sorted(params.items()), self._writer.version)).encode()
        self._folders = Folders(plan.output_root)
        self.known = self._packs.archives()

    def close(self) -> None:
        """Let go of the folders."""
        self._folders.close()

    def is_mixed(self) -> bool:
        """Whether items are done as another chain has them, which an archive of this one could not hold."""
        return self._packs.others() > 0

    def carry_out(self) -> list[str]:
        """Write what changed; the paths of all archives, and of what stands beside them."""
        found = dict[str, bytes]()
        written = list[WrittenArchive]()
        with _Sources() as sources:
            for path, members in self._writer.cut(self._packs.members()):
                found[path] = self._digest(members)
                if not self._is_as_left(path, found[path]) or self._packs.in_archive(path) != len(members):
                    self._refuse_foreign(path)
                    self._packs.set_aside(path, self._journal.token)
                    self._write(path, found[path], members, sources)
                archive = members[0].archive
                written.append(WrittenArchive(path, os.stat(path).st_size, len(members), archive))
        found |= self._write_index(sorted(written))
        self._remove(self.known.keys() - found.keys())
        self._packs.sweep()
        return sorted(found)

    def _digest(self, members: Sequence[PackedMember]) -> bytes:
        """Tells one content of an archive from another: what is in it, in which order, packed in which way."""
        digest = blake2b(self._salt, digest_size=16)
        for member in members:
            digest.update(
                repr((member.name, member.nbytes, member.crc, member.columns)).encode("utf-8", "surrogatepass")
            )
        return digest.digest()

    def _is_as_left(self, path: str, digest: bytes) -> bool:
        known = self.known.get(path)
        return known is not None and known[0] == digest and on_disk(path) == known[1]

    def _refuse_foreign(self, path: str) -> None:
        there, known = on_disk(path), self.known.get(path)
        if there is None or self._overwrite == "always" or (known is not None and known[1] in (there, CLAIMED)):
            return
        raise foreign(path)

    # ---- writing -----------------------------------------------------------------------------------------------

    def _write(self, path: str, digest: bytes, members: list[PackedMember], sources: _Sources) -> None:
        is_frame = list[bool]()

        def contents() -> Iterator[Content]:
            for member, (file, at) in zip(members, self._packs.places(members), strict=True):
                for content in self._writer.contents(member, sources.read(file, at, member)):
                    is_frame.append(content.is_frame)
                    yield content

        starts = list[int]()
        try:
            there = self._put(path, lambda file: starts.extend(self._writer.pack(contents(), file)))
        except _LostError as error:
            self._packs.lost(error.member)
            raise StopRun(str(error), remedy="run again: it is done anew; is the disk damaged?") from error
        frames = [at for at, frame in zip(starts, is_frame, strict=True) if frame]
        self._packs.wrote(path, digest, there, zip(members, frames, strict=True))

    def _write_index(self, written: Sequence[WrittenArchive]) -> dict[str, bytes]:
        """What stands beside the archives; digests by path."""
        digests = dict[str, bytes]()
        for path, data in self._writer.index(written):
            digest = digests[path] = blake2b(data, digest_size=16).digest()
            if not self._is_as_left(path, digest):
                self._refuse_foreign(path)
                self._packs.wrote(path, digest, self._put(path, partial(_write, data)), ())
        return digests

    def _put(self, path: str, write: Callable[[BinaryIO], object]) -> OnDisk:
        """Write a file beside its place, then rename it; how it lies there. Raises EnvironmentRefusal."""
        folder, _, name = path.rpartition("/")
        temporary = f"{folder}/.{name}.{self._journal.token}{UNFINISHED}"
        try:
            self._folders.fd(folder)
            self._packs.claim(path)
            with open(temporary, "xb", buffering=BUFFER_NBYTES) as file:
                write(file)
                file.flush()
                if self._journal.durability != "none":
                    os.fsync(file.fileno())
            os.rename(temporary, path)
            if self._journal.durability != "none":
                sync(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise EnvironmentRefusal(
                f"an archive cannot be written: {error.strerror}", where=path, remedy="run again: nothing is done twice"
            ) from error
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        there = on_disk(path)
        if there is None:
            raise EnvironmentRefusal("an archive that was just written is gone", where=path)
        return there

    def _remove(self, gone: Iterable[str]) -> None:
        """Archives that hold nothing any more go, unless somebody changed them."""
        for path in gone:
            there, left = on_disk(path), self.known[path][1]
            if there is not None and left in (there, CLAIMED):
                os.unlink(path)
            self._packs.forget(path)


class _LostError(Exception):
    """The bytes of a member are not those that were saved."""

    def __init__(self, member: PackedMember, path: str) -> None:
        super().__init__(f"the bytes of {member.name!r} in {path!r} are not those that were saved")
        self.member = member


class _Sources:
    """Files that members are read from, a few of them open at a time. A context manager."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, int] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def read(self, path: str, at: int, member: PackedMember) -> bytes:
        """The bytes of a member. Raises StopRun where they are not what was saved."""
        data = _read(self._fd(path), at, member.nbytes)
        if len(data) != member.nbytes or zlib.crc32(data) != member.crc:
            raise _LostError(member, path)
        return data

    def _fd(self, path: str) -> int:
        fd = self._open.get(path)
        if fd is None:
            fd = self._open[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            if len(self._open) > MOST_OPEN:
                os.close(self._open.popitem(last=False)[1])
        else:
            self._open.move_to_end(path)
        return fd


def _write(data: bytes, file: BinaryIO) -> None:
    file.write(data)


def _read(fd: int, at: int, nbytes: int) -> bytes:
    data = os.pread(fd, nbytes, at)
    while len(data) < nbytes and (more := os.pread(fd, nbytes - len(data), at + len(data))):
        data += more
    return data
