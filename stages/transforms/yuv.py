"""RGB to YUV, and YUV to coarser chroma, even sizes and 8 bits: what encoders of video take; through OpenCV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline import Frame, Pixels, Size, Spec, SpecError, Transform, load_opencv
from stages.media import colour


@dataclass(frozen=True)
class Yuv(Transform):
    """Turns rgb and gray into YUV planes of limited range, and makes chroma and sizes such as encoders take.

    Takes gray and rgb (H, W, C) and yuv420, yuv422, yuv444, of uint8 and uint16. RGB goes by the matrix in its Spec,
    which `rgb` left there; pictures have none and go by BT.709 from 720 lines on, else by BT.601. Chroma is averaged to
    where its samples lie (of 4:2:0 and 4:2:2 on the left one of two columns) by 1/2, 1/2 down and 1/4, 1/2, 1/4
    across, rounding after each. YUV that is as asked for passes untouched. The plan puts this stage before a writer of
    video.

    CPU time, 1920x1080 uint8 rgb to yuv420: 4.1 ms.
    """

    subsampling: Literal["420", "422", "444", "keep"] = field(
        default="420", metadata={"doc": "chroma subsampling; keep leaves that of YUV and gives rgb 4:4:4"}
    )
    odd: Literal["pad", "crop"] = field(
        default="pad",
        metadata={"doc": "sides that chroma does not divide: pad repeats the last row or column, crop cuts it off"},
    )
    depth: Literal["keep", "8"] = field(
        default="keep", metadata={"doc": "keep the bits of the samples, or round deep ones to 8"}
    )

    identity_when_equal: ClassVar[bool] = True
    planes: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"subsampling": "420"}

    def open(self) -> None:
        """Load OpenCV with one thread; raises EnvironmentRefusal where it cannot be."""
        load_opencv("yuv")

    def output_spec(self, spec: Spec) -> Spec:
        """The YUV Spec; raises SpecError for alpha, floats, inks, finer chroma, and HDR in 8 bits."""
        if spec.has_alpha:
            raise SpecError(f"video has no transparency, and {spec} has", remedy="flatten before this stage")
        spec.require(dtype=("uint8", "uint16"), model=("gray", "rgb", *colour.SUBSAMPLING))
        dtype = "uint8" if self.depth == "8" else spec.dtype
        if spec.is_hdr and dtype == "uint8":
            raise SpecError(
                f"HDR ({spec.transfer.upper()}) in 8 bits shows bands, and no player expects it",
                remedy="keep its depth: leave out `depth: 8` and what converts to uint8; or begin with `- rgb` and"
                " `- tone_map`",
            )
        model = self._model(spec)
        height, width = self._even(spec.size, model)
        same = replace(spec.resized(height, width).in_model(model), dtype=dtype)
        return same if spec.is_yuv else _tagged(same)

    def required_input(self, spec: Spec, need: Size) -> Size:
        """What is wanted, less the row and column that `pad` repeats: each pixel is converted by itself."""
        return Size(min(need.height, spec.height), min(need.width, spec.width))

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write the planes, one after the other, into the flat array `out`."""
        import cv2

        spec, target = frame.spec, self.output_spec(frame.spec)
        deep = replace(target, dtype=spec.dtype, height=spec.height, width=spec.width)
        planes: Sequence[Any]
        if spec.is_yuv:
            planes, have = spec.planes(frame.pixels), colour.SUBSAMPLING[spec.model]
        elif spec.model == "gray":
            luma, chroma = self._matrix(deep)[:2]
            level = np.array([[luma[:3].sum(), luma[3]]])
            neutral = np.full(spec.size, chroma[3], spec.dtype)
            planes, have = (cv2.transform(frame.pixels, level), neutral, neutral), (1, 1)
        else:
            planes, have = cv2.split(cv2.transform(frame.pixels, self._matrix(deep))), (1, 1)
        for number, (plane, place) in enumerate(zip(planes, target.planes(out), strict=True)):
            if number:
                plane = _coarser(plane, have, colour.SUBSAMPLING[target.model])
            _write(_fitted(plane, place.shape), place)

    def _model(self, spec: Spec) -> str:
        if self.subsampling == "keep":
            return spec.model if spec.is_yuv else "yuv444"
        model = f"yuv{self.subsampling}"
        if spec.is_yuv and any(map(int.__gt__, colour.SUBSAMPLING[spec.model], colour.SUBSAMPLING[model])):
            raise SpecError(
                f"cannot make finer chroma ({model}) of {spec}", remedy="use `subsampling: keep`, or put rgb before"
            )
        return model

    def _even(self, size: Size, model: str) -> Size:
        """The size with sides that the subsampling divides."""
        pads = self.odd == "pad"
        height, width = (
            max(1, (side + (step - 1) * pads) // step * step)
            for side, step in zip(size, colour.SUBSAMPLING[model], strict=True)
        )
        return Size(height, width)

    @cached_property
    def _matrix(self) -> Callable[[Spec], Pixels]:
        return lru_cache(maxsize=16)(lambda spec: np.array(colour.to_yuv(spec), np.float32))


def _tagged(spec: Spec) -> Spec:
    """How the samples of YUV that is made of rgb or gray map to light."""
    usual = "bt709" if spec.height >= colour.HD_HEIGHT else "bt601"
    return replace(
        spec, range="limited",
        matrix=spec.matrix if spec.matrix in colour.LUMA else usual,
        primaries=spec.primaries if spec.primaries not in ("srgb", "unspecified", "icc") else "bt709",
        transfer=spec.transfer if spec.transfer != "unspecified" else "bt709",
    )  # fmt: skip


def _coarser(plane: Pixels, have: tuple[int, int], want: tuple[int, int]) -> Pixels:
    """A chroma plane of (down, across) luma samples a sample at the coarser spacing `want`."""
    import cv2

    down, across = want[0] // have[0], want[1] // have[1]
    if (down, across) == (1, 1):
        return plane
    if down == 2:
        whole = plane if len(plane) % 2 == 0 else cv2.copyMakeBorder(plane, 0, 1, 0, 0, cv2.BORDER_REPLICATE)
        pairs = whole.reshape(len(whole) // 2, 2, -1)
        plane = cv2.addWeighted(pairs[:, 0], 0.5, pairs[:, 1], 0.5, 0)
    if across == 2:
        kernel = np.array([0.25, 0.5, 0.25], np.float32)
        plane = cv2.sepFilter2D(plane, -1, kernel, np.ones(1, np.float32), borderType=cv2.BORDER_REPLICATE)[:, ::2]
    return plane


def _fitted(plane: Pixels, shape: tuple[int, ...]) -> Pixels:
    """The plane cut, or its last row and column repeated, to this shape."""
    plane = plane[: shape[0], : shape[1]]
    if plane.shape == shape:
        return plane
    missing = [(0, want - have) for want, have in zip(shape, plane.shape, strict=True)]
    return np.pad(plane, missing, "edge")


def _write(plane: Pixels, out: Pixels) -> None:
    """Copy, or round 16 bits to 8 half up: levels of limited range are those of 8 bits times 256."""
    if plane.dtype == out.dtype:
        out[...] = plane
    else:
        np.minimum((plane.astype(np.uint32) + 128) >> 8, 255, out=out, casting="unsafe")
