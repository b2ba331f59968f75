"""Animations through Pillow: each frame as the whole canvas, after blending and disposal, with its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pipeline import ItemError, Picture, Pixels, Spec

if TYPE_CHECKING:
    from PIL import Image

MODES = {"gray": "L", "gray_alpha": "LA", "rgb": "RGB", "rgba": "RGBA"}


def pictures(
    image: Image.Image, spec: Spec, numbers: range, failed: Callable[[Exception], ItemError]
) -> Iterator[Picture]:
    """The frames of an opened file, all of one Spec; decoded when each is asked for, written when it is filled.

    Args:
        numbers: those of the frames as Pillow counts them.
        failed: what an error of Pillow's becomes.
    """
    for number in numbers:
        try:
            image.seek(number)
            image.load()
            shown = image if image.mode == MODES[spec.model] else image.convert(MODES[spec.model])
            duration = image.info.get("duration", 0)
        except Exception as error:  # Pillow raises what its decoders make of a file
            raise failed(error) from error
        yield Picture(spec, partial(_fill, shown), round(float(duration)))


def _fill(image: Image.Image, out: Pixels) -> None:
    pixels = np.asarray(image).reshape(image.height, image.width, -1)
    if pixels.shape != out.shape:
        raise ItemError(f"damaged: a frame of {pixels.shape}, its header says {out.shape} (H, W, C)")
    out[...] = pixels
