"""Reads the pictures in archives: tar, plain or compressed, zip and CBZ, WebDataset shards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from itertools import count
from typing import Any, BinaryIO, ClassVar

from pipeline import Item, Part, PictureReader, ReadContext, Stamp, UsageError, is_gone, matcher
from stages.media import signatures
from stages.media.archives import looked_through, opened, samples
from stages.media.archives.members import ENDINGS, STREAMED, ArchiveMember, Damaged, Place
from stages.media.pictures import left_out

CHUNK = 512  # members between two answers of `count`
HIDDEN = "hidden; `hidden: true` reads it"
TWICE = "the archive has a member of this name before it, which is read"


@dataclass(frozen=True)
class Archive(PictureReader):
    """One frame for each picture in an archive, or in each of several, without unpacking them.

    A plain tar and a zip are read where their members lie, by all workers at once. A compressed tar (gzip, Zstandard,
    bzip2, xz) can be read forwards only: each worker unpacks it for itself up to the member it wants.

    `{dir}` is the folder within the archive; of several archives each counts as a folder of its name, as if they had
    been unpacked side by side. What is not a picture, links and hidden files are skipped and counted. Members that are
    encrypted, lead out of the archive or have a name that came before fail; so does, behind its last whole member, an
    archive that is cut or damaged.
    """

    path: str = field(
        metadata={
            "pixels": False,
            "doc": "an archive, a folder with archives in it and below, or a pattern such as `shards/{000..127}.tar`",
        }
    )
    include: list[str] = field(
        default_factory=list,
        metadata={
            "pixels": False,
            "doc": "globs of paths within archives, in any case of letters; if left out, every member that is a picture"
            " by its name or first bytes",
        },
    )
    exclude: list[str] = field(
        default_factory=list, metadata={"pixels": False, "doc": "globs of paths within archives to leave out"}
    )
    hidden: bool = field(
        default=False, metadata={"pixels": False, "doc": "read members whose name, or a folder's, begins with a dot"}
    )
    texts: list[str] = field(
        default_factory=list,
        metadata={
            "pixels": False,
            "doc": "endings of texts that belong to a picture of the same name, as in WebDataset shards: `[json, cls]`;"
            " keys of JSON, and the endings of others, become columns",
        },
    )

    example: ClassVar[Mapping[str, Any]] = {"path": "photos.zip"}

    def close(self) -> None:
        """Close the archives that are open."""
        self._opened.close()

    # ---- which items there are, in the parent ------------------------------------------------------------------

    def discover(self, without: str | None = None) -> Iterator[Item]:
        """The members as items, archive by archive; raises UsageError where there is no archive."""
        numbers = count()
        for path in self._archives():
            yield from self._items(path, numbers)

    def count(self, without: str | None = None) -> Iterator[int]:
        """How many items each further part holds; nothing where a compressed tar would have to be unpacked."""
        if any(map(looked_through.is_streamed, self._archives())):
            return
        for path in self._archives():
            found = 0
            for found, _ in enumerate(self._items(path, count()), 1):
                if found % CHUNK == 0:
                    yield CHUNK
            yield found % CHUNK

    @property
    def root(self) -> str | None:
        """The folder of the archives; of one archive the archive itself, as the folder of its members."""
        return looked_through.root_of(self.path)

    @property
    def named_by_pattern(self) -> bool:
        """Whether `path` is a pattern."""
        return looked_through.is_pattern(self.path)

    @property
    def watchable(self) -> bool:
        """Archives are looked through once."""
        return False

    def key(self, item: Item) -> str:
        """The path of the archive below the root, if there may be several, and that of the member in it."""
        return item.name if item.source == self._root else item.source.removeprefix(self._root + "/")

    def stamp(self, item: Item) -> Stamp | None:
        """Size and checksum of a member of a zip; of a tar, which has none, size and the time of the whole archive."""
        if not item.place:
            return None
        place = Place.of_text(item.place)
        told = repr(item.columns).encode("utf-8", "surrogateescape") if item.columns else b""
        if place.crc:
            return Stamp(
                place.nbytes, place.changed_ns, place.crc.to_bytes(4, "little") + (_digest(told) if told else b"")
            )
        made = f"{place.at} {place.nbytes} {place.size} {place.mtime_ns}".encode()
        return Stamp(place.nbytes, place.mtime_ns, _digest(made + told) if told else b"")

    def is_gone(self, path: str) -> bool:
        """Whether an archive has no such member any more."""
        return is_gone(path) and not looked_through.has_member(path)

    def holds(self, path: str, without: str | None = None) -> bool:
        """Whether a real path is one of the archives."""
        return path in self._real

    def would_read(self, path: str, without: str | None = None) -> bool:
        """Whether an archive at this path would be read."""
        if not path.lower().endswith(ENDINGS) or not os.path.isdir(self.path):
            return path in self._real
        return path.startswith(os.path.realpath(self.path).rstrip("/") + "/")

    @classmethod
    def probe(cls, path: str) -> dict[str, Any] | None:
        """How many members an archive has, and how many of them are pictures; None where it is no archive."""
        if not path.lower().endswith(ENDINGS):
            return None
        items = list(cls(path)._items(path, count()))
        damage = [item.fails for item in items if item.source == path]
        pictures = sum(not item.skip and not item.fails for item in items)
        return {
            "file": path, "format": "archive", "nbytes": os.path.getsize(path),
            "members": len(items) - len(damage), "pictures": pictures, "warnings": damage,
        }  # fmt: skip

    def _archives(self) -> Iterator[str]:
        try:
            found = looked_through.archives_of(self.path)
            first = next(found, None)
        except OSError as error:
            raise UsageError(
                f"{self.path!r}: {error.strerror}", remedy="give an archive, or a folder of them"
            ) from error
        if first is None:
            raise UsageError(f"there is no archive in {self.path!r}", limit=f"it would end in {', '.join(ENDINGS)}")
        yield first
        yield from found

    def _items(self, path: str, numbers: Iterator[int]) -> Iterator[Item]:
        """Those of one archive; the last one stands for the archive itself where it is damaged."""
        found = False
        try:
            archive = looked_through.look_through(path)
            try:
                for item in self._members(path, archive, numbers):
                    found = True
                    yield item
            finally:
                archive.close()
        except (Damaged, OSError) as error:
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            folder, _, name = self._below(path).rpartition("/")
            fails = f"{reason}; its members before that are read" if found else reason
            yield Item(next(numbers), path, folder, name, fails=fails, archive=path)

    def _members(self, path: str, archive: looked_through.AnyArchive, numbers: Iterator[int]) -> Iterator[Item]:
        top = "" if path == self._root else self._stem(self._below(path))
        seen = set[int]()
        found = samples.sampled(archive.members(), self._endings, archive.content)
        for member, columns in found:
            if not self._chosen(member.name):
                continue
            folder, _, name = member.name.rpartition("/")
            skip, fails = self._why_not(member, archive.head)
            if not skip and not fails:
                fails = TWICE if hash(member.name) in seen else ""
                seen.add(hash(member.name))
            below = f"{top}/{folder}" if top and folder else top or folder
            place = member.place.as_text() if member.place is not None else ""
            yield Item(next(numbers), f"{path}/{member.name}", below, name, skip, fails, path, place, columns)

    def _why_not(self, member: ArchiveMember, head: Callable[[ArchiveMember, int], bytes]) -> tuple[str, str]:
        """Why a member is skipped, and why it fails."""
        name = member.name
        if not self.hidden and ("/." in f"/{name}" or name.startswith("__MACOSX/")) and not member.fails:
            return HIDDEN, ""
        if member.skip or self.include:
            return member.skip, member.fails
        fails = member.fails
        skip = left_out(name, lambda: self._head(member, head), raw=self.raw == "preview")
        return skip, "" if skip else fails

    def _head(self, member: ArchiveMember, head: Callable[[ArchiveMember, int], bytes]) -> bytes | None:
        """The first bytes of a member; None where they are not worth their price: reading it will tell."""
        place = member.place
        if place is None or member.fails or (place.kind == STREAMED and self.texts):  # the stream is ahead already
            return None
        return head(member, signatures.HEAD_NBYTES)

    def _below(self, path: str) -> str:
        return os.path.basename(path) if path == self._root else path.removeprefix(self._root + "/")

    def _stem(self, path: str) -> str:
        end = next((end for end in ENDINGS if path.lower().endswith(end)), "")
        return path[: len(path) - len(end)]

    @cached_property
    def _root(self) -> str:
        """The root as archives' paths begin with it."""
        return looked_through.root_of(self.path).rstrip("/")

    @cached_property
    def _endings(self) -> frozenset[str]:
        return frozenset(end.lower().lstrip(".") for end in self.texts)

    @cached_property
    def _chosen(self) -> Callable[[str], bool]:
        """Whether the globs name a path within an archive."""
        included, excluded = matcher(self.include), matcher(self.exclude)
        return lambda name: (not self.include or included(name)) and not excluded(name)

    @cached_property
    def _real(self) -> frozenset[str]:
        return frozenset(map(os.path.realpath, looked_through.archives_of(self.path)))

    # ---- reading, in a worker ----------------------------------------------------------------------------------

    def load(self, item: Item, context: ReadContext) -> memoryview:
        """The bytes of a member."""
        place = Place.of_text(item.place)
        return context.load_from(place.nbytes, lambda into: self._opened.read_into(item.archive, place, into))

    def open_source(self, item: Item) -> BinaryIO:
        """The bytes of a member as a file."""
        return opened.open_source(item)

    def read(self, item: Item, context: ReadContext) -> Iterator[Part]:
        """One frame: the picture at the smallest scale that the chain takes; or as `frames` says."""
        yield from self.decoded(context, item)

    @cached_property
    def _opened(self) -> opened.Opened:
        return opened.Opened()


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=12).digest()
