"""Reads the pictures of a folder as the frames of one video, in the order of their names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from hashlib import blake2b
from typing import Any, ClassVar, Literal

from pipeline import Codec, Item, ItemError, Listing, Metadata, Part, ReadContext, Spec, Stamp
from stages.media import ffmpeg


@dataclass(frozen=True)
class Sequence(Listing):
    """One ordered stream for each folder that holds pictures; each picture is shown for 1 / `fps` seconds.

    Order: by name, numbers in names by their value, so that `shot2.jpg` comes before `shot10.jpg`. All pictures must
    have the size, colour model and depth of the first; one that does not, or that cannot be read, fails the item
    unless `on_corrupt: drop` leaves it out with a remark. Colour profiles count; EXIF and XMP are left out.
    """

    include: list[str] = field(
        default_factory=lambda: ["**/*.{jpg,jpeg,png,webp,avif,gif,tif,tiff,bmp,ppm,pgm,pbm,pnm}"],
        metadata={
            "pixels": False,
            "doc": "globs below `path`, in any case of letters; ** is any folders, {a,b} is either",
        },
    )
    fps: float | str = field(default=25, metadata={"doc": 'pictures a second, such as 25 or "30000/1001"'})
    on_corrupt: Literal["fail", "drop"] = field(
        default="fail",
        metadata={"doc": "pictures that are broken or of another size: fail the item, or leave them out"},
    )

    example: ClassVar[Mapping[str, Any]] = {"path": "samples/photos/trip", "fps": 10}

    def __post_init__(self) -> None:
        _ = self.rate

    @cached_property
    def rate(self) -> Fraction:
        return ffmpeg.frame_rate("fps", self.fps)

    @property
    def streams(self) -> bool:
        return True

    @property
    def turns(self) -> bool:
        return True

    def discover(self, without: str | None = None) -> Iterator[Item]:
        """The folders that hold pictures as items, named after themselves."""
        top = os.path.basename(os.path.abspath(self.path))
        last, number = None, 0
        for item in super().discover(without):
            if item.source.endswith("/"):
                yield item._replace(number=number)
            elif item.dir != last and not item.skip:
                last = item.dir
                above, _, name = item.dir.rpartition("/")
                yield Item(number, (os.path.dirname(item.source) or ".") + "/.", above, name or top)
            else:
                continue
            number += 1

    def count(self, without: str | None = None) -> Iterator[int]:
        """One for each folder."""
        for _ in self.discover(without):
            yield 1

    def at(self, path: str, without: str | None = None) -> Iterator[Item]:
        """The stream that a picture belongs to."""
        folder = os.path.realpath(path if os.path.isdir(path) else os.path.dirname(path))
        return (item for item in self.discover(without) if os.path.realpath(item.source) == folder)

    def key(self, item: Item) -> str:
        """The folder's path below `path`; "." for that of `path` itself."""
        at_top = os.path.normpath(item.source) == os.path.normpath(self.path)
        return "." if at_top and not item.source.endswith("//") else super().key(item)

    def stamp(self, item: Item) -> Stamp | None:
        """Of all its pictures: their sizes summed, the latest change, and a hash of each one's name, size and time."""
        try:
            known = [(name, os.stat(os.path.join(item.source, name))) for name in sorted(self._pictures(item))]
        except OSError:
            return None
        listed = repr([(os.fsencode(name), status.st_size, status.st_mtime_ns) for name, status in known])
        digest = blake2b(listed.encode(), digest_size=16).digest()
        size = sum(status.st_size for _, status in known)
        return Stamp(size, max((status.st_mtime_ns for _, status in known), default=0), digest)

    def sample(self, item: Item, context: ReadContext) -> tuple[Spec, Codec | None]:
        """That of the folder's first picture."""
        name = min(self._pictures(item), key=_by_number)
        return context.full(context.load(os.path.join(item.source, name)))

    def read(self, item: Item, context: ReadContext) -> Iterator[Part]:
        """The pictures as frames; raises ItemError for the first that does not fit, naming it."""
        self.must_be_file(item)
        first: Spec | None = None
        index = 0
        for name in sorted(self._pictures(item), key=_by_number):
            context.alive()
            try:
                part = self._picture(os.path.join(item.source, name), name, first, context)
            except (ItemError, OSError) as error:
                if self.on_corrupt == "fail":
                    raise ItemError(f"{name!r}: {error}") from error
                context.remark(f"pictures were left out, such as {name!r}: {error}")
                continue
            first = first or part.spec
            part.pts, part.duration = index, 1
            part.time_base = (self.rate.denominator, self.rate.numerator)
            index += 1
            yield part
        if not index:
            raise ItemError("holds no picture that can be read")

    def _picture(self, path: str, name: str, first: Spec | None, context: ReadContext) -> Part:
        part = context.picture(context.load(path))
        spec = part.spec
        if first is not None and replace(spec, primaries=first.primaries) != first:
            raise ItemError(f"is {spec}, and the first picture {first}", remedy="make them alike first")
        part.metadata = Metadata(icc=part.metadata.icc)
        return part

    def _pictures(self, item: Item) -> Iterator[str]:
        """Names of the folder's pictures, as `discover` counts them."""
        real = os.path.realpath(item.source)
        with os.scandir(item.source) as entries:
            for entry in entries:
                link = entry.is_symlink() and not self.follow_symlinks
                if not link and entry.is_file() and self.holds(f"{real}/{entry.name}"):
                    yield entry.name


def _by_number(name: str) -> list[tuple[int, int, str]]:
    """A key that compares runs of digits by value, and all else letter by letter."""
    parts = re.findall(r"\d+|\D+", name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]
