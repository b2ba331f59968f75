"""Which pictures of a set are the same: byte for byte, or as people see them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline import Frame, ItemError, Partial, Pixels, Reducer
from stages.media import likeness, picture_figures

SAME = 0.983  # how far pictures of the same agree at least
HEAD = ("group", "kind", "best", "file", "width", "height", "bytes", "agreement")
MOVE = """#!/bin/sh
# Moves the {count} files that are not the best of their group from the folder FROM to TO; nothing is deleted.
#   sh move.sh FROM TO
set -eu
from=$1 to=$2
move() {{ mkdir -p -- "$to/$(dirname -- "$1")" && mv -n -- "$from/$1" "$to/$1"; }}
"""


class File(NamedTuple):
    """One picture of the set.

    Attributes:
        small: 32x32 gray samples of it as it is compared; b"" where there is nothing to compare.
        colours: mean and spread of red, green and blue.
    """

    name: str
    digest: bytes
    nbytes: int
    height: int
    width: int
    small: bytes
    colours: Sequence[int]

    @property
    def rank(self) -> tuple[int, int]:
        """Of those that show the same the one with the most pixels is the best, then the one with the most bytes."""
        return self.height * self.width, self.nbytes


class Pair(NamedTuple):
    """Two files that show the same, by their places, and how far they agree."""

    one: int
    two: int
    agreement: float


@dataclass(frozen=True)
class Duplicates(Reducer):
    """Groups of pictures that are the same: `duplicates.json`, `.csv`, and `move.sh`, which moves all but the best.

    Exact ones have equal bytes. Similar ones show the same in the same colours: resized, compressed anew, mirrored,
    turned by quarter turns, cropped by some 3 %. They are compared by 32x32 samples of the frame, so let `resize:
    {width: 64, height: 64, fit: fill}` stand before. Pictures of little contrast and stripes (sky, blur, walls) are
    compared by their bytes alone. Nothing is moved or deleted.
    """

    path: str = field(metadata={"doc": "folder of the report"})
    similar: bool = field(default=True, metadata={"doc": "whether also those count that only show the same"})

    asks_digest: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"path": "out/duplicates"}

    def map(self, frame: Frame) -> Partial:
        """Digest of the file and a small picture of its first frame."""
        if frame.index:
            return None
        item = frame.item
        digest, nbytes = frame.sha256, frame.source_nbytes
        if not digest and not item.source:
            raise ItemError("has no file that could be compared with others")
        if not digest:
            with open(item.source, "rb") as file:  # a video, which no reader loads
                digest = hashlib.file_digest(file, "sha256").digest()
                nbytes = os.fstat(file.fileno()).st_size
        height, width = frame.source_size if any(frame.source_size) else frame.spec.size
        small = b""
        if self.similar:
            samples = likeness.small(picture_figures.luma(frame.pixels, frame.spec))
            small = b"" if samples is None else samples.tobytes()
        colours = likeness.colours_of(picture_figures.opaque(frame.pixels, frame.spec)) if small else []
        return [[item.below, digest, nbytes, height, width, small, colours]]

    def merge(self, total: Partial, partial: Partial) -> Partial:
        total += partial
        return total

    def finish(self, total: Partial) -> Iterator[tuple[str, bytes]]:
        """The report and the script."""
        files = [File(*row) for row in total]
        groups = list(grouped(files, list(pairs(files))))
        told = [_told(files, members, agreement) for members, agreement in groups]
        extra = [each["file"] for group in told for each in group["files"] if not each["best"]]
        summary = {
            "files": len(files), "groups": len(told), "duplicates": len(extra),
            "bytes": sum(each["bytes"] for group in told for each in group["files"] if not each["best"]),
        }  # fmt: skip
        yield "duplicates.json", (json.dumps({**summary, "found": told}, indent=1) + "\n").encode()
        yield "duplicates.csv", _table(told)
        moves = "".join(f"move {shlex.quote(name)}\n" for name in extra)
        yield "move.sh", (MOVE.format(count=f"{len(extra):,}") + moves).encode("utf-8", "surrogateescape")


def pairs(files: Sequence[File]) -> Iterator[Pair]:
    """Files with equal bytes, and those that show the same."""
    first: dict[bytes, int] = {}
    for place, file in enumerate(files):
        before = first.setdefault(file.digest, place)
        if before != place:
            yield Pair(before, place, 1.0)
    seen = [place for place in first.values() if files[place].small]
    if len(seen) < 2:
        return
    colours = np.array([files[place].colours for place in seen], np.int64)
    for found in likeness.likenesses(_smalls([files[place] for place in seen]), colours):
        if found.agreement >= SAME:
            yield Pair(seen[found.one], seen[found.two], found.agreement)


def _smalls(files: Sequence[File]) -> Pixels:
    side = likeness.SIDE
    return np.frombuffer(b"".join(file.small for file in files), np.uint8).reshape(-1, side, side)


def grouped(files: Sequence[File], found: Sequence[Pair]) -> Iterator[tuple[list[int], dict[int, float]]]:
    """Files that are joined by pairs, the best first, and how far each agrees with one of its group."""
    parent = list(range(len(files)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = place = parent[parent[place]]
        return place

    agreement: dict[int, float] = {}
    for one, two, value in found:
        parent[max(root(one), root(two))] = min(root(one), root(two))
        for place in (one, two):
            agreement[place] = max(agreement.get(place, 0.0), value)
    members: defaultdict[int, list[int]] = defaultdict(list)
    for place in sorted(agreement):
        members[root(place)].append(place)
    for group in members.values():
        yield sorted(group, key=lambda place: (*(-part for part in files[place].rank), place)), agreement


def _told(files: Sequence[File], members: Sequence[int], agreement: Mapping[int, float]) -> dict[str, Any]:
    exact = len({files[place].digest for place in members}) == 1
    return {
        "kind": "exact" if exact else "similar",
        "files": [
            {
                "file": files[place].name, "best": place == members[0], "width": files[place].width,
                "height": files[place].height, "bytes": files[place].nbytes, "agreement": round(agreement[place], 3),
                "sha256": files[place].digest.hex(),
            }
            for place in members
        ],
    }  # fmt: skip


def _table(groups: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(HEAD)
    for number, group in enumerate(groups, 1):
        for each in group["files"]:
            table.writerow([
                number, group["kind"], int(each["best"]), each["file"], each["width"], each["height"], each["bytes"],
                each["agreement"],
            ])  # fmt: skip
    return text.getvalue().encode("utf-8", "surrogateescape")
