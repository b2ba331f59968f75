"""RGB and YUV: the right matrix, range and place of chroma, against the formulas of the standards."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from pipeline import Frame, Item, Spec, SpecError
from stages.transforms.orient import Orient
from stages.transforms.resize import Resize
from stages.transforms.rgb import Rgb
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


def test_the_wrong_matrix_would_show() -> None:
    """(200, 30, 60) as BT.601 and read as BT.709 is off by more than 10 levels: the tests above are not blind."""
    levels = np.rint(exact(PATCHES[:1].astype(float), "bt601", "limited"))[0]
    pixels = np.repeat(levels, 4).astype(np.uint8)
    _, right = run(Rgb(), Spec.of("yuv444", 2, 2, matrix="bt601", range="limited"), pixels.copy())
    _, wrong = run(Rgb(), Spec.of("yuv444", 2, 2, matrix="bt709", range="limited"), pixels.copy())
    assert np.abs(right[0, 0].astype(int) - PATCHES[0]).max() <= 2
    assert np.abs(wrong[0, 0].astype(int) - PATCHES[0]).max() > 10


def test_untagged_rgb_takes_the_matrix_of_its_size() -> None:
    """BT.709 from 720 lines on, below BT.601; pictures are BT.709 primaries in either case."""
    for height, matrix in ((96, "bt601"), (720, "bt709")):
        spec = Yuv().output_spec(Spec(height, 64))
        assert (spec.matrix, spec.primaries, spec.transfer) == (matrix, "bt709", "bt709")


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


def test_sixteen_bits_become_eight_by_rounding() -> None:
    """A sample of 10 bits, 4 x v + r: v for r below 2, v + 1 from there on."""
    spec = Spec.of("yuv444", 1, 8, dtype="uint16", matrix="bt709", range="limited")
    tens = np.tile(np.array([64, 65, 66, 67, 940, 941, 942, 1023], np.uint16), 3)
    _, out = run(Yuv(subsampling="keep", depth="8"), spec, tens << 6)
    assert out[:8].tolist() == [16, 16, 17, 17, 235, 235, 236, 255]


def test_transparency_and_floats_are_refused() -> None:
    """With the stage that helps."""
    with pytest.raises(SpecError) as caught:
        Yuv().output_spec(Spec.of("rgba", 4, 4))
    assert caught.value.remedy == "flatten before this stage"
    with pytest.raises(SpecError):
        Yuv().output_spec(Spec(4, 4, dtype="float32"))
