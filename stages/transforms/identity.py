"""The step that does nothing: what one group costs, and a place to look at frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipeline import Frame, Pixels, Transform


@dataclass(frozen=True)
class Identity(Transform):
    """Hands each frame on in the memory it lies in; the Spec is unchanged and no byte is copied."""

    inspect: ClassVar[bool] = True
    any_colour: ClassVar[bool] = True
    planes: ClassVar[bool] = True

    def process(self, frame: Frame, out: Pixels) -> None:
        """Nothing; `out` is not written."""
