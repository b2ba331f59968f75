"""Stages with bugs, and stages that print."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline import Frame, Size, Spec, Transform

from .harm import strike
from .numbered import read_off

Pixels = np.ndarray[Any, Any]


def element(pixels: Pixels, place: int) -> int:
    """What a stage calls that has the wrong number."""
    return int(pixels.reshape(-1)[place])


@dataclass(frozen=True)
class Buggy(Transform):
    """Reads behind the end of its input."""

    def process(self, frame: Frame, out: Pixels) -> None:
        out[...] = element(frame.pixels, 10**9)


@dataclass(frozen=True)
class Asked(Transform):
    """Does harm when it is asked for its Spec, or for the input that it requires."""

    how: str
    marker: str
    what: str = "output_spec"

    def output_spec(self, spec: Spec) -> Spec:
        if self.what == "output_spec":
            strike(self.how, self.marker)
        return spec

    def required_input(self, spec: Spec, need: Size) -> Size:
        if self.what == "required_input":
            strike(self.how, self.marker)
        return need

    def process(self, frame: Frame, out: Pixels) -> None:
        out[...] = frame.pixels


@dataclass(frozen=True)
class Talks(Transform):
    """Prints some lines for each frame, in each way there is."""

    lines: int = 1
    loud: bool = False

    def process(self, frame: Frame, out: Pixels) -> None:
        number = read_off(frame.pixels)[0]
        for line in range(self.lines):
            print(f"frame {number} line {line}")
        if self.loud and not number:
            warnings.warn("take care", stacklevel=1)
            os.write(2, b"a library says this\n")
        out[...] = frame.pixels
