"""Frames that carry the number of their item and their index in their first pixel, whatever process they are in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from pipeline import NO_METADATA, Item, Metadata, Part, ReadContext, Reader, Spec, Stamp

from .harm import strike

Pixels = np.ndarray[Any, Any]
OPEN = threading.Event()  # what `waits` waits for; in the process of the parent


def say(number: int, index: int, out: Pixels) -> None:
    """Write a frame: number and index in the first pixel, a ramp from them in the others."""
    flat = out.reshape(-1)
    flat[:] = np.arange(flat.size) % 251
    flat[:3] = number % 256, index % 256, number // 256


def read_off(pixels: Pixels) -> tuple[int, int]:
    """Number of the item and index that a frame says it has."""
    first = pixels.reshape(-1)[:3].astype(int)
    return int(first[0] + 256 * first[2]), int(first[1])


@dataclass(frozen=True)
class Numbered(Reader):
    """`items` items named 000, 001 and on; of `frames` frames each where that is above 1, as streams if told so."""

    items: int = 6
    frames: int = 1
    streamed: bool = False
    height: int = 6
    width: int = 8
    how: str = ""
    at: list[int] = field(default_factory=list)
    index: int = 0
    times: int = -1
    marker: str = ""
    icc_nbytes: int = 0
    waits: bool = False
    pause_s: float = 0.0

    @property
    def streams(self) -> bool:  # type: ignore[override]
        return self.streamed

    @property
    def many(self) -> bool:
        return not self.streamed and self.frames > 1

    def stamp(self, item: Item) -> Stamp:
        """The parameters say it all."""
        return Stamp(0, 0)

    def discover(self, without: str | None = None) -> Iterator[Item]:
        if self.waits:
            assert OPEN.wait(60)
        for number in range(self.items):
            if self.pause_s and number == self.items - 1:
                threading.Event().wait(self.pause_s)
            yield Item(number, f"numbered:{number:03d}", "", f"{number:03d}")

    def read(self, item: Item, context: ReadContext) -> Iterator[Part]:
        for index in range(self.frames):
            if self.how and item.number in self.at and index == self.index:
                strike(self.how, f"{self.marker}.{item.number}", self.times)
            metadata = Metadata(icc=bytes(self.icc_nbytes)) if self.icc_nbytes else NO_METADATA
            yield Part(Spec(self.height, self.width), partial(say, item.number, index), metadata, pts=7 * index)
