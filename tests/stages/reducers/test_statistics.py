"""The reducer `statistics` beside numpy on the whole set."""

from __future__ import annotations

import csv
import io
import json
from functools import reduce

import numpy as np
import pytest
from pictures import Pixels, frame_of, noise, plain

from pipeline import Item
from stages.reducers.statistics import Statistics


def told(*pictures: Pixels) -> tuple[dict[str, object], dict[str, bytes]]:
    reducer = Statistics("out")
    partials = []
    for number, pixels in enumerate(pictures):
        frame = frame_of(pixels)
        frame.item = Item(number, f"{number}.JPG", "sub", f"{number}.JPG")
        partials.append(reducer.map(frame))
    files = dict(reducer.finish(reduce(reducer.merge, partials)))
    return json.loads(files["statistics.json"]), files


def test_mean_and_spread_are_those_of_all_pixels() -> None:
    """Of pictures of several sizes, for red, green and blue; alpha does not count."""
    pictures = [noise(20, 30, 3), noise(7, 9, 3, seed=1), noise(15, 11, 4, seed=2)]
    found, _ = told(*pictures)
    flat = np.concatenate([each[..., :3].reshape(-1, 3) for each in pictures]) / 255
    assert found["mean"] == pytest.approx(flat.mean(0).tolist(), abs=1e-6)
    assert found["std"] == pytest.approx(flat.std(0).tolist(), abs=1e-6)
    assert found["pixels"] == len(flat)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_other_depths_are_on_the_same_scale(dtype: str) -> None:
    pixels = noise(20, 30, 3, dtype)
    found, _ = told(pixels)
    one = pixels.reshape(-1, 3) / (65535 if dtype == "uint16" else 1)
    assert found["mean"] == pytest.approx(one.mean(0).tolist(), abs=1e-5)
    assert found["std"] == pytest.approx(one.std(0).tolist(), abs=1e-5)


def test_gray_counts_as_three_channels() -> None:
    found, _ = told(plain(4, 5, 51), plain(4, 5, 51, 51, 51))
    assert found["mean"] == [0.2, 0.2, 0.2]
    assert found["std"] == [0.0, 0.0, 0.0]


def test_black_white_and_histograms() -> None:
    """Shares of pixels at the ends; every pixel is in a bin."""
    found, _ = told(plain(10, 10, 0, 0, 0), plain(10, 10, 255, 255, 255), plain(10, 20, 128, 128, 128))
    assert (found["dark"], found["bright"]) == (0.25, 0.25)
    assert [sum(row) for row in found["histogram"]] == [400] * 3  # type: ignore[attr-defined]
    assert found["histogram"][0][0] == found["histogram"][2][-1] == 100  # type: ignore[index]
    assert found["sizes"] == {"10x10": 2, "20x10": 1}
    assert found["formats"] == {"jpg": 3}


def test_a_sharp_picture_is_sharper() -> None:
    """Noise against a slope, and the line of each in the table."""
    y, x = np.mgrid[0:64, 0:64]
    slope = np.dstack([(x + y).astype(np.uint8)] * 3)
    _, files = told(noise(64, 64), slope)
    first, second = csv.DictReader(io.StringIO(files["statistics.csv"].decode()))
    assert int(first["sharpness"]) > 1000 > 10 > int(second["sharpness"])
    assert first["file"] == "sub/0.JPG"
    assert b"<svg" in files["statistics.html"]
    assert b"<script" not in files["statistics.html"]
