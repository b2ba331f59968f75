"""The contract of reducers: one result of the frames of all items, as map and reduce make it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from .frame import Frame
from .stage import Stage

Partial = Any  # None, bool, int, float, str, bytes, arrays of numbers, and lists and dicts (keys are text) of these


class Reducer(Stage):
    """A step from all frames to files about the whole set. It has a field `path`, the folder of these files.

    `map` runs in the workers of the last group, on every frame that leaves the chain. What it returns is kept in the
    journal with the item, so a run that goes on maps nothing twice. When all items have ended, one process merges what
    was kept of those that are done, in item order, and calls `finish`.

    `merge` is associative: any neighbours may be merged first. Sums that must not depend on that are kept as whole
    numbers.

    Class constants:
        asks_digest: `map` asks for `frame.sha256` and `frame.source_nbytes`, of the file that the frame was read from.
        commutative: `merge` takes partials in any order with the same result; else in item order only.
    """

    asks_digest: ClassVar[bool] = False
    commutative: ClassVar[bool] = False
    path: str

    @property
    def folder(self) -> str:
        """The folder of the results."""
        return self.path

    def map(self, frame: Frame) -> Partial:
        """What the result needs of one frame; None for nothing. `frame.pixels` is read-only.

        Arrays come back from the journal as they are, tuples as lists.

        Raises:
            ItemError: the item fails with that reason. Skip: it is left out.
        """
        raise NotImplementedError

    def merge(self, total: Partial, partial: Partial) -> Partial:
        """Both in one; `total` stands before `partial` in item order, and may be written to and returned."""
        raise NotImplementedError

    def finish(self, total: Partial) -> Iterator[tuple[str, bytes]]:
        """The files of the result: name below `path`, and bytes. Not called where no frame gave anything."""
        raise NotImplementedError
