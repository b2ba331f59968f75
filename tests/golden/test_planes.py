"""Planes of YUV that are turned and resized: chroma stays where luma is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conversions import run

from pipeline import Spec
from stages.transforms.orient import Orient
from stages.transforms.resize import Resize


@pytest.mark.parametrize("kernel", ["area", "linear", "cubic", "lanczos3"])
@pytest.mark.parametrize("scale", [2, 3, 0.5])
def test_resizing_keeps_chroma_in_register_with_luma(kernel: Any, scale: float) -> None:
    """Ramps of luma and chroma stay the same function of the place, within a twentieth of a pixel; see `area`."""
    height, width, step = 24, 192, 100
    spec = Spec.of("yuv420", height, width, dtype="uint16")
    luma = np.broadcast_to(2000 + step * np.arange(width), (height, width)).astype(np.uint16)
    chroma = np.broadcast_to(2000 + step * np.arange(0, width, 2), spec.chroma).astype(np.uint16)
    stage = Resize(width=int(width / scale), height=int(height / scale), fit="fill", kernel=kernel)
    out_spec, out = run(stage, spec, np.concatenate([luma.ravel(), chroma.ravel(), chroma.ravel()]))
    new_luma, u, v = out_spec.planes(out)
    middle = slice(8, out_spec.chroma.width - 8)
    place = np.arange(out_spec.width)[::2]
    want = 2000 + step * ((place + 0.5) * scale - 0.5)  # what luma has at the column where the chroma sample lies
    near = 0.05 * step
    if kernel == "area":  # the library takes whole samples into a box: off by half a sample of luma for each halving
        near = step * max(scale, 2) / 2
    assert np.abs(new_luma[2, ::2][middle] - want[middle]).max() <= near
    for plane in (u, v):
        assert np.abs(plane[2][middle] - want[middle]).max() <= near


def test_planes_are_turned_one_by_one() -> None:
    """A marker in the corner of each plane goes to the corner that the orientation says."""
    spec = Spec.of("yuv420", 4, 6, orientation=6, sar=(2, 3))
    planes = [np.zeros(shape, np.uint8) for shape in (spec.size, spec.chroma, spec.chroma)]
    for plane in planes:
        plane[0, 0] = 9
    out_spec, out = run(Orient(), spec, np.concatenate([plane.ravel() for plane in planes]))
    assert out_spec.size == (6, 4)
    assert out_spec.sar == (3, 2)
    assert all(plane[0, -1] == 9 and plane.sum() == 9 for plane in out_spec.planes(out))


def test_chroma_of_422_that_lies_on_its_side() -> None:
    """It becomes 4:4:4: the columns between two samples are their means, and all turns as luma does."""
    spec = Spec.of("yuv422", 2, 4, orientation=6)
    luma = np.arange(8, dtype=np.uint8)
    u = np.array([[10, 20], [30, 41]], np.uint8)
    out_spec, out = run(Orient(), spec, np.concatenate([luma, u.ravel(), u.ravel()]))
    assert (out_spec.model, out_spec.size) == ("yuv444", (4, 2))
    upright = [np.rot90(plane, -1) for plane in (luma.reshape(2, 4), np.array([[10, 15, 20, 20], [30, 36, 41, 41]]))]
    assert (out_spec.planes(out)[0] == upright[0]).all()
    assert (out_spec.planes(out)[1] == upright[1]).all()
