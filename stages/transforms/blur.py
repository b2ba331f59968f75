"""Blurs with a Gaussian, a box or a median window, through OpenCV."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline import Frame, Pixels, Spec, SpecError, Transform, UsageError, load_opencv


@dataclass(frozen=True)
class Blur(Transform):
    """Mixes every pixel with those around it; the Spec is unchanged.

    Takes uint8, uint16 and float32 of 1 to 4 channels (H, W, C). Where a picture has transparency, pixels weigh by
    their alpha (in float32), so that hidden colours do not show; what becomes wholly transparent becomes black. Beyond
    the border the picture goes on as its mirror image, the outermost pixel not repeated (`median`: repeated). `box` and
    `median` look at the square of odd width w whose (w^2 - 1) / 12, the variance of a box, is nearest to sigma^2.

    CPU time, 1008x756 RGB uint8: gaussian 1.9 ms with a sigma of 1, 3.3 with 2, 26 with 10 (RGBA with transparency 14,
    19 and 89); box 1.9 with any; median 0.4 with 1 and 47 with 5.
    """

    sigma: float = field(
        metadata={"gt": 0, "le": 100, "unit": "px", "doc": "standard deviation, after the stages before it"}
    )
    kind: Literal["gaussian", "box", "median"] = field(
        default="gaussian",
        metadata={
            "doc": "box: rough, as fast for every sigma; median: takes specks out and keeps edges, without alpha, and"
            " beyond 8 bits for a sigma below 1.7 only"
        },
    )

    any_colour: ClassVar[bool] = True  # a mean of neighbours is one of theirs in every colour space
    keeps_extent: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"sigma": 2.0}

    def __post_init__(self) -> None:
        if self.kind == "median" and self.width > 255:
            raise UsageError(f"a median of sigma {self.sigma:g} is too wide", limit="sigma at most 73")

    def open(self) -> None:
        """Load OpenCV with one thread; raises EnvironmentRefusal where it cannot be."""
        load_opencv("blur")

    def output_spec(self, spec: Spec) -> Spec:
        """The same; raises SpecError for planes, for more than 4 channels, and for what a median cannot do."""
        spec.require_channels(4)
        if self.kind == "median":
            if spec.has_alpha or spec.channels == 2:
                raise SpecError(f"a median wants 1, 3 or 4 channels without alpha, got {spec}", remedy="flatten first")
            if spec.dtype != "uint8" and self.width > 5:
                raise SpecError(
                    f"a median of sigma {self.sigma:g} wants dtype uint8, got {spec.dtype}",
                    limit="sigma below 1.7 for others",
                    remedy="convert before this stage, or reduce sigma",
                )
        return spec

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write the blurred picture into `out`, in the dtype of the input."""
        pixels, white = frame.pixels, frame.spec.white
        if frame.spec.has_alpha and pixels[:, :, -1].min() < white:
            self._weighed(pixels, white, out)
        elif frame.spec.channels == 1:
            self._filter(pixels[:, :, 0], out[:, :, 0])
        else:
            self._filter(pixels, out)

    @property
    def width(self) -> int:
        """Of the window of `box` and `median`, in pixels; odd, at least 3."""
        return 2 * max(1, round((math.sqrt(12 * self.sigma**2 + 1) - 1) / 2)) + 1

    def _weighed(self, pixels: Pixels, white: int, out: Pixels) -> None:
        """Blur colour times alpha, and alpha, then divide (Porter, Duff 1984: premultiplied colour)."""
        alpha = pixels[:, :, -1].astype(np.float32)
        self._filter(alpha, weight := np.empty_like(alpha))
        weight[weight < white * 2**-20] = 0  # what rounding leaves of nothing
        divisor, whole = np.where(weight > 0, weight, np.inf), out.dtype != np.float32
        for place in range(pixels.shape[2] - 1):  # a plane at a time: numpy is slow with rows of three
            self._filter(pixels[:, :, place] * alpha, colour := np.empty_like(alpha))
            colour /= divisor
            out[:, :, place] = np.rint(colour, out=colour) if whole else colour
        out[:, :, -1] = np.rint(weight) if whole else weight

    def _filter(self, source: Pixels, target: Pixels) -> None:
        import cv2

        size, border = (self.width, self.width), cv2.BORDER_REFLECT_101
        if self.kind == "gaussian":
            result = cv2.GaussianBlur(source, (0, 0), self.sigma, dst=target, borderType=border)
        elif self.kind == "box":
            result = cv2.blur(source, size, dst=target, borderType=border)
        else:
            result = cv2.medianBlur(source, self.width, dst=target)
        if not np.shares_memory(result, target):  # OpenCV takes memory of its own for a dst that does not suit it
            target[...] = result
