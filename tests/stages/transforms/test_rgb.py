"""YUV becomes RGB: by its own matrix, with chroma where it lies, and there and back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from conversions import PATCHES, SHARES, exact, run

from pipeline import Spec
from stages.transforms.rgb import Rgb
from stages.transforms.yuv import Yuv


@pytest.mark.parametrize(
    ("matrix", "range_", "dtype"), list(itertools.product(SHARES, ("limited", "full"), ("uint8", "uint16")))
)
def test_patches_come_back_by_their_own_matrix(matrix: str, range_: str, dtype: str) -> None:
    """Eight colours as YUV planes: each within 3 levels of what went in, and the matrix stays in the Spec."""
    levels = np.rint(exact(PATCHES.astype(float), matrix, range_)).clip(0, 255)
    deep = 256 if dtype == "uint16" else 1
    planes = [np.repeat(levels[:, n] * deep, 4).astype(dtype) for n in range(3)]
    spec = Spec.of("yuv444", 4, 8, dtype=dtype, matrix=matrix, range=range_)
    rows = [plane.reshape(8, 4).T.ravel() for plane in planes]
    out_spec, out = run(Rgb(), spec, np.concatenate(rows))
    assert (out_spec.model, out_spec.range, out_spec.matrix) == ("rgb", "full", matrix)
    back = out[0].astype(float) / (257 if deep > 1 else 1)
    assert np.abs(back - PATCHES).max() <= 3, "three samples are rounded and taken times up to 2.2"


def test_the_wrong_matrix_would_show() -> None:
    """(200, 30, 60) as BT.601 and read as BT.709 is off by more than 10 levels: the tests above are not blind."""
    levels = np.rint(exact(PATCHES[:1].astype(float), "bt601", "limited"))[0]
    pixels = np.repeat(levels, 4).astype(np.uint8)
    _, right = run(Rgb(), Spec.of("yuv444", 2, 2, matrix="bt601", range="limited"), pixels.copy())
    _, wrong = run(Rgb(), Spec.of("yuv444", 2, 2, matrix="bt709", range="limited"), pixels.copy())
    assert np.abs(right[0, 0].astype(int) - PATCHES[0]).max() <= 2
    assert np.abs(wrong[0, 0].astype(int) - PATCHES[0]).max() > 10


@pytest.mark.parametrize("model", ["yuv420", "yuv422"])
def test_chroma_is_put_where_it_lies(model: str) -> None:
    """A ramp of chroma sampled at even columns: every pixel gets the value of its own column, within rounding."""
    height, width = 8, 64
    spec = Spec.of(model, height, width, matrix="bt709", range="full")
    ramp = 60 + 2.0 * np.arange(0, width, 2)
    chroma = np.broadcast_to(ramp, spec.chroma).astype(np.uint8)
    luma = np.full((height, width), 128, np.uint8)
    neutral = np.full(spec.chroma, 128, np.uint8)
    _, out = run(Rgb(), spec, np.concatenate([luma.ravel(), chroma.ravel(), neutral.ravel()]))
    blue = out[4, :-2, 2].astype(float)
    want = 128 + 2 * (1 - 0.0722) * (60 + 2.0 * np.arange(width - 2) - 128)
    assert np.abs(blue - want.clip(0, 255)).max() <= 2


@pytest.mark.parametrize("size", [(16, 64), (15, 63)])
def test_chroma_goes_there_and_back(size: tuple[int, int]) -> None:
    """A smooth picture to 4:2:0 and back is off by 3 levels at most, odd sizes too (but for their padding)."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([60 + 2 * x, 200 - 2 * x, 40 + 3 * y + x], -1).clip(0, 255).astype(np.uint8)
    spec, planes = run(Yuv(), Spec(height, width, matrix="bt709"), rgb.copy())
    assert spec.size == (height + height % 2, width + width % 2)
    _, back = run(Rgb(), spec, planes)
    assert np.abs(back[1 : height - 1, 1 : width - 2].astype(int) - rgb[1:-1, 1:-2]).max() <= 3


def test_sixteen_bits_become_eight_by_rounding() -> None:
    """A sample of 10 bits, 4 x v + r: v for r below 2, v + 1 from there on."""
    spec = Spec.of("yuv444", 1, 8, dtype="uint16", matrix="bt709", range="limited")
    tens = np.tile(np.array([64, 65, 66, 67, 940, 941, 942, 1023], np.uint16), 3)
    _, out = run(Yuv(subsampling="keep", depth="8"), spec, tens << 6)
    assert out[:8].tolist() == [16, 16, 17, 17, 235, 235, 236, 255]
