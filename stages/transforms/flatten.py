"""Replaces transparency by a background colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pipeline import Colour, Frame, Pixels, Size, Spec, Transform
from stages.media.background import lay_over, require_opaque


@dataclass(frozen=True)
class Flatten(Transform):
    """Lays the picture over `background`: rgba becomes rgb, gray_alpha becomes gray; others pass untouched.

    Takes every dtype (H, W, C) with straight alpha last, from 0 to 255, 65535 or 1.0, and keeps the dtype. The result
    is C * alpha + background * (1 - alpha), the exact value rounded to the nearest. Gray pictures lie over the luma of
    the background, ITU-R BT.601.

    CPU time, 1008x756 RGBA uint8: 3.3 ms, and 1.5 ms where all is opaque; uint16 4.9 ms, float32 6.9 ms.
    """

    background: Colour = field(default=Colour(255, 255, 255), metadata={"doc": "under what is transparent; opaque"})

    identity_when_equal: ClassVar[bool] = True
    planes: ClassVar[bool] = True  # YUV has no alpha, and passes
    keeps_extent: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"background": "#ffffff"}

    def __post_init__(self) -> None:
        require_opaque(self.background)

    def output_spec(self, spec: Spec) -> Spec:
        """The Spec without alpha."""
        return spec.in_model(spec.base_model) if spec.has_alpha else spec

    def required_input(self, spec: Spec, need: Size) -> Size:
        """`need`: each pixel comes from one, and averages weighed by alpha may be taken before as well as after."""
        return need

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write the opaque picture into `out`; the input is not touched."""
        lay_over(frame.pixels, frame.spec, self.background, out)
