"""WebDataset: members whose names agree up to the first dot are one sample; its texts say something of its picture."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from pipeline import ItemError
from stages.media.archives.members import ArchiveMember, Damaged
from stages.media.input_tables import word

MOST_NBYTES = 1 << 20  # of a text beside a picture
MOST_PICTURES = 256  # of one sample
_KEY = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)", re.DOTALL)  # as the library webdataset has it
Columns = tuple[tuple[str, str], ...]


class Sampled(NamedTuple):
    """A member, and what the texts of its sample say."""

    member: ArchiveMember
    columns: Columns


def key_of(name: str) -> tuple[str, str]:
    """The sample that a member belongs to, and what it is of it: path up to the first dot of its name, and the rest."""
    found = _KEY.fullmatch(name)
    return (found[1], found[2].lower()) if found else (name, "")


def sampled(
    members: Iterator[ArchiveMember], endings: Collection[str], read: Callable[[ArchiveMember], bytes]
) -> Iterator[Sampled]:
    """Members other than texts, each with the columns of its sample; those of a sample stand one after the other.

    Args:
        endings: of texts, such as json, cls and txt.
        read: gives the bytes of the member that came last; raises ItemError where they are corrupt.

    Raises:
        Damaged: what `members` raises, after all that came before was given.
    """
    if not endings:
        yield from (Sampled(member, ()) for member in members)
        return
    key, waiting, columns, fails = "", list[ArchiveMember](), dict[str, str](), ""
    damaged: Damaged | None = None
    try:
        for member in members:
            own, ending = key_of(member.name)
            if own != key or len(waiting) >= MOST_PICTURES:
                yield from _given(waiting, columns, fails)
                key, waiting, columns, fails = own, [], {}, ""
            if ending in endings and not (member.skip or member.fails):
                try:
                    columns |= _told(member, ending, read)
                except ValueError as error:
                    fails = fails or str(error)
            else:
                waiting.append(member)
    except Damaged as error:
        damaged = error
    yield from _given(waiting, columns, fails)
    if damaged is not None:
        raise damaged


def _given(members: list[ArchiveMember], columns: dict[str, str], fails: str) -> Iterator[Sampled]:
    told = tuple(columns.items())
    for member in members:
        yield Sampled(member._replace(fails=member.fails or fails) if not member.skip else member, told)


def _told(member: ArchiveMember, ending: str, read: Callable[[ArchiveMember], bytes]) -> dict[str, str]:
    """Columns of a text: the keys of an object of JSON, else the ending and the text. Raises ValueError."""
    assert member.place is not None
    if member.place.nbytes > MOST_NBYTES:
        raise ValueError(
            f"its text {member.name!r} has {member.place.nbytes:,} bytes; at most {MOST_NBYTES:,} are read"
        )
    try:
        text = read(member).decode("utf-8")
        told = json.loads(text) if ending == "json" else None
    except ItemError as error:
        raise ValueError(f"its text {member.name!r} {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"its text {member.name!r} is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its text {member.name!r} is not JSON ({error})") from error
    if isinstance(told, dict):
        return {str(name): word(value) for name, value in told.items()}
    return {ending: text.strip()}
