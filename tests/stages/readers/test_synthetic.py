"""Synthetic frames: what goes in is what a test can expect to come out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stages.readers.synthetic import Synthetic
from stages.writers.null import Null


def frames(reader: Synthetic) -> list[tuple[int, int, np.ndarray]]:
    """Every frame, filled over memory that held something else."""
    result = []
    for item in reader.discover():
        for index, part in enumerate(reader.read(item, None)):  # type: ignore[arg-type]
            out = np.full(part.spec.nbytes, 0xAA, np.uint8).view(part.spec.dtype).reshape(part.spec.shape)
            part.fill(out)
            result.append((item.number, index, out))
    return result


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (300, 400)])
def test_a_full_frame_is_its_pattern(dtype: Any, channels: int, size: tuple[int, int]) -> None:
    """Every sample is written, as `pattern` and `expected_sum` foretell; floats lie between 0 and 1."""
    reader = Synthetic(*size, channels, dtype, frames=3, seed=5)
    got = frames(reader)
    for number, index, pixels in got:
        assert (pixels == reader.pattern(number, index)).all()
        assert Null("all").total(pixels) == reader.expected_sum(number, index, "all")
        assert Null("page").total(pixels) == reader.expected_sum(number, index, "page")
        assert dtype != "float32" or (pixels.min() >= 0 and pixels.max() <= 1)
    if size != (1, 1):
        assert len({pixels.tobytes() for *_, pixels in got}) == 3, "frames differ"


def test_a_page_frame_has_one_byte_a_page() -> None:
    """The first of each 4096 is written, the others are not touched."""
    reader = Synthetic(100, 100, fill="page", frames=4)
    for number, index, pixels in frames(reader):
        flat = pixels.reshape(-1)
        assert len(set(flat[::4096].tolist())) == 1
        assert (np.delete(flat, np.arange(0, flat.size, 4096)) == 0xAA).all()
        assert Null("page").total(pixels) == reader.expected_sum(number, index)


def test_streams_fans_and_single_frames() -> None:
    """k streams of n frames; n items of v frames; n items of one."""
    single, fan, streams = (
        Synthetic(8, 8, frames=5),
        Synthetic(8, 8, frames=5, fan_out=3),
        Synthetic(8, 8, frames=5, streams=2),
    )
    assert [bool(reader.streams) for reader in (single, fan, streams)] == [False, False, True]
    assert [reader.many for reader in (single, fan, streams)] == [False, True, False]
    assert [sum(reader.count()) for reader in (single, fan, streams)] == [5, 5, 2]
    assert [(number, index) for number, index, _ in frames(fan)] == [(n, i) for n in range(5) for i in range(3)]
    assert [(number, index) for number, index, _ in frames(streams)] == [(n, i) for n in range(2) for i in range(5)]
    assert [item.source for item in streams.discover()] == ["synthetic:000000", "synthetic:000001"]


def test_sizes_are_seeded_and_bounded() -> None:
    """Sizes differ between frames of a fan, not within a stream; they repeat with the seed and reach the ends."""
    reader = Synthetic(40, 60, frames=500, random_sizes=True)
    sizes = {reader.spec(number).size for number in range(500)}
    assert all(1 <= height <= 40 and 1 <= width <= 60 for height, width in sizes)
    assert {height for height, _ in sizes} >= {1, 2, 39, 40}
    assert reader.fixed_spec() is None
    assert sizes == {Synthetic(40, 60, frames=500, random_sizes=True).spec(number).size for number in range(500)}
    assert sizes != {
        Synthetic(40, 60, frames=500, random_sizes=True, seed=1).spec(number).size for number in range(500)
    }
    stream = Synthetic(40, 60, streams=1, frames=9, random_sizes=True)
    assert len({stream.spec(0, index) for index in range(9)}) == 1
    fan = Synthetic(40, 60, fan_out=9, random_sizes=True)
    assert len({fan.spec(0, index) for index in range(9)}) > 1


def test_a_fixed_spec_is_known_beforehand() -> None:
    """The models of one to four channels, and "other" beyond."""
    models = [Synthetic(2, 3, channels).fixed_spec() for channels in (1, 2, 3, 4, 5)]
    assert [spec and spec.model for spec in models] == ["gray", "gray_alpha", "rgb", "rgba", "other"]
