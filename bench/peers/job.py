"""What the two Pool peers share: their arguments, the file names, and writing a file so that it is never half there."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Job:
    """One file's work, sent to the workers once: `convert(path, target, size)` makes the thumbnail."""

    convert: Callable[[str, str, int], None]
    out: str
    extension: str
    size: int

    def __call__(self, path: str) -> str:
        target = f"{self.out}/{os.path.basename(path).removesuffix('.jpg')}.{self.extension}"
        self.convert(path, target, self.size)
        return target


def write(target: str, data: bytes) -> None:
    """A temporary file beside the target, then rename: the least a script needs that may be interrupted."""
    temporary = f"{target}.tmp"
    with open(temporary, "wb") as file:
        file.write(data)
    os.rename(temporary, target)


def run(convert: Callable[[str, str, int], None]) -> None:
    """The whole script: sorted files of a folder through `Pool(N).imap_unordered(..., chunksize=8)`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("out")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--extension", default="jpg")
    args = parser.parse_args()
    files = sorted(str(path) for path in args.source.glob("*.jpg"))
    job = Job(convert, args.out, args.extension, args.size)
    with Pool(args.workers) as pool:
        made = sum(1 for _ in pool.imap_unordered(job, files, chunksize=8))
    if made != len(files):
        raise SystemExit(f"{made} of {len(files)} files made")
