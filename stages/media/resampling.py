"""cykooz.resizer (SIMD convolution) as stages use it: a box of an array in, its picture at another size out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline import Pixels, Size

FILTERS = {"linear": "bilinear", "cubic": "catmull_rom", "mitchell": "mitchell", "lanczos3": "lanczos3", "area": "box"}
TYPES = {"uint8": "U8", "uint16": "U16", "float32": "F32"}
Box = tuple[float, float, float, float]  # left, top, width, height; in pixels, fractional


class Resampling(NamedTuple):
    """The library's objects for arrays of one dtype, number of channels and box; made once, used for many frames."""

    kind: Any
    options: Any


class Resampler:
    """A resizer with its memory, for one kernel: "nearest" or one of FILTERS. Loads the library; used in a worker."""

    def __init__(self, kernel: str) -> None:
        from cykooz_resizer import FilterType, ImageData, ResizeAlg, Resizer

        name = FILTERS.get(kernel)
        self._method = ResizeAlg.convolution(FilterType[name]) if name else ResizeAlg.nearest()
        self._image, self._resizer = ImageData, Resizer()

    def prepare(self, dtype: str, channels: int, box: Box, *, weigh_alpha: bool = False) -> Resampling:
        """What `resample` needs for such arrays; with `weigh_alpha` pixels weigh by their last channel."""
        from cykooz_resizer import CropBox, PixelType, ResizeOptions

        kind = PixelType[TYPES[dtype] + (f"x{channels}" if channels > 1 else "")]
        return Resampling(kind, ResizeOptions(self._method, use_alpha=weigh_alpha, crop_box=CropBox(*box)))

    def resample(self, pixels: Pixels, size: Size, prepared: Resampling) -> Pixels:
        """The box of (h, w) or (h, w, C) pixels at a size, in their dtype; a read-only view of new memory."""
        height, width = pixels.shape[:2]
        result = self._image(size.width, size.height, prepared.kind)
        # The library takes and gives bytes only, and copies them once more into memory of its own.
        self._resizer.resize(self._image(width, height, prepared.kind, pixels.tobytes()), result, prepared.options)
        return np.frombuffer(result.get_buffer(), pixels.dtype).reshape(*size, *pixels.shape[2:])
