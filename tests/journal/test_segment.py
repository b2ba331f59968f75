"""Segments of shards: what a kill or a power cut leaves of them is read, and nothing else is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import EnvironmentRefusal
from pipeline.journal.registering import Began
from pipeline.journal.segment import (
    BEGIN,
    END,
    GONE,
    SEVERAL,
    ShardSegment,
    encoded,
    lines_after,
    runs_in,
    segment_path,
)
from pipeline.journal.store import new_in_memory
from pipeline.journal.tables import DONE
from pipeline.journal.taking_in import is_kept, open_past, take_in

VALUES = st.none() | st.integers(-(2**62), 2**62) | st.text() | st.binary(max_size=40)


def began(token: str, began_ns: int = 1, job: str = "{stem}.jpg") -> Began:
    return Began(job, "c0", "[]", b"/in", 7, token, began_ns, 1, "host", '{"shard": "1/2"}', "", "{}")


def item(name: str, size: int = 1) -> tuple[object, ...]:
    key, output = name.encode() + b".png", name.encode() + b".jpg"
    return ("items", 9, key, 9, size, 2, None, 9, DONE, 9, -1, output, 3, 4, 5, None)


def written(path: Path, *lines: tuple[object, ...]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    segment = ShardSegment(str(path), durable=False)
    segment.write(lines)
    segment.close()
    return str(path)


def sizes(paths: list[str]) -> dict[bytes, int]:
    """The sizes of the items' inputs, as the rows have them after all was taken in."""
    db = new_in_memory()
    take_in(db, paths, left_open=lambda _: True)
    return dict(db.execute("SELECT item, size FROM items").fetchall())


@given(st.lists(st.lists(VALUES, max_size=5), max_size=5))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[list[object]]) -> None:
    """Numbers, texts, bytes of any kind and nothing at all."""
    path = written(tmp_path_factory.mktemp("s") / "a.jsonl", (BEGIN, 1), *(("row", *row) for row in rows))
    [run] = runs_in(path)
    assert [line[1:] for line in lines_after(run)] == rows


def test_a_line_that_was_cut_off(tmp_path: Path) -> None:
    """At each byte: others pass it over, the next run of the shard drops it, and all whole lines are there."""
    whole = b"".join(map(encoded, [(BEGIN, *began("t")), item("a"), item("b")]))
    path = tmp_path / "a.jsonl"
    last = len(encoded(item("b")))
    for cut in range(len(whole) - last, len(whole)):
        path.write_bytes(whole[:cut])
        assert list(sizes([str(path)])) == [b"a.png"]
        written(path, item("c"))
        assert list(sizes([str(path)])) == [b"a.png", b"c.png"]
    path.write_bytes(whole[:5])
    written(path, (BEGIN, *began("t")), item("c"))
    assert list(sizes([str(path)])) == [b"c.png"]


def test_a_line_that_a_power_cut_left_half(tmp_path: Path) -> None:
    """Zeros in the middle: that row is missing, those behind it are there."""
    lines = [encoded(line) for line in ((BEGIN, *began("t")), item("a"), item("b"), item("c"))]
    lines[2] = lines[2][:20] + bytes(len(lines[2]) - 21) + b"\n"
    (tmp_path / "a.jsonl").write_bytes(b"".join(lines))
    assert list(sizes([str(tmp_path / "a.jsonl")])) == [b"a.png", b"c.png"]


def test_the_later_run_says_how_an_item_is(tmp_path: Path) -> None:
    """Whatever its segment is called; and once taken in, nothing is taken in again."""
    later = written(tmp_path / "a.jsonl", (BEGIN, *began("later", 20)), item("x", 2))
    first = written(tmp_path / "b.jsonl", (BEGIN, *began("first", 10)), item("x", 1), item("y", 1))
    assert sizes([later, first]) == {b"x.png": 2, b"y.png": 1}
    db = new_in_memory()
    for _ in range(2):
        take_in(db, [later, first], left_open=lambda _: True)
    assert db.execute("SELECT count(*) FROM runs").fetchone() == (2,)


def test_numbers_are_those_of_who_takes_in(tmp_path: Path) -> None:
    """Jobs, chains, folders and runs are known by what they are; a run says how it ended."""
    path = written(
        tmp_path / "a.jsonl", (BEGIN, *began("a", 1, "{name}.webp")), ("claims", b"o", 9, b"i", 9, None, None),
        (END, 50, 1, json.dumps({"done": 1})), (BEGIN, *began("b", 2)), item("x"),
    )  # fmt: skip
    db = new_in_memory()
    db.execute("INSERT INTO jobs VALUES (4, '{stem}.jpg')")
    take_in(db, [path], left_open=lambda _: False)
    jobs = dict(db.execute("SELECT template, id FROM jobs").fetchall())
    assert db.execute("SELECT job, run, root FROM items").fetchall() == [(jobs["{stem}.jpg"], 2, 1)]
    assert jobs["{stem}.jpg"] == 4
    assert db.execute("SELECT job, run FROM claims").fetchall() == [(jobs["{name}.webp"], 1)]
    assert db.execute("SELECT ended_ns, exit_code FROM runs").fetchall() == [(50, 1), (0, None)]


def test_outputs_of_an_item_that_went_or_became_others(tmp_path: Path) -> None:
    """An item whose output is gone is as if it had not ended; several outputs take the place of those before."""
    parts = [("parts", 9, b"a.png", b"%d.jpg" % number, 1, 1) for number in range(3)]
    path = written(
        tmp_path / "a.jsonl", (BEGIN, *began("t")), item("gone"), (SEVERAL, b"a.png"), *parts[:2], item("a"),
        (BEGIN, *began("u", 2)), (GONE, b"gone.png"), (SEVERAL, b"a.png"), parts[2], item("a"),
    )  # fmt: skip
    db = new_in_memory()
    take_in(db, [path], left_open=lambda _: True)
    assert db.execute("SELECT item FROM items").fetchall() == [(b"a.png",)]
    assert db.execute("SELECT output FROM parts").fetchall() == [(b"2.jpg",)]


def test_a_segment_of_another_version(tmp_path: Path) -> None:
    """Refused with the file; a row of another length in it is not taken for one of ours."""
    path = written(tmp_path / "a.jsonl", (BEGIN, "something", "else"))
    with pytest.raises(EnvironmentRefusal, match=r"another version of pipeline wrote this.*done again"):
        sizes([path])
    assert sizes([written(tmp_path / "b.jsonl", (BEGIN, *began("t")), item("a")[:-1])]) == {}


def test_one_who_only_looks_sees_shards_too(tmp_path: Path) -> None:
    """Where no plain run has made a journal yet."""
    assert not is_kept(str(tmp_path))
    written(Path(segment_path(str(tmp_path), "00001-of-00002")), (BEGIN, *began("t")), item("a"))
    assert is_kept(str(tmp_path))
    db = open_past(str(tmp_path))
    assert db.execute("SELECT item FROM items").fetchall() == [(b"a.png",)]
    assert sorted(os.listdir(tmp_path)) == ["segments"]
