"""Reads the pictures that a list of paths names: a file, or what another program writes to standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from pipeline import Item, Part, ReadContext, Reader, UsageError

BLOCK = 1 << 16
CHUNK = 512  # lines between two answers of `count`


@dataclass(frozen=True)
class List(Reader):
    """One frame for each path, in the order of the list; blank lines are left out, nothing is unquoted or trimmed.

    Paths are relative to the working directory. `{dir}` of an output is the path's folder below `base`; without
    `base` it is the folder as it is written, with "/", "." and ".." taken off its front and resolved within it, so
    that `a/b.jpg`, `/a/b.jpg` and `../a/b.jpg` all go to `a` (two such lines collide and the second fails).
    """

    path: str = field(metadata={"doc": 'a file with one path a line; "-" is standard input'})
    null: bool = field(default=False, metadata={"doc": "paths end in NUL and not in a line feed, as of `find -print0`"})
    base: str | None = field(default=None, metadata={"doc": "folder that {dir} is relative to; paths outside it fail"})
