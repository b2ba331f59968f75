"""`sample` of the reader: so many inputs, the same ones each time, in input order."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import counts, listed, plan_of
from hypothesis import given
from hypothesis import strategies as st
from pictures import ramp

from pipeline import ConfigError, Item, Reader
from pipeline.config.keys import Sample
from pipeline.journal import Options
from pipeline.supervisor import execution, serial
from pipeline.supervisor.sampling import sampled

READER = Reader()
NAMES = st.sets(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8), max_size=60)


def items(names: list[str]) -> list[Item]:
    return [Item(number, name, "", name) for number, name in enumerate(names)]


def chosen(names: list[str], count: int, seed: int = 0) -> list[str]:
    found = items(names)
    return [item.name for item in sampled(READER, found, found, Sample(count, seed))]


@given(NAMES, st.integers(1, 70), st.integers(0, 3))
def test_so_many_in_input_order_whatever_that_is(names: set[str], count: int, seed: int) -> None:
    """As many as there are, none twice; another order of the input chooses the same."""
    forwards = sorted(names)
    found = chosen(forwards, count, seed)
    assert len(found) == min(count, len(names))
    assert found == sorted(found)
    assert set(chosen(forwards[::-1], count, seed)) == set(found)


@given(NAMES, st.integers(1, 30))
def test_an_input_more_replaces_one_at_most(names: set[str], count: int) -> None:
    """So a run again does next to nothing anew."""
    before = set(chosen(sorted(names), count))
    after = set(chosen(sorted(names | {"one more"}), count))
    assert len(before - after) <= 1
    assert after - before <= {"one more"}


def test_another_seed_chooses_others() -> None:
    names = [f"{number}.jpg" for number in range(1000)]
    assert len(set(chosen(names, 100)) & set(chosen(names, 100, 1))) < 30


def test_what_the_reader_leaves_out_is_told_of() -> None:
    found = [Item(0, "a", "", "a", "not a picture"), *items(["b", "c"])]
    assert next(sampled(READER, found, found, Sample(1))).name == "a"


def test_a_run_takes_the_sample(tmp_path: Path) -> None:
    """Serial and with workers the same ones, and again nothing."""
    for number in range(20):
        ramp(tmp_path / "in" / f"{number:02d}.png")
    reader = {"use": "folder", "path": str(tmp_path / "in"), "sample": {"count": 6, "seed": 3}}
    made = {}
    for out, run in (("a", execution.run), ("b", serial.run)):
        plan = plan_of(tmp_path, reader, [], {"use": "files", "path": f"{tmp_path}/{out}/{{stem}}.png"})
        assert counts(run(plan, keep=Options())) == {"done": 6}
        assert counts(run(plan, keep=Options())) == {"up_to_date": 6}
        made[out] = listed(tmp_path / out)
    assert made["a"] == made["b"]


def test_of_what_comes_once_there_is_no_sample(tmp_path: Path) -> None:
    reader = {"use": "list", "path": "-", "sample": {"count": 6}}
    with pytest.raises(ConfigError, match=r"list is given its inputs once.*write the list to a file first"):
        plan_of(tmp_path, reader, [], {"use": "null"})
