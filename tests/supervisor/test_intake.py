"""The intake: items in order, each with its output name, nothing twice and nothing of our own."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from harness import plan_of

from pipeline.contracts.frame import Item
from pipeline.supervisor.claims import Claims
from pipeline.supervisor.intake import Found, Intake, folds_case


@pytest.fixture
def claims() -> Iterator[Claims]:
    held = Claims()
    yield held
    held.close()


def entries(folder: Path, target: str, *, limit: int | None = None, **reader: Any) -> list[Found]:
    plan = plan_of(
        folder,
        {"use": "folder", "path": str(folder / "in"), **reader},
        [],
        {"use": "files", "path": f"{folder}/{target}"},
    )
    opened = Intake(plan, limit=limit)
    try:
        return list(opened.entries())
    finally:
        opened.claims.close()


def reason(found: Found) -> str:
    """Why an item is not let in."""
    assert found.cause is not None
    return found.cause.reason


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Names are all that is looked at."""
    for name in ("a.jpg", "a.png", "b.jpg", "sub/a.jpg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    (tmp_path / "in" / "c.jpg").symlink_to("a.jpg")
    return tmp_path


def test_names_are_claimed_in_input_order(pictures: Path) -> None:
    """Items come with their target; the second of two for one target is refused, a link is skipped."""
    found = entries(pictures, "out/{dir}/{stem}.png")
    assert [each.item.number for each in found] == [0, 1, 2, 3, 4]
    assert [each.item.name for each in found] == ["a.jpg", "a.png", "b.jpg", "c.jpg", "a.jpg"]
    assert found[0] == Found(found[0].item, f"{pictures}/out/a.png")
    first, _, hint = reason(found[1]).partition("; ")
    assert first == f"collides with '{pictures}/in/a.jpg': both would be '{pictures}/out/a.png'"
    assert "RAW+JPEG pairs" in hint
    assert "{ext}" in hint
    assert "symbolic link" in reason(found[3])
    assert found[4].target == f"{pictures}/out/sub/a.png"


def test_a_limit_lets_in_so_many(pictures: Path) -> None:
    """`--limit N` ends after N items and looks for no more."""
    assert len(entries(pictures, "out/{dir}/{name}.png", limit=2)) == 2


def test_names_that_the_frame_decides_are_left_open(pictures: Path) -> None:
    """No target at the intake; they are claimed one by one, and a retry may claim its own again."""
    plan = plan_of(
        pictures,
        {"use": "folder", "path": str(pictures / "in")},
        [],
        {"use": "files", "path": "out/{stem}-{index}.png"},
    )
    opened = Intake(plan)
    found = [each for each in opened.entries() if not each.outcome]
    assert {each.target for each in found} == {""}
    first, second = found[0].item, found[1].item
    assert opened.claim("out/x.png", first, 0) == ""
    assert opened.claim("out/x.png", first, 0) == ""
    assert "collides with another frame of itself" in opened.claim("out/x.png", first, 1)
    assert f"collides with '{first.source}'" in opened.claim("out/x.png", second, 0)
    opened.claims.close()


def test_a_name_that_would_leave_its_folder_is_refused(tmp_path: Path) -> None:
    """The item fails at the intake with a reason."""
    (tmp_path / "list").write_text("../../x.jpg\n")
    plan = plan_of(
        tmp_path,
        {"use": "list", "path": str(tmp_path / "list"), "base": "/nowhere/else"},
        [],
        {"use": "files", "path": "out/{dir}/{stem}.png"},
    )
    opened = Intake(plan)
    assert ["would leave its folder" in reason(each) for each in opened.entries()] == [True]
    opened.claims.close()


def test_the_outputs_of_this_run_are_not_found_again(tmp_path: Path) -> None:
    """A name that this run has claimed is not an input, also where outputs lie beside their inputs."""
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "in" / name).touch()
    plan = plan_of(
        tmp_path,
        {"use": "folder", "path": str(tmp_path / "in")},
        [],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}-small.jpg"},
    )
    opened = Intake(replace(plan, destination=f"{tmp_path}/in/{{stem}}-small.jpg"))  # else the planner refuses it
    opened.reader.__dict__["discover"] = lambda _: (
        Item(number, f"{tmp_path}/in/{name}", "", name) for number, name in enumerate(("a.jpg", "a-small.jpg", "b.jpg"))
    )
    assert [each.item.name for each in opened.entries()] == ["a.jpg", "b.jpg"]
    opened.claims.close()


@pytest.mark.parametrize("in_memory", [2, 20_000])
def test_claims_hold_whether_they_lie_in_memory_or_on_disk(
    claims: Claims, monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    """The first owner keeps a name, may claim it again, and everybody else is told who has it."""
    monkeypatch.setattr("pipeline.supervisor.claims.IN_MEMORY", in_memory)
    names = [f"out/{number}\udce9\n.jpg" for number in range(9)]
    assert not claims.has(names[0])
    for name in names:
        assert claims.claim(name, f"of {name}") == ""
    for name in names:
        assert claims.claim(name, f"of {name}") == ""
        assert claims.claim(name, "another") == f"of {name}"
        assert claims.has(name)
    assert not claims.has("out/other.jpg")


def test_claims_from_two_threads(claims: Claims, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop may ask while discovery claims and they move to disk: each name gets one owner, nobody fails."""
    monkeypatch.setattr("pipeline.supervisor.claims.IN_MEMORY", 200)
    trouble: list[BaseException] = []

    def look() -> None:
        try:
            while not over.is_set():
                for number in range(0, 2000, 97):
                    claims.has(str(number))
        except BaseException as error:
            trouble.append(error)

    over = threading.Event()
    thread = threading.Thread(target=look)
    thread.start()
    owners = [claims.claim(str(number % 1000), str(number)) for number in range(2000)]
    over.set()
    thread.join()
    assert not trouble
    assert owners == [""] * 1000 + [str(number) for number in range(1000)]


class Folding:
    """A file system that takes names for one that differ in case: what `os` says of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def real(self, path: str) -> str:
        """The name that is there and means the same, or the name itself."""
        head, name = os.path.split(path)
        if head != self.folder:
            return path
        return next((f"{head}/{have}" for have in os.listdir(head) if have.casefold() == name.casefold()), path)


@pytest.fixture
def folding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An output folder that folds case."""
    out = tmp_path / "out"
    out.mkdir()
    disk, lstat, lexists = Folding(out), os.lstat, os.path.lexists
    monkeypatch.setattr("os.lstat", lambda path: lstat(disk.real(path)))
    monkeypatch.setattr("os.path.lexists", lambda path: lexists(disk.real(path)))
    return out


def test_a_disk_that_folds_case_is_known(folding: Path, tmp_path: Path) -> None:
    """By a name that is there, or by a file made for a moment; a folder to come is asked by the one above it."""
    assert folds_case(str(folding))
    assert os.listdir(folding) == []
    assert not folds_case(str(folding), probe=False)
    (folding / "\u00df.jpg").touch()
    assert not folds_case(str(folding), probe=False)
    (folding / "Aa.jpg").touch()
    assert folds_case(str(folding), probe=False)
    assert not folds_case(str(tmp_path))
    assert not folds_case(str(tmp_path / "no" / "folder"))


def test_names_that_differ_in_case_collide_there(folding: Path, tmp_path: Path) -> None:
    """Else the second would replace the first without a word; the sharp s has no other case there."""
    for name in ("A.jpg", "a.jpg", "b.jpg", "CAF\u00c9.jpg", "caf\u00e9.jpg", "stra\u00dfe.jpg", "strasse.jpg"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).touch()
    reader = {"use": "folder", "path": str(tmp_path / "in")}
    here, there = (
        Intake(plan_of(tmp_path, reader, [], {"use": "files", "path": f"{out}/{{stem}}.png"}))
        for out in (tmp_path / "elsewhere", folding)
    )
    assert not any(found.outcome for found in here.entries())
    refused = [found for found in there.entries() if found.outcome]
    assert len(refused) == 2
    assert all("does not tell A from a" in reason(found) and "collides with" in reason(found) for found in refused)
