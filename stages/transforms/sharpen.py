"""Sharpens by an unsharp mask, through OpenCV."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from pipeline import Frame, Pixels, Spec, Transform, load_opencv


@dataclass(frozen=True)
class Sharpen(Transform):
    """Adds `amount` times the difference to a Gaussian blur, channel by channel; the Spec is unchanged.

    Takes uint8, uint16 and float32 of gray and rgb, with and without alpha (H, W, C). Whole numbers are cut to their
    range; float32 is not and may leave 0 to 1. Alpha is kept as it is, and colours that it hides cast no halo. Beyond
    the border the picture goes on as its mirror image. Usually after the last resize, with a sigma of 0.5 to 1.

    CPU time, 1008x756 RGB uint8: 2.5 ms, with a threshold 7.9 (RGBA with transparency 15 and 21).
    """

    sigma: float = field(
        default=1.0, metadata={"gt": 0, "le": 100, "unit": "px", "doc": "of the blur: about the width of a halo"}
    )
    amount: float = field(default=1.0, metadata={"gt": 0, "le": 10, "doc": "share of the difference that is added"})
    threshold: float = field(
        default=0.0,
        metadata={"ge": 0, "le": 255, "unit": "levels", "doc": "differences up to this, of 255, are left (noise)"},
    )

    any_colour: ClassVar[bool] = False  # amount and threshold are meant for differences on the tone curve of sRGB
    keeps_extent: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"sigma": 1.0, "amount": 0.5}

    def open(self) -> None:
        """Load OpenCV with one thread; raises EnvironmentRefusal where it cannot be."""
        load_opencv("sharpen")

    def output_spec(self, spec: Spec) -> Spec:
        """The same; raises SpecError for other colour models."""
        return spec.require_picture()

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write the sharpened picture into `out`, in the dtype of the input."""
        import cv2

        pixels, white = frame.pixels, frame.spec.white
        if frame.spec.has_alpha and pixels[:, :, -1].min() < white:
            low = self._weighed(pixels, white)
        else:
            low = self._blurred(pixels)
        source, target = (each[:, :, 0] if each.shape[2] == 1 else each for each in (pixels, out))
        low = low.reshape(target.shape)
        result = cv2.addWeighted(source, 1 + self.amount, low, -self.amount, 0, dst=target)
        if not np.shares_memory(result, target):  # OpenCV takes memory of its own for a dst that does not suit it
            target[...] = result
        if self.threshold:
            np.copyto(target, source, where=cv2.absdiff(source, low) <= self.threshold * white / 255)
        if frame.spec.has_alpha:
            out[:, :, -1] = pixels[:, :, -1]

    def _blurred(self, pixels: Pixels) -> Pixels:
        import cv2

        return cv2.GaussianBlur(pixels, (0, 0), self.sigma, borderType=cv2.BORDER_REFLECT_101)

    def _weighed(self, pixels: Pixels, white: int) -> Pixels:
        """The blur in which pixels weigh by their alpha; where nothing is seen at all, the pixels themselves."""
        alpha, low = pixels[:, :, -1].astype(np.float32), pixels.copy()
        weight = self._blurred(alpha)
        seen = weight > white * 2**-20
        for place in range(pixels.shape[2] - 1):  # a plane at a time: numpy is slow with rows of three
            colour = self._blurred(pixels[:, :, place] * alpha)
            np.divide(colour, weight, out=colour, where=seen)
            np.copyto(low[:, :, place], colour if white == 1 else np.rint(colour, out=colour), "unsafe", where=seen)
        return low
