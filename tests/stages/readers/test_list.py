"""A list of paths: its forms, where each lies, and what is held."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from harness import counts, plan_of, tree
from pictures import ramp

from pipeline import UsageError
from pipeline.supervisor import execution
from stages.readers.list import List


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def listed(tmp_path: Path, text: bytes, **params: object) -> list[tuple[str, str, str]]:
    (tmp_path / "list").write_bytes(text)
    reader = List(str(tmp_path / "list"), **params)  # type: ignore[arg-type]
    items = list(reader.discover())
    assert sum(reader.count()) == len(items)
    return [(item.source, item.dir, item.name) for item in items]


def test_a_list_is_one_path_a_line(tmp_path: Path) -> None:
    """Blank lines and the carriage returns of Windows are not paths; the last line needs no end."""
    assert listed(tmp_path, b"a.jpg\r\n\n  \nx/b c.jpg\n\xff.jpg") == [
        ("a.jpg", "", "a.jpg"),
        ("x/b c.jpg", "x", "b c.jpg"),
        ("\udcff.jpg", "", "\udcff.jpg"),
    ]


def test_a_list_may_end_its_paths_in_nul(tmp_path: Path) -> None:
    """Then a path may hold line feeds, as `find -print0` writes them."""
    assert [name for *_, name in listed(tmp_path, b"a\nb.jpg\0c.jpg\r\0", null=True)] == ["a\nb.jpg", "c.jpg\r"]


@pytest.mark.parametrize(
    ("path", "base", "folder"),
    [
        ("a/b.jpg", None, "a"),
        ("/a/b.jpg", None, "a"),
        ("../../a/b.jpg", None, "a"),
        ("./a/../c/b.jpg", None, "c"),
        ("/b.jpg", None, ""),
        ("b.jpg", None, ""),
        ("/data/x/y/b.jpg", "/data", "x/y"),
        ("/data/b.jpg", "/data/", ""),
        ("x/b.jpg", "x", ""),
        ("/other/b.jpg", "/data", "../other"),
    ],
)
def test_the_folder_of_a_listed_path(tmp_path: Path, path: str, base: str | None, folder: str) -> None:
    """Below `base`, or as written without what would lead out; outside `base` it keeps "..", which no output takes."""
    ((_, found_folder, _),) = listed(tmp_path, path.encode(), base=base)
    assert found_folder == folder


def test_a_list_of_many_paths_is_read_in_pieces(tmp_path: Path) -> None:
    """Lines that cross the edges of the blocks come out whole."""
    lines = [f"{'d' * (number % 50)}/{number}.jpg" for number in range(20_000)]
    assert [source for source, *_ in listed(tmp_path, "\n".join(lines).encode())] == lines


def test_a_list_holds_the_files_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By real path, relative ones too, through linked folders; not what it does not name."""
    touch(tmp_path, "real/a.jpg", "real/b.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list").write_text("link/a.jpg\n")
    reader = List("list")
    assert reader.holds(f"{tmp_path.resolve()}/real/a.jpg")
    assert not reader.holds(f"{tmp_path.resolve()}/real/b.jpg")


def test_a_list_comes_from_standard_input(tmp_path: Path) -> None:
    """Paths as they arrive; nothing is counted beforehand and nothing is held, for it is read only once."""
    (tmp_path / "list").write_text("a.jpg\nb.jpg\n")
    kept, file = os.dup(0), os.open(tmp_path / "list", os.O_RDONLY)
    try:
        os.dup2(file, 0)
        reader = List("-")
        assert sum(reader.count()) == 0
        assert not reader.holds("/a.jpg")
        assert [item.name for item in reader.discover()] == ["a.jpg", "b.jpg"]
        os.fstat(0)
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(file)


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_list_that_is_none_is_a_usage_error(tmp_path: Path, name: str) -> None:
    """A missing file or a folder."""
    with pytest.raises(UsageError):
        next(List(str(tmp_path / name)).discover())


TABLES = {
    "t.csv": b'path,label,caption\r\na.png,1,"two, words"\r\n\r\nsub/b.png,2,"a\nline"\r\n',
    "t.tsv": b"label\tpath\tcaption\n1\ta.png\ttwo, words\n2\tsub/b.png\ta line\n",
    "t.jsonl": b"""{"path": "a.png", "label": 1, "caption": "two, words"}

{"path": "sub/b.png", "label": "2", "tags": [1]}
""",
}


@pytest.mark.parametrize("name", TABLES)
def test_columns_of_a_table_stay_with_the_item(tmp_path: Path, name: str) -> None:
    """All but that of the path, as text, in their order; a mark of UTF-8 at the front is no part of a name."""
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + TABLES[name] if name != "t.jsonl" else TABLES[name])
    first, second = List(str(tmp_path / name), under="photos").discover()
    assert (first.source, first.dir, first.name) == ("photos/a.png", "photos", "a.png")
    assert dict(first.columns) == {"label": "1", "caption": "two, words"}
    assert second.source == "photos/sub/b.png"
    assert dict(second.columns)["label"] == "2"
    assert sum(List(str(tmp_path / name)).count()) == 2


def test_a_row_that_lacks_a_column_fails_with_its_line(tmp_path: Path) -> None:
    """So do one with too many, an empty path, JSON that is none; those beside them are read."""
    (tmp_path / "t.csv").write_text('path,label,split\na.png,1,x\nb.png,2\nc.png,1,x,y\n,1,x\n"d\n.png",1,x\n')
    items = list(List(str(tmp_path / "t.csv")).discover())
    assert [item.fails for item in items] == [
        "", "its row has 2 of 3 columns: there is no 'split'", "its row has 4 columns, and the header 3",
        "its column 'path' is empty", "",
    ]  # fmt: skip
    assert [item.source for item in items[1:4]] == [f"{tmp_path}/t.csv:{line}" for line in (3, 4, 5)]
    (tmp_path / "t.jsonl").write_text('{"path": "a.png"}\n{"path": 3}\n{broken\n[]\n"b.png"\n')
    found = list(List(str(tmp_path / "t.jsonl")).discover())
    assert [bool(item.fails) for item in found] == [False, True, True, True, False]
    assert found[2].source.endswith("t.jsonl:3")


def test_a_table_without_the_column_names_its_line_and_what_it_has(tmp_path: Path) -> None:
    """Before anything is read."""
    (tmp_path / "t.csv").write_text("file,label\na.png,1\n")
    with pytest.raises(UsageError, match=r"t\.csv:1: there is no column 'path'") as raised:
        list(List(str(tmp_path / "t.csv")).discover())
    assert "'file', 'label'" in str(raised.value)
    assert [item.name for item in List(str(tmp_path / "t.csv"), column="file").discover()] == ["a.png"]
    assert len(list(List(str(tmp_path / "t.csv"), form="lines").discover())) == 2


def test_columns_are_in_the_stamp(tmp_path: Path) -> None:
    """A label that changes has its item done again."""
    ramp(tmp_path / "a.png", 4, 4)
    stamps = []
    for label in ("1", "2", "1"):
        (tmp_path / "t.csv").write_text(f"path,label\n{tmp_path}/a.png,{label}\n")
        reader = List(str(tmp_path / "t.csv"))
        stamps.append(reader.stamp(next(iter(reader.discover()))))
    assert stamps[0] == stamps[2] != stamps[1]


def test_a_run_splits_by_a_column(tmp_path: Path) -> None:
    """By the template of the outputs; text that is no name fails, and so does a column that is not there."""
    for name in "abc":
        ramp(tmp_path / f"{name}.png", 8, 8)
    rows = [f'{{"path": "{tmp_path}/a.png", "split": "train"}}', f'{{"path": "{tmp_path}/b.png", "split": "../up"}}']
    (tmp_path / "t.jsonl").write_text("\n".join([*rows, f'"{tmp_path}/c.png"']))
    writer = {"use": "files", "path": f"{tmp_path}/out/{{columns.split}}/{{stem}}.jpg"}
    report = execution.run(plan_of(tmp_path, {"use": "list", "path": str(tmp_path / "t.jsonl")}, [], writer))
    assert counts(report) == {"done": 1, "failed": 2}
    assert list(tree(tmp_path / "out")) == ["train/a.jpg"]
    assert "is not a name for a file or folder" in report.failures[0].reason
    assert "has no column 'split'" in report.failures[1].reason


def test_columns_that_do_not_travel_fail_their_item(tmp_path: Path) -> None:
    """The limit is named; nothing is cut off in silence."""
    ramp(tmp_path / "a.png", 8, 8)
    (tmp_path / "t.csv").write_text(f"path,text\n{tmp_path}/a.png,{'x' * 20_000}\n")
    plan = plan_of(tmp_path, {"use": "list", "path": str(tmp_path / "t.csv")}, [], {"use": "null"})
    assert "travel with an item" in execution.run(plan).failures[0].reason
