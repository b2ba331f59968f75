"""Takes noise out of the picture and keeps its edges, through OpenCV."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline import Frame, Pixels, Spec, SpecError, Transform, load_opencv


@dataclass(frozen=True)
class Denoise(Transform):
    """Means over pixels that are alike: `bilateral` over near ones, `nlmeans` over those with like surroundings.

    Takes gray and rgb, with and without alpha (H, W, C); `bilateral` uint8, uint16 (computed in float32) and float32,
    `nlmeans` uint8. The Spec is unchanged, alpha is kept as it is, and colours that it hides count. Beyond the border
    the picture goes on as its mirror image, the outermost pixel not repeated.

    `bilateral` is 7 pixels wide with a spatial sigma of 1.8 and a range sigma of twice the noise (Zhang, Gunturk 2008,
    Multiresolution bilateral filtering for image denoising, section II); `nlmeans` compares patches of 7x7 within 21x21
    (Buades, Coll, Morel 2005) on all channels at once, with h equal to the noise.

    CPU time, 1008x756 RGB uint8: bilateral 44 ms, nlmeans 1870 ms.
    """

    strength: float = field(
        default=5.0,
        metadata={
            "gt": 0, "le": 100, "unit": "levels",
            "doc": "standard deviation of the noise in one channel, in levels of 8 bits; more takes texture out too",
        },
    )  # fmt: skip
    method: Literal["bilateral", "nlmeans"] = field(
        default="bilateral",
        metadata={"doc": "bilateral: to a third or a quarter of the noise; nlmeans: to a tenth, far slower"},
    )

    any_colour: ClassVar[bool] = False  # strength says which levels are alike, and levels are those of sRGB
    keeps_extent: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"strength": 5.0}

    def open(self) -> None:
        """Load OpenCV with one thread; raises EnvironmentRefusal where it cannot be."""
        load_opencv("denoise")

    def output_spec(self, spec: Spec) -> Spec:
        """The same; raises SpecError for other colour models, and `nlmeans` beyond 8 bits."""
        spec.require_picture()
        if self.method == "nlmeans" and spec.dtype != "uint8":
            raise SpecError(
                f"nlmeans wants dtype uint8, got {spec.dtype}", remedy="convert before this stage, or use bilateral"
            )
        return spec

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write the denoised picture into `out`, in the dtype of the input."""
        pixels, spec = frame.pixels, frame.spec
        # OpenCV takes colours that lie close together, and no 16 bits.
        source = np.ascontiguousarray(pixels[:, :, :-1]) if spec.has_alpha else pixels
        source = source.astype(np.float32) if spec.dtype == "uint16" else source
        if source is pixels:
            self._filter(source, spec.white, out)
            return
        self._filter(source, spec.white, clean := np.empty_like(source))
        out[:, :, : clean.shape[2]] = np.rint(clean, out=clean) if spec.dtype == "uint16" else clean
        if spec.has_alpha:
            out[:, :, -1] = pixels[:, :, -1]

    def _filter(self, pixels: Pixels, white: int, out: Pixels) -> None:
        import cv2

        source, target = (each[:, :, 0] if each.shape[2] == 1 else each for each in (pixels, out))
        if self.method == "nlmeans":
            result = cv2.fastNlMeansDenoising(source, target, self.strength, 7, 21)
        else:
            # OpenCV adds up the differences of the channels; times their number, neutral rgb comes out as gray does.
            like = 2 * self.strength * white / 255 * pixels.shape[2]
            result = cv2.bilateralFilter(source, 7, like, 1.8, dst=target)
        if not np.shares_memory(result, target):  # OpenCV takes memory of its own for a dst that does not suit it
            target[...] = result
