"""Reads the pixels and writes nothing: what the stages before it cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline import Frame, WriteContext, Writer

PAGE_NBYTES = 4096


@dataclass(frozen=True)
class Null(Writer):
    """Sums the bytes of each frame, or one byte of each page of memory, and drops it."""

    discards: ClassVar[bool] = True

    touch: Literal["all", "page", "none"] = field(
        default="all", metadata={"doc": "which bytes are read: all, the first of every 4096, none"}
    )
    delay_us: int = field(
        default=0, metadata={"ge": 0, "unit": "us", "doc": "time to wait at each frame; makes a slow writer for tests"}
    )

    def write(self, frame: Frame, context: WriteContext) -> int:
        """Read as `touch` says and wait; returns 0."""
        self.total(frame.pixels)
        if self.delay_us:
            time.sleep(self.delay_us / 1e6)
        return 0

    def total(self, pixels: np.ndarray[Any, Any]) -> int:
        """The sum of the bytes that `touch` names, of a C-contiguous array."""
        if self.touch == "none":
            return 0
        flat = pixels.reshape(-1).view(np.uint8)
        return int((flat[::PAGE_NBYTES] if self.touch == "page" else flat).sum())
