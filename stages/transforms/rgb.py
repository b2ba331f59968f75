"""YUV to RGB, by the matrix and range that the frame is tagged with; through OpenCV."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline import Frame, Pixels, Size, Spec, SpecError, Transform, load_opencv
from stages.media import colour


@dataclass(frozen=True)
class Rgb(Transform):
    """Turns YUV planes into rgb (H, W, 3) of full range; other frames pass untouched.

    Takes yuv420, yuv422 and yuv444 of uint8 and uint16 and keeps the dtype. Chroma is interpolated linearly from where
    its samples lie (of 4:2:0 and 4:2:2 on the left one of two columns, as in MPEG-2 and all codecs since), rounded
    after each axis and after the matrix: 4:4:4 is within 1 level of the exact value, 4:2:0 within 3. Rec. ITU-R
    BT.601, BT.709, BT.2020 and SMPTE 240M as tagged; the matrix stays in the Spec, so that `yuv` goes back the same
    way. The plan puts this stage in by itself before the first one that takes no YUV.

    CPU time, 1920x1080 uint8: 2.5 ms.
    """

    hdr: Literal["refuse", "keep"] = field(
        default="keep",
        metadata={
            "doc": "frames coded for HDR (PQ, HLG): keep passes their samples on, refuse fails the item; the plan"
            " refuses where pictures are written, which would look washed out"
        },
    )

    identity_when_equal: ClassVar[bool] = True
    planes: ClassVar[bool] = True
    any_colour: ClassVar[bool] = True
    keeps_extent: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {}

    def open(self) -> None:
        """Load OpenCV with one thread; raises EnvironmentRefusal where it cannot be."""
        load_opencv("rgb")

    def output_spec(self, spec: Spec) -> Spec:
        """The same picture as rgb; raises SpecError for HDR that is refused and for a matrix that is not known."""
        if spec.is_hdr and self.hdr == "refuse":
            raise SpecError(
                f"got HDR video ({spec.transfer.upper()}), and pictures for common screens are written",
                remedy="put `- rgb` and `- tone_map` first; `- rgb: {hdr: keep}` alone writes the samples as they are",
            )
        if not spec.is_yuv:
            return spec
        if spec.matrix not in colour.LUMA:
            raise SpecError(
                f"wants a matrix of {', '.join(colour.LUMA)}, got {spec.matrix}", remedy="re-encode the source"
            )
        return replace(spec.in_model("rgb"), range="full")

    def required_input(self, spec: Spec, need: Size) -> Size:
        """No more than what is wanted: each pixel is converted by itself."""
        return need

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write the picture (H, W, 3) into `out`, in the dtype of the input."""
        import cv2

        spec = frame.spec
        luma, *chroma = spec.planes(frame.pixels)
        if spec.model != "yuv444":
            chroma = [_upsampled(plane, spec) for plane in chroma]
        cv2.transform(cv2.merge((luma, *chroma)), self._matrix(spec), dst=out)

    @cached_property
    def _matrix(self) -> Callable[[Spec], Pixels]:
        return lru_cache(maxsize=16)(lambda spec: np.array(colour.to_rgb(spec), np.float32))


def _upsampled(plane: Pixels, spec: Spec) -> Pixels:
    """Chroma at every luma sample (H, W): linear; beyond the border the outermost sample goes on."""
    import cv2

    rows, columns = plane.shape
    if spec.model == "yuv420":  # rows of chroma lie midway between two of luma
        plane = cv2.resize(plane, (columns, 2 * rows), interpolation=cv2.INTER_LINEAR)[: spec.height]
    # Columns of chroma lie on the even ones of luma; the odd ones are the means of two.
    after = cv2.copyMakeBorder(plane[:, 1:], 0, 0, 0, 1, cv2.BORDER_REPLICATE) if columns > 1 else plane
    wide = cv2.merge((plane, cv2.addWeighted(plane, 0.5, after, 0.5, 0)))
    return np.asarray(wide).reshape(spec.height, 2 * columns)[:, : spec.width]
