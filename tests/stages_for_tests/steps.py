"""Transforms: harmful, slow, expanding, in place, and wrong ones."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline import Frame, ItemError, Part, Skip, Spec, Transform

from .harm import note, strike
from .numbered import read_off

Pixels = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Harm(Transform):
    """Hands frames on, and does harm at the items `at` (all if empty), at frame `index` of each (all if negative)."""

    how: str = ""
    at: list[int] = field(default_factory=list)
    index: int = -1
    times: int = -1
    marker: str = ""

    def process(self, frame: Frame, out: Pixels) -> None:
        number, index = read_off(frame.pixels)
        if self.how and (not self.at or number in self.at) and self.index in (-1, index):
            strike(self.how, f"{self.marker}.{number}", self.times)
        out[...] = frame.pixels


@dataclass(frozen=True)
class HarmFilm(Transform):
    """Hands frames of video on in planes, and does harm at frame `index`."""

    how: str = ""
    index: int = -1
    times: int = -1
    marker: str = ""

    planes: ClassVar[bool] = True
    any_colour: ClassVar[bool] = True

    def process(self, frame: Frame, out: Pixels) -> None:
        if self.how and frame.index == self.index:
            strike(self.how, f"{self.marker}.{frame.index}", self.times)
        out[...] = frame.pixels


@dataclass(frozen=True)
class Unready(Transform):
    """Fails when it is opened."""

    how: str = "value"
    marker: str = ""

    def open(self) -> None:
        strike(self.how, self.marker)

    def process(self, frame: Frame, out: Pixels) -> None:
        out[...] = frame.pixels


@dataclass(frozen=True)
class Pause(Transform):
    """Takes its time."""

    ms: int = 1

    def process(self, frame: Frame, out: Pixels) -> None:
        time.sleep(self.ms / 1000)
        out[...] = frame.pixels


@dataclass(frozen=True)
class Gate(Transform):
    """Says that it began, by a file, and waits at its first frames until another file is there."""

    began: str
    go: str

    def process(self, frame: Frame, out: Pixels) -> None:
        if not os.path.exists(self.go):
            note(self.began)
            deadline = time.monotonic() + 60
            while not os.path.exists(self.go) and time.monotonic() < deadline:
                time.sleep(0.01)
        out[...] = frame.pixels


@dataclass(frozen=True)
class Tiles(Transform):
    """Cuts a picture into tiles of `side` pixels, the last ones smaller; drops pictures narrower than `least`."""

    side: int = 4
    most: int = 16
    least: int = 1
    growing: bool = False
    how: str = ""
    at: list[int] = field(default_factory=list)
    times: int = -1
    marker: str = ""

    def output_spec(self, spec: Spec) -> Spec:
        return spec.resized(min(self.side, spec.height), min(self.side, spec.width))

    def expands(self, spec: Spec) -> int:
        return self.most

    def expand(self, frame: Frame) -> Iterator[Part]:
        spec, side = frame.spec, self.side
        if spec.width < self.least:
            raise Skip("too narrow")
        places = [(y, x) for y in range(0, spec.height, side) for x in range(0, spec.width, side)]
        for count, (y, x) in enumerate(reversed(places) if self.growing else places):
            if self.how and count == 1 and read_off(frame.pixels)[0] in self.at:
                strike(self.how, f"{self.marker}.{read_off(frame.pixels)[0]}", self.times)
            tile = frame.pixels[y : y + side, x : x + side]
            yield Part(spec.resized(*tile.shape[:2]), partial(np.copyto, src=tile))


@dataclass(frozen=True)
class Halves(Transform):
    """The left and the right half of a picture; a picture of one column is one half."""

    def expands(self, spec: Spec) -> int:
        return 2

    def output_spec(self, spec: Spec) -> Spec:
        return spec.resized(spec.height, -(-spec.width // 2))

    def expand(self, frame: Frame) -> Iterator[Part]:
        middle = -(-frame.spec.width // 2)
        for half in (frame.pixels[:, :middle], frame.pixels[:, middle:]):
            if half.shape[1]:
                yield Part(frame.spec.resized(*half.shape[:2]), partial(np.copyto, src=half))


@dataclass(frozen=True)
class Invert(Transform):
    """Turns the picture into its negative, one half after the other."""

    how: str = ""
    at: list[int] = field(default_factory=list)
    times: int = -1
    marker: str = ""

    def process(self, frame: Frame, out: Pixels) -> None:
        number = read_off(frame.pixels)[0]
        half = frame.spec.height // 2
        np.subtract(255, frame.pixels[:half], out=out[:half])
        if self.how and number in self.at:
            strike(self.how, f"{self.marker}.{number}", self.times)
        np.subtract(255, frame.pixels[half:], out=out[half:])


@dataclass(frozen=True)
class Wrong(Transform):
    """Announces one thing and does another."""

    what: str

    def output_spec(self, spec: Spec) -> Any:
        return None if self.what == "no spec" else spec

    def process(self, frame: Frame, out: Pixels) -> None:
        if self.what == "input":
            frame.pixels[...] = 0
        elif self.what == "shape":
            out[...] = np.zeros((1, 2, 3, 4))
        elif self.what == "too long":
            raise ItemError("x" * 100_000)
        elif self.what == "no text":
            raise ItemError("a lone surrogate: \ud800")
        out[...] = frame.pixels


@dataclass(frozen=True)
class Cores(Transform):
    """Writes down on which cores its worker may run; looks only."""

    folder: str

    inspect: ClassVar[bool] = True

    def process(self, frame: Frame, out: Pixels) -> None:
        lines = [
            line.split()[1]
            for status in Path("/proc/self/task").glob("*/status")
            for line in status.read_text().splitlines()
            if line.startswith("Cpus_allowed_list:")
        ]
        Path(self.folder, str(os.getpid())).write_text("\n".join(lines))
