"""A colour behind or around a picture: as samples of a Spec, and seen through what is transparent."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline import Colour, Pixels, Spec, UsageError
from stages.media.lines import blocks

# What holds white * white and half of white.
WIDE: dict[str, Any] = {"uint8": np.uint16, "uint16": np.uint32, "float32": np.float64}


def require_opaque(background: Colour) -> None:
    """Raise UsageError where the parameter `background` has an alpha of its own, which would be lost."""
    if background.alpha != 255:
        raise UsageError(f"background {background} is not opaque", remedy='write it as "#rrggbb"')


def samples(colour: Colour, spec: Spec) -> list[float]:
    """A colour as one pixel of a picture: gray is its luma by ITU-R BT.601; with alpha where the picture has it.

    Those of integers are whole numbers, rounded half up.
    """
    thousandths = [1000 * part for part in (colour.red, colour.green, colour.blue)]
    thousandths = [colour.luma] if spec.base_model == "gray" else thousandths
    thousandths += [1000 * colour.alpha] * spec.has_alpha
    if spec.dtype == "float32":
        return [level / 255_000 for level in thousandths]
    return [(level * (spec.white // 255) + 500) // 1000 for level in thousandths]


def flattened(pixels: Pixels, spec: Spec, background: Colour) -> Pixels:
    """A picture with alpha, (H, W, C) of `spec`, laid over a colour: (H, W, C - 1) in new memory."""
    out = np.empty((*spec.size, spec.channels - 1), spec.dtype)
    lay_over(pixels, spec, background, out)
    return out


def lay_over(pixels: Pixels, spec: Spec, background: Colour, out: Pixels) -> None:
    """Write C * alpha + background * (1 - alpha), the exact value rounded to the nearest, into (H, W, C - 1)."""
    white, wide, ground = spec.white, WIDE[spec.dtype], samples(background, spec)[:-1]
    half = white // 2  # 0 for floats, which are not rounded
    for lines in blocks(pixels):
        source, target = pixels[lines], out[lines]
        alpha = source[..., -1].astype(wide)
        clear = white - alpha
        if not clear.any():
            for channel in range(len(ground)):  # three times as fast as all at once, whose runs are three bytes long
                target[..., channel] = source[..., channel]
            continue
        under = {level: clear * wide(level) + wide(half) for level in set(ground)}
        for channel, level in enumerate(ground):
            mixed = source[..., channel].astype(wide)
            mixed *= alpha
            mixed += under[level]
            if half:
                np.floor_divide(mixed, wide(white), out=target[..., channel], casting="unsafe")
            else:
                target[..., channel] = mixed
