"""RGB becomes YUV: the right matrix and range, against the formulas of the standards."""

from __future__ import annotations

import numpy as np
import pytest
from conversions import PATCHES, exact, run

from pipeline import Spec, SpecError
from stages.transforms.yuv import Yuv


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
