"""The codec calls of the thumbnail job, written out by hand: what the Pool peers do to one file.

They are the very calls the `jpeg` codec and the `resize` stage of `pipeline` make, so that a difference in time is a
difference of the engines and not of the libraries.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import simplejpeg
from cykooz_resizer import CropBox, FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer

QUALITY = 85
REDUCING_GAP = 2
_RESIZER = Resizer()


def fit_inside(width: int, height: int, *, size: int) -> tuple[int, int]:
    """Width and height of the largest picture of this shape in a `size` square, rounded half up, at least 1."""
    scale = min(size / width, size / height)
    return max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5))


@lru_cache(maxsize=1024)
def _options(width: int, height: int, eighths: int) -> ResizeOptions:
    box = CropBox(0, 0, width * eighths / 8, height * eighths / 8)
    return ResizeOptions(resize_alg=ResizeAlg.convolution(FilterType.lanczos3), crop_box=box)


def thumbnail(data: bytes, *, size: int) -> np.ndarray:
    """Decode at the smallest M/8 that leaves the gap, then Lanczos: (H, W, 3) uint8.

    The crop box is fractional: libjpeg rounds a scaled size up, and the last row and column then stand for fewer
    pixels of the source.
    """
    height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    out_width, out_height = fit_inside(width, height, size=size)
    decoded = simplejpeg.decode_jpeg(
        data, "RGB", min_height=REDUCING_GAP * out_height, min_width=REDUCING_GAP * out_width
    )
    source = ImageData(decoded.shape[1], decoded.shape[0], PixelType.U8x3, decoded.tobytes())
    target = ImageData(out_width, out_height, PixelType.U8x3)
    _RESIZER.resize(source, target, _options(width, height, _eighths(width, decoded.shape[1])))
    return np.frombuffer(target.rust_image.buffer(), np.uint8).reshape(out_height, out_width, 3)


def _eighths(full: int, scaled: int) -> int:
    """The M of the M/8 that took `full` pixels to `scaled`."""
    return next(m for m in range(1, 17) if -(-full * m // 8) == scaled)


def encode(pixels: np.ndarray) -> bytes:
    data: bytes = simplejpeg.encode_jpeg(pixels, quality=QUALITY, colorspace="RGB", colorsubsampling="420")
    return data
