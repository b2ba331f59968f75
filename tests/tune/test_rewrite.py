"""Worker counts put into a YAML file: the numbers change, and not one other byte that need not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from harness import ROOT

from pipeline.config.yaml_source import parse
from pipeline.errors import EnvironmentRefusal, UsageError
from pipeline.tune.rewrite import check, edited, rewrite

COUNTS = {"reader": 3, "shrink": 1, "writer": 12}
CASES = {
    "a number": ("reader:\n  use: a\n  workers: 2   # two\n", "reader:\n  use: a\n  workers: 3   # two\n"),
    "auto": ("reader:\n  workers: auto # here\n  use: a\n", "reader:\n  workers: 3 # here\n  use: a\n"),
    "no key": ("reader:\n  # which\n  use: a   # it\n", "reader:\n  # which\n  workers: 3\n  use: a   # it\n"),
    "no key, several": (
        "reader:\n  use: a   # it\n  # where\n  path: b\n",
        "reader:\n  use: a   # it\n  # where\n  workers: 3\n  path: b\n",
    ),
    "flow": ("reader: {use: a, workers: auto} # x\n", "reader: {use: a, workers: 3} # x\n"),
    "flow without the key": ("reader: { use: a}\n", "reader: {workers: 3,  use: a}\n"),
    "behind a tab of width one": ('"reader": {"use": "ä€𝄞", workers: 2}\n', '"reader": {"use": "ä€𝄞", workers: 3}\n'),
    "in quotes": ('reader: {use: a, workers: "auto"}\n', "reader: {use: a, workers: 3}\n"),
    "windows": ("reader:\r\n  use: a\r\n  path: b\r\n", "reader:\r\n  use: a\r\n  workers: 3\r\n  path: b\r\n"),
    "a mark of byte order": ("\ufeffreader: {use: a, workers: 2}\n", "\ufeffreader: {use: a, workers: 3}\n"),
}
REST = "writer: {workers: 12}\n"


@pytest.mark.parametrize("case", CASES)
def test_the_number_alone_changes(case: str) -> None:
    """Comments, quotes, order and line ends stay."""
    before, after = CASES[case]
    assert edited(before + REST, "x.yaml", COUNTS) == after + REST


def test_groups_of_transforms() -> None:
    """By their names, also where they have none; behind the dash stands what stood there."""
    text = (
        REST + "reader: {workers: 3}\ntransforms:\n- name: shrink # small\n  stages: [orient]\n"
        "-   stages: [orient]   # second\n    workers: 4\n"
    )
    after = edited(text, "x.yaml", {**COUNTS, "transform-2": 7})
    assert after == (
        REST + "reader: {workers: 3}\ntransforms:\n- name: shrink # small\n  workers: 1\n  stages: [orient]\n"
        "-   stages: [orient]   # second\n    workers: 7\n"
    )


def test_one_number_for_all() -> None:
    """`fuse: all`: each group says the same, or the config would contradict itself."""
    text = "reader: {use: a, workers: 2}\ntransforms: [{name: b, stages: [c]}]\nwriter: {workers: 4}\nfuse: all\n"
    assert edited(text, "x.yaml", {"all": 3}) == (
        "reader: {use: a, workers: 3}\ntransforms: [{workers: 3, name: b, stages: [c]}]\nwriter: {workers: 3}\n"
        "fuse: all\n"
    )


@pytest.mark.parametrize("path", sorted(ROOT.glob("configs/*.yaml")), ids=lambda path: path.name)
def test_the_gallery(path: Path) -> None:
    """Each config keeps all but its counts, and all its comments."""
    text = path.read_text(encoding="utf-8")
    names = ["reader", "writer", *(group["name"] for group in parse(text, "x")[0].plain.get("transforms", []))]
    after = edited(text, path.name, dict.fromkeys(names, 5))
    was, now = parse(text, "x")[0].plain, parse(after, "x")[0].plain
    was.setdefault("writer", {"use": "null"})  # what stands for none beside reducers
    for group in (now["reader"], now["writer"], *now.get("transforms", [])):
        assert group.pop("workers") == 5
    for group in (was["reader"], was["writer"], *was.get("transforms", [])):
        group.pop("workers", None)
    assert now == was
    assert [line.partition("#")[2] for line in text.splitlines() if "#" in line] == [
        line.partition("#")[2] for line in after.splitlines() if "#" in line
    ]


@pytest.mark.parametrize(
    "text",
    [
        "reader: {use: a, workers: &n 2}\nwriter: {workers: 12, retries: *n}\n",
        "reader: {use: a, workers: &n 2}\nwriter: {workers: *n}\n",
        "reader: &r {use: a}\nwriter: *r\n",
    ],
    ids=["an anchor elsewhere", "an alias", "a group that is an alias"],
)
def test_what_would_change_more_is_refused(text: str) -> None:
    """With the numbers to write by hand."""
    with pytest.raises(UsageError, match=r"without changing more.*by hand.*reader: 3"):
        edited(text, "x.yaml", COUNTS)


def test_it_is_known_beforehand_whether_numbers_can_be_put_in(tmp_path: Path) -> None:
    """Before a minute is spent; the file is not touched."""
    path = tmp_path / "x.yaml"
    path.write_text("reader: &r {use: a}\nwriter: *r\n")
    with pytest.raises(UsageError, match="without changing more"):
        check(str(path), ["reader", "writer"])
    path.write_text("writer: {use: a}\n")
    with pytest.raises(UsageError, match="the file has no reader"):
        check(str(path), ["reader", "writer"])
    path.write_text(good := "reader: {use: a, workers: 1}\nwriter: {use: b}\n")
    check(str(path), ["reader", "writer"])
    assert path.read_text() == good
    path.unlink()
    with pytest.raises(EnvironmentRefusal, match="cannot read the config again"):
        check(str(path), ["reader", "writer"])


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    """Permissions stay, a link stays a link, and nothing is left beside it; the second time nothing changes."""
    real, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    real.write_text("reader: {use: a, workers: 2}\n" + REST)
    real.chmod(0o640)
    link.symlink_to(real)
    assert rewrite(str(link), COUNTS)
    assert not rewrite(str(link), COUNTS)
    assert real.read_text() == "reader: {use: a, workers: 3}\n" + REST
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path)) == ["link.yaml", "real.yaml"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the file; the config is as it was."""
    path = tmp_path / "x.yaml"
    path.write_text("reader: {use: a, workers: 2}\n" + REST)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentRefusal, match=r"x\.yaml.*No space left"):
        rewrite(str(path), COUNTS)
    assert "workers: 2" in path.read_text()
    assert os.listdir(tmp_path) == ["x.yaml"]
