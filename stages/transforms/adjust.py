"""Brightness, contrast, gamma and saturation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from pipeline import Frame, Pixels, Size, Spec, Transform
from stages.media.lines import blocks

EXACT: dict[str, Any] = {"uint8": np.float32, "uint16": np.float64}  # hold a thousand times white


@dataclass(frozen=True)
class Adjust(Transform):
    """Changes tone and colour by factors of which 1 leaves all as it is.

    In this order, on samples from 0 (black) to 1 (white), rounded once at the end:

    1. brightness: v * brightness (W3C Filter Effects, `brightness()`)
    2. contrast:   (v - 0.5) * contrast + 0.5 (W3C Filter Effects, `contrast()`)
    3. gamma:      v clipped to 0..1, ** (1 / gamma), so that more than 1 lightens the middle tones
    4. saturation: luma + (v - luma) * saturation, clipped to 0..1; the luma is ITU-R BT.601's, so 0 gives the gray of
       the stage `grayscale`

    Takes gray, gray_alpha, rgb and rgba of every dtype (H, W, C); the Spec stays, and alpha is copied. Floats come out
    within 0..1, NaN as 0. For single steps in another order, use the stage more than once.

    CPU time, 1008x756 RGB: uint8 1.8 ms, uint16 2.4 ms, float32 2.7 ms (18 ms with gamma); with saturation uint8
    5.2 ms, uint16 7.5 ms, float32 9 ms.
    """

    brightness: float = field(default=1.0, metadata={"ge": 0, "le": 4, "doc": "factor; 0 black, 1 as it is, 2 twice"})
    contrast: float = field(default=1.0, metadata={"ge": 0, "le": 4, "doc": "factor around mid-gray; 1 as it is"})
    saturation: float = field(default=1.0, metadata={"ge": 0, "le": 4, "doc": "factor; 0 no colour, 1 as it is"})
    gamma: float = field(default=1.0, metadata={"ge": 0.1, "le": 10, "doc": "out = in ** (1 / gamma); 1 as it is"})

    example: ClassVar[Mapping[str, Any]] = {"brightness": 1.1, "contrast": 1.2, "saturation": 0.9, "gamma": 1.1}

    def output_spec(self, spec: Spec) -> Spec:
        """The same Spec; raises SpecError for models beside gray and rgb."""
        return spec.require_picture()

    def required_input(self, spec: Spec, need: Size) -> Size:
        """`need` without gamma, as averages may then be taken before (but for what is clipped); else every pixel."""
        return need if self.gamma == 1 else spec.size

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write the adjusted picture into `out`; the input is not touched."""
        dtype, colour = frame.spec.dtype, frame.spec.base_model == "rgb" and self.saturation != 1
        table = None if colour or dtype == "float32" else _rounded(self, dtype, frame.spec.white)
        for lines in blocks(frame.pixels):
            source, target = frame.pixels[lines], out[lines]
            if colour:
                self._saturated(source, frame.spec, target)
            elif table is None:
                target[...] = self.tone(source, 1)
            elif isinstance(table, bytes):
                target[...] = np.frombuffer(source.tobytes().translate(table), np.uint8).reshape(source.shape)
            else:
                # With a mode other than "raise", numpy writes into `out` and not into a copy of it.
                np.take(table, source, out=target, mode="clip")
            if frame.spec.has_alpha:
                target[..., -1] = source[..., -1]

    def _saturated(self, pixels: Pixels, spec: Spec, out: Pixels) -> None:
        """Tone and saturation of (h, w, 3 or 4), in float64 for uint16 and float32 otherwise; alpha is left out."""
        dtype, half = spec.dtype, 0.0 if spec.dtype == "float32" else 0.5
        channels = [pixels[..., channel] for channel in range(3)]
        if dtype == "float32":
            planes = [self.tone(channel, 1) for channel in channels]
        elif self.brightness == self.contrast == self.gamma == 1:
            planes = [channel.astype(EXACT[dtype]) for channel in channels]  # twice as fast as through the table
        else:
            planes = [_exact(self, dtype, spec.white).take(channel) for channel in channels]
        # A sum of whole multiples and one division: exact where the tone is as it was.
        rest = (planes[0] * 299 + planes[1] * 587 + planes[2] * 114) / 1000
        rest *= 1 - self.saturation
        rest += half
        for channel, plane in enumerate(planes):
            plane *= self.saturation
            plane += rest
            out[..., channel] = np.clip(plane, 0, spec.white + half, out=plane)

    def tone(self, values: Pixels, white: int) -> Pixels:
        """Brightness, contrast and gamma of samples on a scale to `white`, as floats within it. Pure.

        In float32 where it is given that (within 2e-7 of the exact value), else in float64.
        """
        tone: Pixels = np.multiply(values, self.brightness, dtype=np.result_type(values.dtype, np.float32))
        if self.contrast != 1:
            tone -= white / 2
            tone *= self.contrast
            tone += white / 2
        np.clip(tone, 0, white, out=tone)
        tone[np.isnan(tone)] = 0
        if self.gamma != 1:
            tone /= white
            np.power(tone, 1 / self.gamma, out=tone)
            tone *= white
        return tone


@lru_cache(maxsize=16)
def _exact(stage: Adjust, dtype: str, white: int) -> Pixels:
    """The tone of every level of an integer dtype, on its scale and not rounded."""
    return stage.tone(np.arange(white + 1), white).astype(EXACT[dtype])


@lru_cache(maxsize=16)
def _rounded(stage: Adjust, dtype: str, white: int) -> bytes | Pixels:
    """The tone of every level, rounded half up; bytes for uint8, as `bytes.translate` is faster than `numpy.take`."""
    table: Pixels = np.floor(stage.tone(np.arange(white + 1), white) + 0.5).astype(dtype)
    return table.tobytes() if dtype == "uint8" else table
