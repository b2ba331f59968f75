"""Writing one output: whole or not at all, under any name, and never over an input."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from harness import plan_of

from pipeline import Item, ItemError, Reader
from pipeline.worker.folders import MOST
from pipeline.worker.output import Output, source_hash, sweep

Make = Callable[..., tuple[Output, list[str]]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """An output whose notes are kept, ready to save to a target."""
    opened: list[Output] = []

    def made(target: str, source: str = "in/a.jpg", path: str = "{dir}/{stem}.png") -> tuple[Output, list[str]]:
        (tmp_path / "in").mkdir(exist_ok=True)
        plan = plan_of(
            tmp_path,
            {"use": "folder", "path": str(tmp_path / "in")},
            [],
            {"use": "files", "path": path if path.startswith("./") else f"{tmp_path}/out/{path}"},
        )
        notes: list[str] = []
        output = Output(plan, "run", note=notes.append, claim=lambda name, _: notes.append(name))
        opened.append(output)
        output.begin(Item(0, str(tmp_path / source), "", os.path.basename(source)), target, None)
        return output, notes

    yield made
    for output in opened:
        output.close()


def test_a_file_is_written_beside_its_target_and_renamed(make: Make, tmp_path: Path) -> None:
    """The temporary name is told while it exists; the folder is made; mode is as the umask says."""
    output, notes = make(f"{tmp_path}/out/deep/er/a.png")
    assert output.save(b"hello") == 5
    assert (tmp_path / "out/deep/er/a.png").read_bytes() == b"hello"
    assert notes == [f"{tmp_path}/out/deep/er/.a.png.pl-run.tmp", ""]
    assert os.listdir(tmp_path / "out/deep/er") == ["a.png"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "out/deep/er/a.png").stat().st_mode) == 0o666 & ~mask


def test_an_earlier_output_is_replaced(make: Make, tmp_path: Path) -> None:
    """A file of an earlier run, a link to nowhere, the temporary file of a worker that was killed."""
    target = tmp_path / "out" / "a.png"
    output, _ = make(str(target))
    output.save(b"first")
    (tmp_path / "out" / ".a.png.pl-run.tmp").write_bytes(b"half")
    output.save(memoryview(b"second"))
    assert target.read_bytes() == b"second"
    target.unlink()
    target.symlink_to("nowhere")
    output.save(b"third")
    assert not target.is_symlink()
    assert os.listdir(tmp_path / "out") == ["a.png"]


@pytest.mark.parametrize("failing", ["write", "replace", "close"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_nothing_is_left_where_a_write_fails(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, error: BaseException
) -> None:
    """Whatever ends the write, no temporary file stays and the earlier output is whole."""
    output, notes = make(f"{tmp_path}/out/a.png")
    output.save(b"old")
    real = getattr(os, failing)

    def broken(*args: object, **kwargs: object) -> object:
        if failing == "close":
            real(*args, **kwargs)
        raise error

    monkeypatch.setattr(os, failing, broken)
    with pytest.raises(type(error)):
        output.save(b"new")
    monkeypatch.undo()
    assert os.listdir(tmp_path / "out") == ["a.png"]
    assert (tmp_path / "out" / "a.png").read_bytes() == b"old"
    assert notes[-1] == ""


def test_short_writes_are_continued(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that takes a few bytes at a time gets them all, in order."""
    output, _ = make(f"{tmp_path}/out/a.png")
    data = os.urandom(5000)
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, block: real(fd, block[:777]))
    assert output.save(data) == 5000
    assert (tmp_path / "out" / "a.png").read_bytes() == data


@pytest.mark.parametrize(
    "name", ["a" * 251 + ".png", "\u65e5" * 83 + ".png", "\U0001f600" * 60, "x", "caf\udce9.png", ".png", "a b\n.png"]
)
def test_any_name_that_the_file_system_takes(make: Make, tmp_path: Path, name: str) -> None:
    """Names up to 255 bytes: the temporary one is shortened where it would be longer than that."""
    output, notes = make(f"{tmp_path}/out/{name}")
    output.run = "3fffff-abcdef-3fffff"  # as long as a run's name becomes
    assert output.save(b"x") == 1
    assert os.listdir(tmp_path / "out") == [name]
    assert len(os.fsencode(os.path.basename(notes[0]))) <= 255


def test_a_relative_target_without_a_folder(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`{stem}.png` writes to the working directory, long names too."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b" * 250):
        output, _ = make(name, path="./{stem}.png")
        output.save(b"x")
        assert (tmp_path / name).read_bytes() == b"x"


@pytest.mark.parametrize("way", ["same", "folder link", "file link", "hard link", "other input"])
def test_a_file_of_the_input_is_never_written_over(make: Make, tmp_path: Path, way: str) -> None:
    """Not the item itself by whatever name, and not another input either."""
    target = str(tmp_path / "in" / "a.jpg")
    output, _ = make(target)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "in" / name).write_bytes(b"source")
    if way == "folder link":
        (tmp_path / "link").symlink_to("in")
        target = str(tmp_path / "link" / "a.jpg")
    elif way == "file link":
        (tmp_path / "link.jpg").symlink_to("in/a.jpg")
        target = str(tmp_path / "link.jpg")
    elif way == "hard link":
        (tmp_path / "hard.jpg").hardlink_to(tmp_path / "in" / "a.jpg")
        target = str(tmp_path / "hard.jpg")
    elif way == "other input":
        target = str(tmp_path / "in" / "b.jpg")
    output.begin(Item(0, str(tmp_path / "in" / "a.jpg"), "", "a.jpg"), target, None)
    with pytest.raises(ItemError, match="would overwrite"):
        output.save(b"output")
    assert (tmp_path / "in" / "a.jpg").read_bytes() == (tmp_path / "in" / "b.jpg").read_bytes() == b"source"


def test_a_folder_where_the_file_should_be(make: Make, tmp_path: Path) -> None:
    """The system's refusal is the reason, and no temporary file stays."""
    (tmp_path / "out" / "a.png").mkdir(parents=True)
    output, _ = make(f"{tmp_path}/out/a.png")
    with pytest.raises(IsADirectoryError):
        output.save(b"x")
    assert os.listdir(tmp_path / "out") == ["a.png"]


def test_no_link_leads_out_of_the_output_folder(make: Make, tmp_path: Path) -> None:
    """Neither one that was there nor one that takes the place of a folder while it is in use."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/link").symlink_to(tmp_path / "elsewhere")
    output, _ = make(f"{tmp_path}/out/link/a.png")
    with pytest.raises(ItemError, match="leads out of the output folder"):
        output.save(b"x")
    output, _ = make(f"{tmp_path}/out/sub/a.png")
    output.save(b"first")
    (tmp_path / "out/sub").rename(tmp_path / "out/moved")
    (tmp_path / "out/sub").symlink_to(tmp_path / "elsewhere")
    output.save(b"second")
    assert (tmp_path / "out/moved/a.png").read_bytes() == b"second"
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_folder_that_is_removed_meanwhile_is_made_anew(make: Make, tmp_path: Path) -> None:
    """An open folder without a name takes no file."""
    output, _ = make(f"{tmp_path}/out/sub/a.png")
    output.save(b"first")
    shutil.rmtree(tmp_path / "out/sub")
    output.save(b"second")
    assert (tmp_path / "out/sub/a.png").read_bytes() == b"second"


def test_only_so_many_folders_are_open(make: Make, tmp_path: Path) -> None:
    """A tree of thousands does not end at the limit of descriptors."""
    output, _ = make(f"{tmp_path}/out/a.png")
    for number in range(MOST + 50):
        output.begin(Item(0, str(tmp_path / "in/a.jpg"), "", "a.jpg"), f"{tmp_path}/out/{number}/a.png", None)
        output.save(b"x")
    assert 0 < sum(f"{tmp_path}/out/" in path for path in open_paths()) <= MOST
    assert len(list((tmp_path / "out").glob("*/a.png"))) == MOST + 50


def open_paths() -> Iterator[str]:
    """What this process has open."""
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the list of them was open too
            yield os.readlink(f"/proc/self/fd/{fd}")


def test_a_dead_workers_file_is_swept(tmp_path: Path) -> None:
    """Only what bears the name of a temporary file; nothing happens when it is gone."""
    for name in (".a.png.pl-run-1.tmp", "a.png"):
        (tmp_path / name).touch()
        sweep(str(tmp_path / name), "run", str(tmp_path))
    sweep(str(tmp_path / ".gone.pl-run-1.tmp"), "run", str(tmp_path))
    sweep("", "run", str(tmp_path))
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_dead_worker_that_lied_has_nothing_else_swept(tmp_path: Path) -> None:
    """Not files of other runs, not files elsewhere, and not where a link leads."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/link").symlink_to(tmp_path)
    for name in ("mine.tmp", ".a.png.pl-run-1.tmp", "out/.a.png.pl-other-1.tmp"):
        (tmp_path / name).touch()
        sweep(str(tmp_path / name), "run", str(tmp_path / "out"))
    sweep(str(tmp_path / "out/link/.a.png.pl-run-1.tmp"), "run", str(tmp_path / "out"))
    assert sorted(os.listdir(tmp_path)) == [".a.png.pl-run-1.tmp", "mine.tmp", "out"]
    assert sorted(os.listdir(tmp_path / "out")) == [".a.png.pl-other-1.tmp", "link"]
    for left in (tmp_path / ".a.png.pl-run-1.tmp", tmp_path / "out/.a.png.pl-other-1.tmp"):
        left.unlink()


def test_the_hash_of_a_source(tmp_path: Path) -> None:
    """16 hex digits of the bytes: the same for the same bytes, whatever the name."""
    for name, data in (("a", b"x" * 3_000_000), ("b", b"x" * 3_000_000), ("c", b"y")):
        (tmp_path / name).write_bytes(data)
    hashes = [source_hash(Reader(), Item(0, str(tmp_path / name))) for name in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]
    assert all(len(each) == 16 for each in hashes)
