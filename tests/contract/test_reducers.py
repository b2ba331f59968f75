"""What every reducer must keep to; a new one is tested unasked."""

from __future__ import annotations

import copy
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from components import SPECS, make, of_kind
from pictures import frame_of, ramp, waves

from pipeline import Frame, Item, Reducer, Spec
from pipeline.transport.partial_code import Mapped, pack, unpack

REDUCERS = pytest.mark.parametrize("cls", of_kind(Reducer), ids=lambda cls: cls.__name__)


def there_and_back(partial: Any) -> Any:
    """As the journal gives it back."""
    (mapped,) = unpack(pack(Mapped(0, 0, partial)))
    return mapped.partial


def frames(folder: Path) -> list[Frame]:
    """Of many Specs, each of a file of its own."""
    found = []
    for number, spec in enumerate(SPECS[::5]):
        ramp(folder / f"{number:02d}.png", 20 + number, 12)
        frame = frame_of(waves(spec, number), spec)
        frame.item = Item(number, str(folder / f"{number:02d}.png"), "", f"{number:02d}.png")
        found.append(frame)
    return found


def files(reducer: Reducer, total: Any) -> list[tuple[str, bytes]]:
    return [(name, bytes(data)) for name, data in reducer.finish(copy.deepcopy(total))]


def merged(reducer: Reducer, partials: list[Any]) -> Any:
    """From the first to the last; what is given is left alone."""
    return reduce(lambda total, partial: reducer.merge(total, copy.deepcopy(partial)), copy.deepcopy(partials))


@REDUCERS
def test_neighbours_may_be_merged_first(cls: type[Reducer], tmp_path: Path) -> None:
    """`merge` is associative, through the journal too; where it is said, any order gives the same files."""
    reducer: Reducer = make(cls)
    reducer.open()
    partials = [there_and_back(partial) for frame in frames(tmp_path) if (partial := reducer.map(frame)) is not None]
    assert len(partials) > 3
    wanted = files(reducer, merged(reducer, partials))
    assert wanted
    for cut in (1, 2, len(partials) - 1):
        halves = [merged(reducer, partials[:cut]), merged(reducer, partials[cut:])]
        assert files(reducer, merged(reducer, halves)) == wanted
    if reducer.commutative:
        assert files(reducer, merged(reducer, partials[::-1])) == wanted
    reducer.close()


@REDUCERS
def test_it_looks_and_leaves_the_pixels(cls: type[Reducer], tmp_path: Path) -> None:
    """`map` gives the same for the same frame, and changes nothing of it."""
    reducer: Reducer = make(cls)
    reducer.open()
    for frame in frames(tmp_path):
        before = np.array(frame.pixels)
        one, two = reducer.map(frame), reducer.map(frame)
        assert pack(Mapped(0, 0, one)) == pack(Mapped(0, 0, two))
        assert (before == frame.pixels).all()
    reducer.close()


@REDUCERS
def test_its_files_lie_below_its_folder(cls: type[Reducer], tmp_path: Path) -> None:
    """Names without a way out, and one total of a single frame is enough."""
    reducer: Reducer = make(cls)
    reducer.open()
    (frame,) = frames(tmp_path)[:1]
    for name, _ in files(reducer, there_and_back(reducer.map(frame))):
        assert name
        assert not name.startswith("/")
        assert ".." not in name.split("/")
    assert reducer.folder
    reducer.close()


def test_partials_come_back_as_they_were() -> None:
    """Numbers of any size, text of any bytes, arrays with their dtype; not what is no plain data."""
    plain = {
        "n": [1, -(2**70), 0.1, None, True, "a\udcff\n"],
        "b": b"\0\xff",
        "a": np.arange(6, dtype=">u2").reshape(2, 3),
    }
    again = there_and_back(plain)
    assert again["n"] == plain["n"]
    assert again["b"] == plain["b"]
    assert again["a"].dtype == plain["a"].dtype  # type: ignore[union-attr]
    assert (again["a"] == plain["a"]).all()
    again["a"] += 1  # it may be added to
    assert there_and_back(np.float32(0.5)) == 0.5
    with pytest.raises(TypeError, match="not Spec"):
        pack(Mapped(0, 0, Spec(1, 1)))
