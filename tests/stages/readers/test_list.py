"""A list of paths: its forms, where each lies, and what is held."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline import UsageError
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
