"""The contract of writers of archives: frames are encoded one by one, and packed in order when a run is through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, ClassVar, NamedTuple

from .stage import Writer
from .template import Template


class PackedMember(NamedTuple):
    """A frame that was encoded, on its way into an archive.

    Attributes:
        name: its path in the archive.
        archive: path of the archive, with `{shard}` where there may be several.
        nbytes, crc: length of the encoded frame, and CRC-32 of it.
        columns: what a list said of its item.
        row: number in the journal.
    """

    name: str
    archive: str
    nbytes: int
    crc: int
    columns: tuple[tuple[str, str], ...]
    row: int


class Content(NamedTuple):
    """One file of an archive: its name, its bytes, and whether they are the encoded frame itself."""

    name: str
    data: bytes
    is_frame: bool


class WrittenArchive(NamedTuple):
    """An archive that was written, for an index of it.

    Attributes:
        path: of the archive. nbytes: its size. members: frames in it.
        archive: its path with `{shard}`, equal for those that are numbered together.
    """

    path: str
    nbytes: int
    members: int
    archive: str


class ArchiveWriter(Writer):
    """A writer whose outputs are members of archives.

    `destination` is the template of the members' names, and `write` saves one member. The worker appends it to a
    staging file; its row in the journal says where it lies. When all items have ended, the parent cuts the members of
    those that are done into archives, in item order, and has those written that are not as they should be: so the
    archives depend on the input alone, and not on the number of workers or on how often the run was broken off.
    """

    encodes: ClassVar[bool] = True

    def archives(self) -> Template:
        """The template of the archives' paths; only fields of items, and `{shard}`. Pure."""
        raise NotImplementedError

    def cut(self, members: Iterable[PackedMember]) -> Iterator[tuple[str, list[PackedMember]]]:
        """Paths of archives and the members of each; members of one archive keep their order. Pure; in the parent."""
        raise NotImplementedError

    def contents(self, member: PackedMember, data: bytes) -> Iterator[Content]:
        """What of a member goes into the archive: the frame, and texts beside it. Pure; in the parent."""
        yield Content(member.name, data, is_frame=True)

    def pack(self, contents: Iterable[Content], file: BinaryIO) -> Iterator[int]:
        """Write one archive; where the bytes of each content begin, in the file. In the parent; raises OSError."""
        raise NotImplementedError

    def index(self, written: Iterable[WrittenArchive]) -> Iterator[tuple[str, bytes]]:
        """Paths and bytes of files beside the archives that say what they hold. Pure; in the parent."""
        return iter(())

    @property
    def version(self) -> str:
        """Tells archives of the same members apart that are packed in another way. Pure."""
        return ""
