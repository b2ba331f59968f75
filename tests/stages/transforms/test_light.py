"""Light instead of samples: `resize: {light: linear}`."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import processed

from pipeline import Size, Spec
from stages.transforms.resize import Resize


def checkerboard(side: int, channels: int, dtype: str) -> np.ndarray:
    white = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    y, x = np.mgrid[0:side, 0:side]
    board = ((x + y) % 2 * white).astype(dtype)
    return np.repeat(board[..., None], channels, axis=2)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_checkerboard_keeps_its_brightness(dtype: str, channels: int) -> None:
    """Half the light of white is level 188 of sRGB (187.5); samples averaged give 128."""
    board = checkerboard(64, channels, dtype)
    white = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    for how, level in (("linear", 187.5), ("encoded", 127.5)):
        out = processed(Resize(width=32, kernel="area", light=how), board)  # type: ignore[arg-type]
        assert np.abs(out[4:-4, 4:-4].astype(float) / white * 255 - level).max() <= 0.6


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_way_there_and_back_changes_nothing(dtype: str) -> None:
    """Plain areas of every level, dark ones above all; ImageMagick's and vipsthumbnail's way."""
    levels = np.arange(256 if dtype == "uint8" else 65536, step=1 if dtype == "uint8" else 97)
    for level in levels[:40].tolist() + levels[-3:].tolist():
        out = processed(Resize(width=4, light="linear"), np.full((8, 8, 3), level, dtype))
        assert np.abs(out.astype(int) - level).max() <= (0 if dtype == "uint8" else 1)


def test_alpha_weighs_and_is_no_light() -> None:
    """Opaque red beside clear green: red, with half the alpha."""
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, ::2] = (255, 0, 0, 255)
    pixels[:, 1::2] = (0, 255, 0, 0)
    out = processed(Resize(width=4, height=4, kernel="area", light="linear"), pixels)
    assert np.abs(out[1:-1, 1:-1].astype(int) - (255, 0, 0, 128)).max() <= 1


def test_no_decoder_shrinks_for_it() -> None:
    """Averages of samples are what it avoids."""
    spec = Spec.of("rgb", 1000, 1000)
    assert Resize(width=100, light="linear").required_input(spec, Size(100, 100)) == (1000, 1000)
    assert Resize(width=100).required_input(spec, Size(100, 100)) == (200, 200)
