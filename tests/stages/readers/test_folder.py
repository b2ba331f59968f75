"""Discovery in a folder: order, globs, links, memory and what is held."""

from __future__ import annotations

import os
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest

from pipeline import ItemError, UsageError
from pipeline.contracts.folder_listing import HIDDEN, LINK, RUN
from stages.media.pictures import NO_PICTURE
from stages.readers.folder import Folder


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def found(root: Path, without: str | None = None, **params: object) -> list[str]:
    reader = Folder(str(root), **params)  # type: ignore[arg-type]
    items = list(reader.discover(without))
    assert sum(reader.count(without)) == len(items)
    assert [item.source for item in items] == [str(root / item.dir / item.name) for item in items]
    return [os.path.join(item.dir, item.name) for item in items if item.skip in ("", LINK)]


def test_files_come_by_name_then_folders_by_name(tmp_path: Path) -> None:
    """Depth first, files of a folder before its subfolders, and the default globs in any case of letters."""
    touch(tmp_path, "b/z.jpg", "b/a/y.PNG", "c.jpeg", "a.JPG", "a/x.jpg", "notes.txt", "jpg", "a.jpg.bak")
    assert found(tmp_path) == ["a.JPG", "c.jpeg", "a/x.jpg", "b/z.jpg", "b/a/y.PNG"]


@pytest.mark.parametrize(
    ("include", "exclude", "want"),
    [
        (["*.jpg"], [], ["a.jpg"]),
        (["**/*.{jpg,txt}"], [], ["a.jpg", "d/b.jpg", "d/n.txt", "e/c.jpg"]),
        (["**/*"], ["**/*.txt"], ["a.jpg", "d/b.jpg", "e/c.jpg"]),
        (["d/**/*.jpg", "e/c.*"], [], ["d/b.jpg", "e/c.jpg"]),
        (["**/*.jpg"], ["d"], ["a.jpg", "e/c.jpg"]),
        (["**/*.jpg"], ["d/**"], ["a.jpg", "e/c.jpg"]),
        (["**/[ab].jpg"], ["*.jpg"], ["d/b.jpg"]),
        (["**/?.JPG"], [], ["a.jpg", "d/b.jpg", "e/c.jpg"]),
        ([], [], ["a.jpg", "d/b.jpg", "e/c.jpg"]),
    ],
)
def test_globs_choose(tmp_path: Path, include: list[str], exclude: list[str], want: list[str]) -> None:
    """Paths are matched from the root down; what is excluded is not held either."""
    touch(tmp_path, "a.jpg", "d/b.jpg", "d/n.txt", "e/c.jpg")
    assert found(tmp_path, include=include, exclude=exclude) == want
    reader = Folder(str(tmp_path), include=include, exclude=exclude)
    every = ["a.jpg", "d/b.jpg", "d/n.txt", "e/c.jpg"]
    assert [name for name in every if reader.would_read(f"{tmp_path}/{name}")] == want


def test_hidden_names_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    """A dot at the front of a file or of any folder above it hides."""
    touch(tmp_path, ".a.jpg", ".git/b.jpg", "c.jpg", "d/.e/f.jpg")
    assert found(tmp_path) == ["c.jpg"]
    assert found(tmp_path, hidden=True) == [".a.jpg", "c.jpg", ".git/b.jpg", "d/.e/f.jpg"]
    assert not Folder(str(tmp_path)).holds(f"{tmp_path}/.git/b.jpg")
    assert Folder(str(tmp_path), hidden=True).holds(f"{tmp_path}/.git/b.jpg")


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    """By its name, or its first bytes where that says nothing; hidden files and folders once each."""
    touch(tmp_path, ".a.jpg", ".git/b.jpg", "a.CR2", "a.jpg", "a.mov", "notes.txt", "x.jfif", "empty")
    (tmp_path / "scan").write_bytes(b"II*\0" + bytes(30))
    (tmp_path / "paper.dat1").write_bytes(b"%PDF-1.7 and so on")
    told = {item.name: item.skip for item in Folder(str(tmp_path)).discover()}
    assert told == {
        ".a.jpg": HIDDEN, ".git": HIDDEN, "a.CR2": "a format that is not read (.cr2)", "a.jpg": "", "a.mov": NO_PICTURE,
        "notes.txt": NO_PICTURE, "x.jfif": "", "empty": NO_PICTURE, "scan": "",
        "paper.dat1": "a format that is not read (PDF document)",
    }  # fmt: skip
    everything = Folder(str(tmp_path), include=["**/*"]).discover()
    assert not [item.name for item in everything if item.skip]


def test_names_that_are_not_utf8_are_found(tmp_path: Path) -> None:
    """Undecodable bytes travel as surrogates and lead back to the file."""
    name = os.fsdecode(b"caf\xe9\n.jpg")
    (tmp_path / name).touch()
    (item,) = Folder(str(tmp_path)).discover()
    assert item.name == name
    assert os.path.exists(item.source)


def test_links_are_skipped_and_said_so_or_followed(tmp_path: Path) -> None:
    """A linked file is an item with a reason; with `follow_symlinks` it and linked folders are read, loops are cut."""
    touch(tmp_path, "in/a.jpg", "far/b.jpg")
    root = tmp_path / "in"
    (root / "link.jpg").symlink_to(root / "a.jpg")
    (root / "gone.jpg").symlink_to(root / "nothing")
    (root / "far").symlink_to(tmp_path / "far")
    (root / "loop").symlink_to(root)
    assert [(item.name, item.skip) for item in Folder(str(root)).discover()] == [
        ("a.jpg", ""),
        ("far", LINK),
        ("gone.jpg", LINK),
        ("link.jpg", LINK),
        ("loop", LINK),
    ]
    assert found(root, follow_symlinks=True) == ["a.jpg", "gone.jpg", "link.jpg", "far/b.jpg"]


def test_the_folder_of_the_outputs_is_not_descended_into(tmp_path: Path) -> None:
    """By device and inode, also when it appears while the listing runs; but never the root itself or one above it."""
    touch(tmp_path, "a.jpg", "out/b.jpg", "z/c.jpg")
    (tmp_path.parent / f"{tmp_path.name}-link").symlink_to(tmp_path / "out")
    other = str(tmp_path.parent / f"{tmp_path.name}-link")
    assert found(tmp_path, other) == ["a.jpg", "z/c.jpg"]
    assert found(tmp_path, str(tmp_path)) == ["a.jpg", "out/b.jpg", "z/c.jpg"]
    assert found(tmp_path, str(tmp_path.parent)) == ["a.jpg", "out/b.jpg", "z/c.jpg"]
    reader = Folder(str(tmp_path))
    assert not reader.holds(f"{tmp_path}/out/b.jpg", f"{tmp_path}/out")
    assert reader.holds(f"{tmp_path}/out/b.jpg", str(tmp_path))
    assert reader.holds(f"{tmp_path}/out/b.jpg", str(tmp_path.parent))
    items = reader.discover(f"{tmp_path}/later")
    next(items)
    touch(tmp_path, "later/x.jpg")
    assert [item.name for item in items] == ["b.jpg", "c.jpg"]


def test_devices_and_pipes_are_items(tmp_path: Path) -> None:
    """What only looks like a picture is listed, so that it fails with its reason when it is read."""
    os.mkfifo(tmp_path / "pipe.jpg")
    assert found(tmp_path) == ["pipe.jpg"]


def test_a_single_file_is_its_own_folder(tmp_path: Path) -> None:
    """Whatever it is called; it alone is held."""
    touch(tmp_path, "picture", "other.jpg")
    reader = Folder(str(tmp_path / "picture"))
    assert [(item.dir, item.name) for item in reader.discover()] == [("", "picture")]
    assert reader.holds(f"{tmp_path}/picture")
    assert not reader.holds(f"{tmp_path}/other.jpg")


def test_a_missing_folder_is_a_usage_error(tmp_path: Path) -> None:
    """With what to do about it."""
    with pytest.raises(UsageError) as caught:
        next(Folder(str(tmp_path / "nowhere")).discover())
    assert caught.value.remedy


def test_a_folder_that_cannot_be_listed_fails_as_an_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are not left out in silence: the folder is an item, and reading it gives the reason."""
    touch(tmp_path, "a.jpg", "locked/b.jpg", "z/c.jpg")
    real = os.scandir

    def refuse(path: str) -> object:
        if os.path.basename(path.rstrip("/")) == "locked":
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    reader = Folder(str(tmp_path))
    items = list(reader.discover())
    assert [item.name for item in items] == ["a.jpg", "locked", "c.jpg"]
    with pytest.raises(PermissionError):
        next(reader.read(items[1], None))  # type: ignore[arg-type]
    monkeypatch.undo()
    with pytest.raises(ItemError):
        next(reader.read(items[1], None))  # type: ignore[arg-type]


def test_a_large_folder_starts_at_once_and_is_never_a_list(tmp_path: Path) -> None:
    """Of 20,000 names only a run of 4096 is in memory (less than 5 MB), sorted within itself; all are found once."""
    for number in range(20_000):
        os.close(os.open(f"{tmp_path}/{number:05d}.jpg", os.O_CREAT | os.O_WRONLY))
    tracemalloc.start()
    try:
        items = Folder(str(tmp_path)).discover()
        first = [item.name for item in islice(items, RUN)]
        count = len(first) + sum(1 for _ in items)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert first == sorted(first)
    assert count == 20_000
    assert peak < 5 << 20
    assert max(Folder(str(tmp_path)).count()) <= 512
