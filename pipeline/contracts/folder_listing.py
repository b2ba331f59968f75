"""Readers of the files of a folder and of the folders below it: finding them, and knowing them again."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import islice
from operator import attrgetter

from ..errors import ItemError, UsageError
from .frame import Item
from .globs import matcher
from .stage import Reader

RUN = 4096  # names that are sorted together; a folder of a million starts at once and is never a list in memory
CHUNK = 512  # names between two answers of `count`, so that its thread can be stopped and lets others run
Listed = tuple[str, str, str]  # name, path, reason to skip it
HIDDEN = "hidden; `hidden: true` reads it"
LINK = "a symbolic link; `follow_symlinks: true` reads it"


@dataclass(frozen=True)
class Listing(Reader):
    """What a reader of a folder inherits: its parameters and its items; `include` and `read` are its own.

    Order: the files of a folder by name (in runs of 4096 as the system lists them), then its subfolders by name. A
    folder that cannot be listed is an item that fails with the reason (`must_be_file` says it), so nothing is left
    out in silence.
    """

    path: str = field(metadata={"pixels": False, "doc": "a folder, or a single file"})
    include: list[str] = field(
        default_factory=lambda: ["**/*"],
        metadata={
            "pixels": False,
            "doc": "globs below `path`, in any case of letters; ** is any folders, {a,b} is either",
        },
    )
    exclude: list[str] = field(
        default_factory=list,
        metadata={"pixels": False, "doc": "globs of files and folders to leave out; a folder with all below it"},
    )
    follow_symlinks: bool = field(
        default=False, metadata={"pixels": False, "doc": "read linked files and folders; loops are cut"}
    )
    hidden: bool = field(
        default=False, metadata={"pixels": False, "doc": "read files and folders whose name begins with a dot"}
    )

    def discover(self, without: str | None = None) -> Iterator[Item]:
        """The files as items; `dir` is the folder below `path` with "/" between, "" at the top.

        Raises:
            UsageError: `path` does not exist or cannot be listed.
        """
        number = 0
        for folder, run in self._runs(without, RUN):
            for name, path, skip in run:
                yield Item(number, path, folder, name, skip)
                number += 1

    def count(self, without: str | None = None) -> Iterator[int]:
        """How many items each further part of the listing holds."""
        for _, run in self._runs(without, CHUNK):
            yield len(run)

    @property
    def root(self) -> str | None:
        """`path`, or the folder of the one file that it names."""
        return self.path if os.path.isdir(self.path) else os.path.dirname(self.path) or "."

    def at(self, path: str, without: str | None = None) -> Iterator[Item]:
        """The file at a path, or the files of a folder and below it."""
        real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        below = real.removeprefix(self._root.rstrip("/") + "/")
        if below == real and real != self._root:
            return
        link = os.path.islink(path) and not self.follow_symlinks
        if os.path.isdir(path) and not link:
            if real != self._root and not self._descends(real, without):
                return
            for folder, run in self._runs(without, RUN, "" if real == self._root else below):
                yield from (Item(0, source, folder, name, skip) for name, source, skip in run)
        elif os.path.lexists(path) and self.holds(real, without):
            folder, _, name = below.rpartition("/")
            source = os.path.join(self.path, below)
            yield Item(0, source, folder, name, LINK if link else self.left_out(source))

    def holds(self, path: str, without: str | None = None) -> bool:
        """Whether a real path is one that `discover` gives; of linked files only those that lie below `path`."""
        root = self._root
        if path == root or not path.startswith(root.rstrip("/") + "/"):
            return path == root and not os.path.isdir(root)
        if without is not None:
            outputs = _realpath(os.path.abspath(without))  # the working directory may be another one by now
            if outputs.startswith(root.rstrip("/") + "/") and path.startswith(outputs + "/"):
                return False
        below = path[len(root) :].lstrip("/")
        return self._included(below) and not self._excluded(below) and self._reaches(below)

    def _descends(self, folder: str, without: str | None) -> bool:
        """Whether `discover` comes into this folder, a real path below the root."""
        if without is not None and (folder + "/").startswith(_realpath(os.path.abspath(without)) + "/"):
            return False
        return self._reaches(folder[len(self._root) :].lstrip("/") + "/")

    def _reaches(self, below: str) -> bool:
        """Whether no folder on the way to a path below the root is hidden or excluded."""
        if not self.hidden and "/." in "/" + below:
            return False
        return not any(self._excluded(below[: slash.end()]) for slash in re.finditer("/", below))

    def would_read(self, path: str, without: str | None = None) -> bool:
        """The same, for a file that need not exist: globs and names decide."""
        return self.holds(path, without) and not self.left_out(path)

    @property
    def tells_hidden(self) -> bool:
        """Whether hidden files and folders are items that are skipped, and so counted."""
        return False

    def left_out(self, path: str) -> str:
        """Why a file that the globs name is no input after all; "" where it is one. Called in the parent, for each."""
        return ""

    def must_be_file(self, item: Item) -> None:
        """Raise for an item that stands for a folder: the reason for which it was not listed."""
        if item.source.endswith("/"):
            os.scandir(item.source).close()
            raise ItemError("the folder could not be listed at first, now it can", remedy="run again")

    def _runs(self, without: str | None, size: int, begin: str = "") -> Iterator[tuple[str, list[Listed]]]:
        """Folder by folder from one of them on, the files in sorted runs of at most `size` names."""
        if os.path.exists(self.path) and not os.path.isdir(self.path):
            yield "", [(os.path.basename(self.path), self.path, "")]
            return
        seen: set[tuple[int, int]] = set()
        stack = [iter((begin,))]
        while stack:
            folder = next(stack[-1], None)
            if folder is None:
                stack.pop()
                continue
            path = os.path.join(self.path, folder) if folder else self.path
            try:
                if self._closed(path, without, seen, top=not folder):
                    continue
                if (yield from self._files(folder, path, size)):
                    stack.append(self._folders(folder, path))
            except OSError as error:
                if not folder:
                    raise UsageError(f"{self.path!r}: {error.strerror}", remedy="give a folder or a file") from error
                above, _, name = folder.rpartition("/")
                yield above, [(name, path + "/", "")]

    def _closed(self, path: str, without: str | None, seen: set[tuple[int, int]], *, top: bool) -> bool:
        """Whether a folder is that of the outputs, or one that a link already led into."""
        if without is None and not self.follow_symlinks:
            return False
        status = os.stat(path)
        key = (status.st_dev, status.st_ino)
        if self.follow_symlinks and key in seen:
            return True
        seen.add(key)
        try:
            return not top and without is not None and os.path.samestat(status, os.stat(without))
        except FileNotFoundError:  # no output was written yet
            return False

    def _files(self, folder: str, path: str, size: int) -> Generator[tuple[str, list[Listed]], None, bool]:
        """The runs of one folder's files; returns whether there are folders in it."""
        follow, hidden, folders = self.follow_symlinks, self.hidden, False
        included, excluded, prefix = self._included, self._excluded, folder and folder + "/"
        with os.scandir(path) as entries:
            while batch := sorted(islice(entries, size), key=_name_of):
                run = []
                for entry in batch:
                    name = entry.name
                    if name[0] == "." and not hidden:
                        if self.tells_hidden and not excluded(prefix + name):
                            run.append((name, entry.path, HIDDEN))
                    elif entry.is_dir(follow_symlinks=follow):
                        folders = True
                    elif included(prefix + name) and not excluded(prefix + name):
                        link = not follow and entry.is_symlink()
                        run.append((name, entry.path, LINK if link else self.left_out(entry.path)))
                yield folder, run
        return folders

    def _folders(self, folder: str, path: str) -> Iterator[str]:
        """The folders directly below one, sorted in runs; a second look, so that no name is kept from the first."""
        prefix = folder and folder + "/"
        with os.scandir(path) as entries:
            while batch := sorted(islice(entries, RUN), key=_name_of):
                for entry in batch:
                    if (self.hidden or entry.name[0] != ".") and entry.is_dir(follow_symlinks=self.follow_symlinks):
                        below = prefix + entry.name
                        if not self._excluded(below + "/"):
                            yield below

    @cached_property
    def _included(self) -> Callable[[str], bool]:
        return matcher(self.include) if self.include else lambda _: True

    @cached_property
    def _excluded(self) -> Callable[[str], bool]:
        return matcher(self.exclude)

    @cached_property
    def _root(self) -> str:
        return os.path.realpath(self.path)


_name_of: Callable[[os.DirEntry[str]], str] = attrgetter("name")
_realpath = lru_cache(maxsize=8)(os.path.realpath)
