"""Leaves out pictures that are blurred."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from pipeline import Frame, Pixels, Skip, Transform, load_opencv


@dataclass(frozen=True)
class FilterSharpness(Transform):
    """Skips frames whose luma's Laplacian has a variance below `min`; the others go on untouched.

    The measure is that of Pech-Pacheco et al. 2000 (Diatom autofocusing in brightfield microscopy: a comparative study,
    ICPR 15), with the kernel 0 1 0, 1 -4 1, 0 1 0 and luma by ITU-R BT.601 on a scale of 0 to 255 for every dtype: the
    numbers are those of `cv2.Laplacian(gray, cv2.CV_64F).var()`. Takes gray and rgb, with and without alpha (H, W, C);
    alpha is not looked at, so hidden colours count.

    It measures the pixels it is given, and a picture made smaller is sharper: compare pictures of one size, so place it
    after a `resize`. Before one, a decoder that shrinks on load decides what is seen, for this stage asks for no pixels
    of its own (one that only looks never does); `reducing_gap: null` in that resize makes it see all of them.

    CPU time, 1008x756 RGB uint8: 2.3 ms.
    """

    min: float = field(metadata={"gt": 0, "doc": "least variance, in squared levels of 8 bits; 100 is a usual start"})

    inspect: ClassVar[bool] = True
    any_colour: ClassVar[bool] = False  # inks have no luma, and `min` is a number of levels on the tone curve of sRGB
    example: ClassVar[Mapping[str, Any]] = {"min": 100.0}

    def open(self) -> None:
        """Load OpenCV with one thread; raises EnvironmentRefusal where it cannot be."""
        load_opencv("filter_sharpness")

    def process(self, frame: Frame, out: Pixels) -> None:
        """Nothing; `out` is not written.

        Raises:
            Skip: blurred; says how much. SpecError: a colour model without luma.
        """
        spec = frame.spec.require_picture()
        found = self.variance(frame.pixels, spec.white)
        if not found >= self.min:  # not a number is no sharpness either
            raise Skip(f"blurred: the variance of its Laplacian is {found:.1f}, below min {self.min:g}")

    def variance(self, pixels: Pixels, white: int) -> float:
        """Of the Laplacian of (H, W, C) pixels, in squared levels of 8 bits. Pure."""
        import cv2

        if pixels.shape[2] < 3:
            luma = np.ascontiguousarray(pixels[:, :, 0])
        else:
            luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY if pixels.shape[2] == 3 else cv2.COLOR_RGBA2GRAY)
        deviation = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_32F))[1][0, 0]
        return float(deviation * 255 / white) ** 2
