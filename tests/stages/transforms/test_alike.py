"""What several transforms have in common: all of the output is written, small pictures, blocks of lines."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from pictures import DTYPES, MODELS, WHITE, noise, processed

from pipeline import EnvironmentRefusal, SpecError, Transform
from stages.transforms.adjust import Adjust
from stages.transforms.blur import Blur
from stages.transforms.clahe import Clahe
from stages.transforms.convert import Convert
from stages.transforms.denoise import Denoise
from stages.transforms.filter_sharpness import FilterSharpness
from stages.transforms.flatten import Flatten
from stages.transforms.grayscale import Grayscale
from stages.transforms.sharpen import Sharpen

EVERY = [
    Blur(sigma=1.5), Blur(sigma=1.5, kind="box"), Blur(sigma=1, kind="median"), Sharpen(), Sharpen(threshold=9),
    Denoise(), Denoise(method="nlmeans"), Clahe(), Clahe(tiles=3),
]  # fmt: skip


@pytest.mark.parametrize("stage", EVERY, ids=str)
def test_no_result_depends_on_what_lay_there_before(stage: Transform) -> None:
    """Every variant writes all of its output for every model and dtype that it takes, and refuses the others."""
    for channels in MODELS:
        for dtype in DTYPES:
            pixels = (noise(21, 26, channels, seed=channels) / 255 * WHITE[dtype]).astype(dtype)
            try:
                results = [processed(stage, pixels, fill=fill).tobytes() for fill in (0xAA, 0x55)]
            except SpecError as error:
                assert error.remedy
                continue
            assert results[0] == results[1]


@pytest.mark.parametrize("stage", [Blur(sigma=1), Sharpen(), Denoise(), Clahe(), FilterSharpness(min=1)], ids=str)
def test_a_missing_libgl_is_told_at_open(stage: Transform, monkeypatch: pytest.MonkeyPatch) -> None:
    """An OpenCV that cannot be imported is the environment's fault and comes with what to install."""
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(
        EnvironmentRefusal, match=r"needs OpenCV: .*; apt install libgl1, or install opencv-python-head"
    ):
        stage.open()


@pytest.mark.parametrize("stage", EVERY, ids=str)
def test_one_pixel_is_a_picture(stage: Transform) -> None:
    """Windows larger than the picture are no error."""
    for channels in (1, 3):
        assert processed(stage, np.full((1, 1, channels), 99, np.uint8)).shape == (1, 1, channels)


@pytest.mark.parametrize(
    "stage",
    [Convert(dtype="float32", model="gray_alpha"), Flatten(), Grayscale(), Adjust(saturation=2), Adjust(gamma=2)],
    ids=lambda stage: type(stage).__name__,
)
def test_blocks_of_lines_leave_no_seam(stage: Transform) -> None:
    """A picture of many blocks, of one line and of one pixel: each pixel as it is alone."""
    pixels = noise(300, 211, 4)
    whole = processed(stage, pixels)
    assert (whole[:, :1] == processed(stage, pixels[:, :1])).all()
    assert (whole[150:151] == processed(stage, pixels[150:151])).all()
    assert (whole[299, 210] == processed(stage, pixels[299:, 210:])[0, 0]).all()
