"""An output of every format and depth, as Pillow, OpenCV and libvips open it: the same pixels within its loss."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from components import make, of_kind
from pictures import encoded
from PIL import Image

from pipeline import Codec
from stages.media import vips

Array = np.ndarray[Any, Any]
CHANNELS = {"gray": 1, "gray_alpha": 2, "rgb": 3, "rgba": 4}
LOSS = {"jpg": 3.0, "webp": 3.0, "avif": 3.0, "gif": 16.0}  # levels on average, on a smooth picture; else none
# What a program cannot do with any file of the kind, whoever wrote it.
CANNOT = {
    ("by_libvips", "bmp"): "its wheel has no loader",
    ("by_libvips", "ppm"): "its wheel has no loader",
    ("by_opencv", "tif-rgba-uint8"): "multiplies colours by straight alpha, at 8 bits only",
    ("by_opencv", "tif-gray_alpha-uint8"): "multiplies colours by straight alpha, at 8 bits only",
    ("by_opencv", "tif-gray_alpha-uint16"): "takes no two channels",
    ("by_pillow", "tif-gray_alpha-uint16"): "has no mode for it",
}


def picture(channels: int, dtype: str) -> Array:
    """Smooth, with alpha that is never 0 (what is hidden need not come back)."""
    y, x = np.mgrid[0:48, 0:64]
    planes = [128 + 90 * np.sin(x / (9 + k) + y / 11) for k in range(3)]
    alpha = np.where(x < 32, 255, 128)
    chosen = {1: planes[:1], 2: [planes[0], alpha], 3: planes, 4: [*planes, alpha]}[channels]
    eight = np.stack(chosen, -1).astype(np.uint8)
    return eight if dtype == "uint8" else eight.astype(np.uint16) * 257


def in_rgba(pixels: Array) -> Array:
    """(H, W, 4) as numbers from 0 to 255."""
    values = pixels.astype(float) / (257 if pixels.dtype == np.uint16 else 1)
    values = values[..., None] if values.ndim == 2 else values
    opaque = np.full((*values.shape[:2], 1), 255.0)
    colour = values[..., [0, 0, 0]] if values.shape[2] < 3 else values[..., :3]
    alpha = values[..., -1:] if values.shape[2] in (2, 4) else opaque
    return np.concatenate([colour, alpha], -1)


def by_pillow(data: bytes) -> Array:
    with Image.open(io.BytesIO(data)) as image:
        if image.mode in ("P", "1"):
            image = image.convert("RGBA")
        return np.asarray(image).astype(np.uint16 if image.mode.startswith("I") else np.uint8)


def by_opencv(data: bytes) -> Array:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None, "OpenCV cannot open it"
    if pixels.ndim == 2:
        return pixels
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def by_libvips(data: bytes) -> Array:
    return vips.array_of(vips.library().Image.new_from_buffer(data, "", fail_on="warning"))


CASES = [
    pytest.param(codec, model, dtype, program, id=f"{name}-{program.__name__}")
    for codec in (make(cls) for cls in of_kind(Codec))
    if codec.extensions
    for model in codec.models
    for dtype in codec.dtypes
    for program in (by_pillow, by_opencv, by_libvips)
    for name in (f"{codec.extensions[0]}-{model}-{dtype}",)
    if not {(program.__name__, name), (program.__name__, codec.extensions[0])} & CANNOT.keys()
]


@pytest.mark.parametrize(("codec", "model", "dtype", "program"), CASES)
def test_other_programs_see_the_same(codec: Codec, model: str, dtype: str, program: Callable[[bytes], Array]) -> None:
    pixels = picture(CHANNELS[model], dtype)
    seen, wanted = in_rgba(program(encoded(codec, pixels))), in_rgba(pixels)
    if not np.ptp(seen[..., 3]) and np.ptp(wanted[..., 3]):  # a format without alpha: flattened over white
        share = wanted[..., 3:] / 255
        wanted = np.concatenate([wanted[..., :3] * share + 255 * (1 - share), np.full_like(share, 255)], -1)
    assert seen.shape == wanted.shape
    assert np.abs(seen - wanted).mean() <= LOSS.get(codec.extensions[0], 0.5)
