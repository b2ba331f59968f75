"""What an archive says of one of its files."""

from __future__ import annotations

from typing import NamedTuple, Self

TAR_ENDINGS = (
    ".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".cbt",
)  # fmt: skip
ZIP_ENDINGS = (".zip", ".cbz")
ENDINGS = TAR_ENDINGS + ZIP_ENDINGS
PLAIN, STREAMED, STORED, DEFLATED = "tar", "stream", "stored", "deflated"


class Damaged(Exception):
    """What follows in the archive cannot be read; the text says why. Members that were told of before are whole."""


class Place(NamedTuple):
    """Where a member lies, as plain text on the way to a worker.

    Attributes:
        kind: PLAIN, STREAMED (`at` counts bytes of the unpacked tar), STORED or DEFLATED (`at` is its header in a zip).
        nbytes: unpacked. packed: as it lies there.
        crc: of the unpacked bytes; 0 where the archive has none.
        changed_ns: when it was last changed, as the archive says; of a tar when the archive was.
        size, mtime_ns: of the archive when it was looked through.
    """

    kind: str
    at: int
    nbytes: int
    packed: int
    crc: int
    changed_ns: int
    size: int
    mtime_ns: int

    def as_text(self) -> str:
        return f"{self[0]}:{self[1]}:{self[2]}:{self[3]}:{self[4]}:{self[5]}:{self[6]}:{self[7]}"

    @classmethod
    def of_text(cls, text: str) -> Self:
        kind, *numbers = text.split(":")
        return cls(kind, *map(int, numbers))


class ArchiveMember(NamedTuple):
    """One file in an archive.

    Attributes:
        name: path with "/" between and nothing before it; "" for one that stands for the rest of a damaged archive.
        place: None where it cannot be read.
        skip, fails: why it is not to be read, or cannot be.
    """

    name: str
    place: Place | None = None
    skip: str = ""
    fails: str = ""


def plain_name(name: str) -> str:
    """A member's name without "./" and doubled slashes."""
    if name[:1] != "." and "//" not in name and "/./" not in name:
        return name
    head = "/" if name.startswith("/") else ""
    return head + "/".join(part for part in name.split("/") if part not in ("", "."))


def leads_out(name: str) -> str:
    """Why a name cannot be that of a file in an archive; "" where it can."""
    if name.startswith("/") or name[1:3] in (":/", ":\\") or ".." in name.split("/") or "\0" in name:
        return "its name leads out of the archive"
    return ""
