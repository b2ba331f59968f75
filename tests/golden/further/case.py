"""What a case is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Reader = Callable[[bytes, str], Array]


@dataclass(frozen=True)
class Case:
    """A small file of one kind, and the two programs whose pictures of it must agree.

    readers: (data, name) -> (H, W, 4) uint8, upright and in sRGB. No reader: it must be refused, and `why` says so.
    within: levels on average, over white. truth: what was written, where that is known; (H, W, C) uint8.
    """

    name: str
    kind: str
    why: str
    data: bytes
    readers: tuple[Reader, ...] = ()
    within: float = 1.5
    truth: Array | None = None
