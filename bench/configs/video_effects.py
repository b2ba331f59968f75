"""The effects of the video work as a stage of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.peers.effects import effects
from pipeline import Frame, Spec, Transform, load_opencv


@dataclass(frozen=True)
class Effects(Transform):
    """CLAHE, bilateral filter and half the size of rgb frames."""

    def open(self) -> None:
        load_opencv("effects")

    def output_spec(self, spec: Spec) -> Spec:
        return spec.require(dtype="uint8", model=("rgb",)).resized(spec.height // 2, spec.width // 2)

    def process(self, frame: Frame, out: np.ndarray[Any, Any]) -> None:
        effects(frame.pixels, out)
