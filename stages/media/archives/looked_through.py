"""Archives by their paths: which there are, and what one of them is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache

from stages.media.archives.members import ENDINGS, ZIP_ENDINGS, Damaged
from stages.media.archives.streams import compression
from stages.media.archives.tars import Tar
from stages.media.archives.zips import Zip

AnyArchive = Tar | Zip
_WILD = re.compile(r"[*?\[{]")


def is_pattern(path: str) -> bool:
    """Whether a path names several archives, as `shard-{000..127}.tar` does."""
    return _WILD.search(path) is not None and not os.path.lexists(path)


def root_of(path: str) -> str:
    """The folder that archives lie below; a single archive is a folder of its members."""
    if not is_pattern(path):
        return path
    fixed = path[: _WILD.search(path).start()]  # type: ignore[union-attr]
    return os.path.dirname(fixed) or "."


def archives_of(path: str) -> Iterator[str]:
    """The archives that a path names: itself, those of a folder and below it, or those of a pattern; by their names."""
    if os.path.isdir(path):
        yield from _below(path)
    elif is_pattern(path):
        from wcmatch import glob  # a single archive needs no library

        yield from sorted(glob.iglob(path, flags=glob.BRACE | glob.GLOBSTAR))
    else:
        yield path


def _below(folder: str) -> Iterator[str]:
    """Raises OSError where it cannot be listed."""
    with os.scandir(folder) as entries:
        found = sorted((entry.name, entry.is_dir()) for entry in entries if entry.name[0] != ".")
    for name, _ in (each for each in found if not each[1]):
        if name.lower().endswith(ENDINGS):
            yield os.path.join(folder, name)
    for name, _ in (each for each in found if each[1]):
        yield from _below(os.path.join(folder, name))


def look_through(path: str) -> AnyArchive:
    """An archive, by its first bytes or else its name. Raises Damaged where it is none, OSError as the system says."""
    with open(path, "rb") as file:
        head = file.read(4)
    if head in (b"PK\3\4", b"PK\5\6") or path.lower().endswith(ZIP_ENDINGS):
        return Zip(path)
    return Tar(path)


def is_streamed(path: str) -> bool:
    """Whether an archive can be read forwards only; False for one that cannot be read."""
    try:
        with open(path, "rb") as file:
            return bool(compression(file.read(6)))
    except OSError:
        return False


def has_member(path: str) -> bool:
    """Whether there may be a member at the path of an archive, a "/" and a name; True where nobody can tell."""
    archive = path
    while archive and not os.path.isfile(archive):
        archive = archive.rpartition("/")[0]
    if not archive:
        return False
    status = os.stat(archive)
    known = _names(archive, status.st_size, status.st_mtime_ns)
    return known is None or hash(path[len(archive) + 1 :]) in known


@lru_cache(maxsize=2)
def _names(archive: str, _size: int, _mtime_ns: int) -> frozenset[int] | None:
    """Hashes of the names in an archive; None where it is damaged."""
    try:
        opened = look_through(archive)
        try:
            return frozenset(hash(member.name) for member in opened.members())
        finally:
            opened.close()
    except (Damaged, OSError):
        return None
