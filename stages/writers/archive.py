"""Writes each frame as a member of an archive: tar, WebDataset shards, zip, CBZ."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, ClassVar, Literal

from pipeline import (
    ArchiveWriter,
    Content,
    Frame,
    Nbytes,
    PackedMember,
    Template,
    UsageError,
    WriteContext,
    WrittenArchive,
)
from stages.media.archives import tar_files, zip_files
from stages.media.archives.samples import key_of
from stages.media.encoding_writer import EncodingWriter
from stages.media.input_tables import as_bytes

SHARD, ALL = "{shard}", "*"
TARS, ZIPS = (".tar", ".cbt"), (".zip", ".cbz")
MemberKept = Literal["exif", "xmp", "iptc", "gps", "copyright", "date", "comment", "density", "gain_map"]


@dataclass(frozen=True)
class ArchiveFiles(EncodingWriter, ArchiveWriter):
    """Archives of encoded frames: members are encoded by all workers, and packed in input order when a run is through.

    With `{shard}` in the path there are several, each of at most `max_count` members and `max_size` bytes. Those that
    are tars are made for WebDataset: names are split at their first dot there, so dots within a name become
    underscores, and `texts` stand beside each picture. The same members give the same bytes, whatever the number of
    workers; a run that is repeated writes those archives anew of which a member changed, was added or is gone.
    """

    path: str = field(
        metadata={
            "pixels": False,
            "doc": "path of the archives; {shard} numbers them, fields of an item ({columns.X}, {archive}, {dir}) make"
            " one for each; .tar, .zip or .cbz says what they are",
        }
    )
    member: str = field(
        default="{dir}/{stem}.jpg",
        metadata={
            "pixels": False,
            "doc": "names in the archive, with fields as of outputs; the extension names the format",
        },
    )
    max_count: int = field(default=10_000, metadata={"pixels": False, "ge": 1, "doc": "of pictures in one shard"})
    max_size: Nbytes = field(
        default=Nbytes(1_000_000_000),
        metadata={"pixels": False, "ge": Nbytes(1), "doc": "of one shard; more only for one large picture"},
    )
    texts: dict[str, str] = field(
        default_factory=dict,
        metadata={
            "pixels": False,
            "doc": "files beside each picture, by ending the column that each holds: `{cls: label, json: '*'}`; '*' is"
            " all columns as a JSON object",
        },
    )
    wids: bool = field(
        default=True,
        metadata={
            "pixels": False,
            "doc": "beside numbered tars an index (train-index.json): names, sizes and numbers of samples, as wids"
            " reads it",
        },
    )
    keep: tuple[MemberKept, ...] = field(
        default=("copyright", "density"),
        metadata={"doc": "what of a picture's metadata its output says too, as of `files`"},
    )

    example: ClassVar[Mapping[str, Any]] = {"path": "out/train-{shard}.tar", "member": "{dir}/{stem}.jpg"}

    def __post_init__(self) -> None:
        if not self.path.lower().endswith(TARS + ZIPS):
            raise UsageError(f"path {self.path!r} names no archive", limit=f"known are {' '.join(TARS + ZIPS)}")
        picture = Template(self.member).format
        for ending in self.texts:
            if not ending.isalnum() or ending.lower() == picture:
                raise UsageError(f"texts: {ending!r} is not an ending of a text", remedy="such as json, cls or txt")

    def destination(self) -> Template:
        """The template of `member`; raises UsageError where a field is not known."""
        return Template(self.member)

    def archives(self) -> Template:
        """The template of `path`; raises UsageError where a field is not known."""
        return Template(self.path, of_archives=True)

    @property
    def version(self) -> str:
        """Of the form of archives."""
        return "1"

    @property
    def _tars(self) -> bool:
        return self.path.lower().endswith(TARS)

    @property
    def _samples(self) -> bool:
        """Whether archives are shards of samples, as WebDataset has them."""
        return self._tars and SHARD in self.path

    # ---- in a worker -------------------------------------------------------------------------------------------

    def write(self, frame: Frame, context: WriteContext) -> int:
        """Encode and save one member; returns the bytes written."""
        return context.save(self.encoded(frame, context))

    # ---- in the parent, when the run is through ----------------------------------------------------------------

    def cut(self, members: Iterable[PackedMember]) -> Iterator[tuple[str, list[PackedMember]]]:
        """Shards as they become full, the last ones at the end."""
        filling: dict[str, _Filling] = {}
        for member in members:
            shard = filling.setdefault(member.archive, _Filling())
            name = self._name(member)
            nbytes = tar_files.room(name, member.nbytes)
            nbytes += sum(tar_files.room(name, len(text)) for _, text in self._texts(member))
            key = key_of(name)[0] if self._samples else name
            full = len(shard.members) >= self.max_count or shard.nbytes + nbytes > self.max_size or key in shard.keys
            if SHARD in member.archive and shard.members and full:
                yield shard.path(member.archive), shard.members
                shard = filling[member.archive] = _Filling(shard.number + 1)
            shard.add(member, nbytes, key)
        for archive, shard in filling.items():
            yield shard.path(archive), shard.members

    def contents(self, member: PackedMember, data: bytes) -> Iterator[Content]:
        """The picture, and its texts."""
        name = self._name(member)
        yield Content(name, data, is_frame=True)
        for ending, text in self._texts(member):
            yield Content(f"{name.rpartition('.')[0] or name}.{ending}", text, is_frame=False)

    def pack(self, contents: Iterable[Content], file: BinaryIO) -> Iterator[int]:
        """Write one archive."""
        return tar_files.pack(contents, file) if self._tars else zip_files.pack(contents, file)

    def index(self, written: Iterable[WrittenArchive]) -> Iterator[tuple[str, bytes]]:
        """What wids and people want to know of the shards of one name: `train-index.json` of `train-{shard}.tar`."""
        if not (self.wids and self._samples):
            return
        sets: dict[str, list[dict[str, Any]]] = {}
        for path, nbytes, members, archive in written:
            told = {"url": os.path.basename(path), "nsamples": members, "filesize": nbytes}
            sets.setdefault(archive, []).append(told)
        for archive, shards in sets.items():
            told = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "shardlist": shards}
            index = os.path.splitext(archive.replace(SHARD, "index"))[0]
            yield f"{index}.json", (json.dumps(told, indent=1) + "\n").encode()

    def _name(self, member: PackedMember) -> str:
        """The name of a member; of a sample with one dot, before its ending."""
        if not self._samples:
            return member.name
        folder, slash, name = member.name.rpartition("/")
        stem, dot, ending = name.rpartition(".")
        return f"{folder}{slash}{stem.replace('.', '_')}{dot}{ending}"

    def _texts(self, member: PackedMember) -> list[tuple[str, bytes]]:
        columns = dict(member.columns)
        found = []
        for ending, column in self.texts.items():
            text = json.dumps(columns, ensure_ascii=False) if column == ALL else columns.get(column)
            if text is not None:
                found.append((ending, as_bytes(text)))
        return found


class _Filling:
    """A shard that is being filled."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.nbytes = tar_files.RECORD
        self.members: list[PackedMember] = []
        self.keys: set[str] = set()

    def add(self, member: PackedMember, nbytes: int, key: str) -> None:
        self.members.append(member)
        self.nbytes += nbytes
        self.keys.add(key)

    def path(self, archive: str) -> str:
        return archive.replace(SHARD, f"{self.number:06d}")
