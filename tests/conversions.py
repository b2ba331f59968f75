"""One stage on one frame, and the exact levels of YUV: what tests of conversions share."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline import Frame, Item, Spec

PATCHES = np.array(
    [[200, 30, 60], [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [128, 128, 128], [12, 200, 190]]
)


SHARES = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}


def run(stage: Any, spec: Spec, pixels: np.ndarray) -> tuple[Spec, np.ndarray]:
    """What a stage makes of a frame."""
    stage.open()
    out_spec = stage.output_spec(spec)
    if out_spec == spec and stage.identity_when_equal:
        return spec, pixels
    out = np.zeros(out_spec.shape, out_spec.dtype)
    pixels.flags.writeable = False
    stage.process(Frame(Item(0, "a"), 0, spec, pixels), out)
    return out_spec, out


def exact(rgb: np.ndarray, matrix: str, range_: str) -> np.ndarray:
    """Y, U, V of (..., 3) levels of 8 bits, not rounded: BT.709-6, 3.2 and 3.4, and their like."""
    red, blue = SHARES[matrix]
    r, g, b = (rgb[..., n] / 255 for n in range(3))
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red))
    if range_ == "limited":
        return np.stack([16 + 219 * y, 128 + 224 * u, 128 + 224 * v], -1)
    return np.stack([255 * y, 128 + 255 * u, 128 + 255 * v], -1)
