"""Narrow: 16 bits to 8, exactly and with a word about it."""

from __future__ import annotations

import numpy as np
from pictures import frame_of

from pipeline import Spec
from stages.transforms.narrow import Narrow


def test_every_level_is_rounded() -> None:
    """All of 16 bits to round(v / 257), and the user is told."""
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    frame, out = frame_of(levels, Spec.of("gray", 256, 256, dtype="uint16")), np.empty((256, 256, 1), np.uint8)
    Narrow().process(frame, out)
    assert (out == np.floor(levels / 257 + 0.5)).all()
    assert "16 bits" in frame.remarks[0]


def test_all_others_pass() -> None:
    """By their Spec: 8 bits, floats, and planes of video."""
    for spec in (Spec.of("rgb", 4, 4), Spec.of("gray", 4, 4, dtype="float32"), Spec.of("yuv420", 4, 4, dtype="uint16")):
        assert Narrow().output_spec(spec) is spec
