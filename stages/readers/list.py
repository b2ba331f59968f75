"""Reads the pictures that a list names: lines of paths, CSV or JSON Lines, from a file or from standard input."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import blake2b
from io import BufferedReader
from itertools import count
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline import Item, Part, PictureReader, ReadContext, Stamp, UsageError
from stages.media import input_tables

BLOCK = 1 << 16
CHUNK = 512  # paths between two answers of `count`, so that its thread can be stopped


@dataclass(frozen=True)
class List(PictureReader):
    """One frame for each path, in the order of the list. Lines of paths are taken as they are; blank ones are left out.

    Of CSV with a header and JSON Lines one column holds the paths; the others stay with the item: `{columns.X}` of an
    output's path is what column X says, and writers of shards can put them beside each picture. A row that lacks a
    column fails, with its line.

    Paths are relative to the working directory, or to `under`. `{dir}` of an output is the path's folder below
    `base`; a path outside it fails. Without `base` it is the folder as written, resolved, less any "/" and ".." at its
    front: then `a/b.jpg`, `/a/b.jpg` and `../a/b.jpg` all go to `a`, and where two of them do the second fails as a
    collision.
    """

    path: str = field(metadata={"pixels": False, "doc": 'a list; "-" is standard input'})
    null: bool = field(default=False, metadata={"pixels": False, "doc": "a NUL ends each path, as from `find -print0`"})
    base: str | None = field(default=None, metadata={"pixels": False, "doc": "the folder that {dir} is relative to"})
    form: Literal["auto", "lines", "csv", "tsv", "jsonl"] = field(
        default="auto",
        metadata={"pixels": False, "doc": "of the list; auto goes by its ending: .csv, .tsv, .jsonl, else lines"},
    )
    column: str = field(
        default="path", metadata={"pixels": False, "doc": "of CSV and JSON Lines: what holds the paths"}
    )
    under: str = field(default="", metadata={"pixels": False, "doc": "the folder that relative paths are below"})

    fetches_ahead: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"path": "files.txt"}

    def discover(self, without: str | None = None) -> Iterator[Item]:
        """The paths as items, as they arrive; raises UsageError where the list cannot be read."""
        for number, (line, path, columns, fails) in enumerate(self._rows()):
            if fails:
                where = f"{self.path}:{line}"
                yield Item(number, where, "", os.path.basename(where), fails=fails)
                continue
            folder, _, name = path.rpartition("/")
            below = self._dir(folder or ("/" if path.startswith("/") else ""))
            yield Item(number, path, below, name, columns=columns)

    def count(self, without: str | None = None) -> Iterator[int]:
        """How many paths each further part of the file holds; nothing for what is read once only."""
        found = 0
        if self._again:
            for found, _ in enumerate(self._rows(), 1):
                if found % CHUNK == 0:
                    yield CHUNK
        yield found % CHUNK

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

    def stamp(self, item: Item) -> Stamp | None:
        """Of the file; with columns they count as well."""
        found = super().stamp(item)
        if found is None or not item.columns:
            return found
        told = repr((found.size, found.mtime_ns, item.columns)).encode("utf-8", "surrogateescape")
        return found._replace(digest=blake2b(told, digest_size=16).digest())

    def holds(self, path: str, without: str | None = None) -> bool:
        """Whether a real path stands in the file; always False for what is read once only."""
        place = int(np.searchsorted(self._hashes, hash(path)))
        return place < len(self._hashes) and bool(self._hashes[place] == hash(path))

    def read(self, item: Item, context: ReadContext) -> Iterator[Part]:
        """One frame: the picture at the smallest scale that the chain takes; or as `frames` says."""
        yield from self.decoded(context, item)

    @property
    def _again(self) -> bool:
        """Whether the list can be read more than once: a FIFO or `<(find ...)` gives each path to one reader only."""
        return self.path != "-" and os.path.isfile(self.path)

    def _rows(self) -> Iterator[input_tables.InputRow]:
        """The rows, undecodable bytes as surrogates; reads on when the next is asked for."""
        form = input_tables.form_of(self.path) if self.form == "auto" else self.form.removeprefix("lines")
        try:
            with open(0 if self.path == "-" else self.path, "rb", closefd=self.path != "-") as file:
                found = input_tables.rows(file, form, self.column, self.path) if form else self._lines(file)
                for row in found:
                    yield row if not self.under or row.fails else row._replace(path=os.path.join(self.under, row.path))
        except OSError as error:
            raise UsageError(f"list {self.path!r}: {error.strerror}", remedy='give a file, or "-"') from error

    def _lines(self, file: BufferedReader) -> Iterator[input_tables.InputRow]:
        end, rest, numbers = b"\0" if self.null else b"\n", b"", count(1)
        while block := file.read1(BLOCK):
            *lines, rest = (rest + block).split(end)
            yield from (
                input_tables.InputRow(next(numbers), os.fsdecode(line)) for line in map(self._bare, lines) if line
            )
        if rest := self._bare(rest):
            yield input_tables.InputRow(next(numbers), os.fsdecode(rest))

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
                for _, path, _, fails in self._rows()
                for folder, _, name in (path.rpartition("/"),)
                if not fails
            ),
            np.int64,
        )
        hashes.sort()
        return hashes
