"""Reads the pictures that a list of paths names: a file, or what another program writes to standard input."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np

from pipeline import Item, Part, PictureReader, ReadContext, UsageError

BLOCK = 1 << 16
CHUNK = 512  # paths between two answers of `count`, so that its thread can be stopped


@dataclass(frozen=True)
class List(PictureReader):
    """One frame for each path, in the order of the list. Blank lines are left out; nothing is unquoted.

    Paths are relative to the working directory. `{dir}` of an output is the path's folder below `base`; a path
    outside it fails. Without `base` it is the folder as written, resolved, less any "/" and ".." at its front: then
    `a/b.jpg`, `/a/b.jpg` and `../a/b.jpg` all go to `a`, and where two of them do the second fails as a collision.
    """

    path: str = field(metadata={"pixels": False, "doc": 'a file with one path a line; "-" is standard input'})
    null: bool = field(default=False, metadata={"pixels": False, "doc": "a NUL ends each path, as from `find -print0`"})
    base: str | None = field(default=None, metadata={"pixels": False, "doc": "the folder that {dir} is relative to"})

    example: ClassVar[Mapping[str, Any]] = {"path": "files.txt"}

    def discover(self, without: str | None = None) -> Iterator[Item]:
        """The paths as items, as they arrive; raises UsageError where the list cannot be read."""
        for number, path in enumerate(self._paths()):
            folder, _, name = path.rpartition("/")
            yield Item(number, path, self._dir(folder or ("/" if path.startswith("/") else "")), name)

    def count(self, without: str | None = None) -> Iterator[int]:
        """How many paths each further part of the file holds; nothing for what is read once only."""
        count = 0
        if self._again:
            for count, _ in enumerate(self._paths(), 1):
                if count % CHUNK == 0:
                    yield CHUNK
        yield count % CHUNK

    @property
    def root(self) -> str | None:
        """`base`, where it is given."""
        return self.base

    @property
    def waits(self) -> bool:
        """Whether another program writes the list."""
        return not self._again

    def key(self, item: Item) -> str:
        """The path below `base`; without it the whole path."""
        return super().key(item) if self.base is not None else os.path.abspath(item.source)

    def holds(self, path: str, without: str | None = None) -> bool:
        """Whether a real path stands in the file; always False for what is read once only."""
        place = int(np.searchsorted(self._hashes, hash(path)))
        return place < len(self._hashes) and bool(self._hashes[place] == hash(path))

    def read(self, item: Item, context: ReadContext) -> Iterator[Part]:
        """One frame: the picture at the smallest scale that the chain takes; or as `frames` says."""
        yield from self.decoded(context, item.source)

    @property
    def _again(self) -> bool:
        """Whether the list can be read more than once: a FIFO or `<(find ...)` gives each path to one reader only."""
        return self.path != "-" and os.path.isfile(self.path)

    def _paths(self) -> Iterator[str]:
        """The paths, undecodable bytes as surrogates; reads on when the next is asked for."""
        end, rest = b"\0" if self.null else b"\n", b""
        try:
            with open(0 if self.path == "-" else self.path, "rb", closefd=self.path != "-") as file:
                while block := file.read1(BLOCK):
                    *lines, rest = (rest + block).split(end)
                    yield from (os.fsdecode(line) for line in map(self._bare, lines) if line)
        except OSError as error:
            raise UsageError(f"list {self.path!r}: {error.strerror}", remedy='give a file, or "-"') from error
        if rest := self._bare(rest):
            yield os.fsdecode(rest)

    def _bare(self, line: bytes) -> bytes:
        """A line without the carriage return of a file from Windows; b"" where nothing but blanks is left."""
        line = line if self.null else line.removesuffix(b"\r")
        return line if line.strip() else b""

    @cached_property
    def _dir(self) -> Callable[[str], str]:
        return lru_cache(maxsize=64)(self._new_dir)

    def _new_dir(self, folder: str) -> str:
        if self.base is not None:
            below = os.path.relpath(folder or ".", self.base)
            return "" if below == "." else below
        parts = os.path.normpath(folder).lstrip("/").split("/") if folder else []
        return "/".join(part for part in parts if part not in (".", ".."))

    @cached_property
    def _hashes(self) -> np.ndarray[Any, Any]:
        """Sorted hashes of the real paths: 8 bytes a path, where a set of a million names takes 150 MB."""
        if not self._again:
            return np.empty(0, np.int64)
        real = lru_cache(maxsize=64)(os.path.realpath)
        hashes = np.fromiter(
            (
                hash(real(folder or ("/" if path[0] == "/" else ".")).rstrip("/") + "/" + name)
                for path in self._paths()
                for folder, _, name in (path.rpartition("/"),)
            ),
            np.int64,
        )
        hashes.sort()
        return hashes
