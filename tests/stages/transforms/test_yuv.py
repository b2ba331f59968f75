"""RGB becomes YUV: the right matrix and range, against the formulas of the standards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline import Frame, Item, Spec, SpecError
from stages.transforms.yuv import Yuv

PATCHES = np.array(
    [[200, 30, 60], [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [128, 128, 128], [12, 200, 190]]
)


SHARES = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}


def run(stage: Any, spec: Spec, pixels: np.ndarray) -> tuple[Spec, np.ndarray]:
    """What a stage makes of a frame."""
    stage.open()
    out_spec = stage.output_spec(spec)
    if out_spec == spec and stage.identity_when_equal:
        return spec, pixels
    out = np.zeros(out_spec.shape, out_spec.dtype)
    pixels.flags.writeable = False
    stage.process(Frame(Item(0, "a"), 0, spec, pixels), out)
    return out_spec, out


def exact(rgb: np.ndarray, matrix: str, range_: str) -> np.ndarray:
    """Y, U, V of (..., 3) levels of 8 bits, not rounded: BT.709-6, 3.2 and 3.4, and their like."""
    red, blue = SHARES[matrix]
    r, g, b = (rgb[..., n] / 255 for n in range(3))
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red))
    if range_ == "limited":
        return np.stack([16 + 219 * y, 128 + 224 * u, 128 + 224 * v], -1)
    return np.stack([255 * y, 128 + 255 * u, 128 + 255 * v], -1)


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("subsampling", ["420", "422", "444"])
def test_rgb_becomes_exactly_this_yuv(matrix: str, subsampling: str) -> None:
    """Plain colours: within 0.6 levels of the exact value, and tagged as made."""
    for colour in PATCHES:
        pixels = np.broadcast_to(colour.astype(np.uint8), (6, 8, 3)).copy()
        spec = Spec(6, 8, matrix=matrix)
        out_spec, out = run(Yuv(subsampling=subsampling), spec, pixels)  # type: ignore[arg-type]
        want = exact(colour.astype(float), matrix, "limited")
        for plane, level in zip(out_spec.planes(out), want, strict=True):
            assert np.abs(plane - level).max() <= 0.6
        assert (out_spec.matrix, out_spec.range) == (matrix, "limited")
        assert "unspecified" not in (out_spec.primaries, out_spec.transfer)


def test_untagged_rgb_takes_the_matrix_of_its_size() -> None:
    """BT.709 from 720 lines on, below BT.601; pictures are BT.709 primaries in either case."""
    for height, matrix in ((96, "bt601"), (720, "bt709")):
        spec = Yuv().output_spec(Spec(height, 64))
        assert (spec.matrix, spec.primaries, spec.transfer) == (matrix, "bt709", "bt709")


def test_transparency_and_floats_are_refused() -> None:
    """With the stage that helps."""
    with pytest.raises(SpecError) as caught:
        Yuv().output_spec(Spec.of("rgba", 4, 4))
    assert caught.value.remedy == "flatten before this stage"
    with pytest.raises(SpecError):
        Yuv().output_spec(Spec(4, 4, dtype="float32"))
