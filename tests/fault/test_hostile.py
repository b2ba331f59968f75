"""Files of strangers: bombs are refused at once, malformed ones hang no run, what is cut is never called done."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from harness import DEADLINE_S, ROOT, cli, tree
from hostile import bombs, cuts, mutated, wholes

READ_WHOLE = {"exif.jpg", "text.png", "frames.gif", "loop.tif"}  # harmless: the picture is small and whole
RESIDENT_NBYTES = 300_000_000
ITEM_S = 1.0


def thumbnails(folder: Path, *more: str, timeout_s: float = DEADLINE_S) -> Any:
    """The thumbnail job over FOLDER/in; its report."""
    sets = ["--set", f"reader.path={folder}/in", "--set", f"writer.path={folder}/out/{{name}}.png"]
    sets += ["--set", 'reader.include=["**/*"]', "--set", "on_error.max_failures=none", "--set", "timeout=20s"]
    done = cli("run", str(ROOT / "configs/thumbnail.yaml"), "--json", "-q", *sets, *more, timeout=timeout_s)
    assert done.returncode in (0, 1), done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("workers", ["reader=1"])
def test_bombs(tmp_path: Path, figure: Callable[..., None], workers: str) -> None:
    """Each is refused, or read where its picture is small, in less than a second and 300 MB."""
    (tmp_path / "in").mkdir()
    paths = bombs(tmp_path / "in")
    report = thumbnails(tmp_path, "--workers", workers, "--log", str(tmp_path / "log"))
    outcomes = {
        os.path.basename(entry["item"]): entry["outcome"]
        for line in (tmp_path / "log").read_text().splitlines() if "item" in (entry := json.loads(line))
    }  # fmt: skip
    assert set(outcomes) == set(paths)
    assert set(outcomes.values()) <= {"done", "failed"}
    assert {name for name, outcome in outcomes.items() if outcome == "done"} <= READ_WHOLE
    assert not {failure["kind"] for failure in report["failures"]} & {"crash", "timeout", "memory"}
    assert max(group["rss_nbytes"] for group in report["groups"]) < RESIDENT_NBYTES
    state = cli("report", str(tmp_path / "out"), "--json")
    slowest = json.loads(state.stdout)["slowest"]
    assert all(item["busy_s"] < ITEM_S for item in slowest), slowest
    assert report["seconds"] < ITEM_S * len(paths)
    assert report["parent"]["rss_nbytes"] < RESIDENT_NBYTES
    rss = max(group["rss_nbytes"] for group in report["groups"]) / 1e6
    longest = max(item["busy_s"] for item in slowest)
    figure("bombs", "each < 1 s, < 300 MB", f"{len(paths)}: at most {longest:.2f} s, {rss:.0f} MB")


def test_malformed_files(tmp_path: Path) -> None:
    """Each ends as done or failed with a reason; no worker dies or hangs; a cut file is not called done."""
    lay_out(tmp_path / "in", rounds=4)
    check(tmp_path, thumbnails(tmp_path))


def lay_out(folder: Path, rounds: int) -> int:
    """Whole files, each cut at every twentieth, and so many mutations of each cut length; how many files."""
    folder.mkdir()
    chance, count = Random(rounds), 0
    for name, data in wholes().items():
        (folder / f"whole-{name}").write_bytes(data)
        for number, cut in enumerate(cuts(data)):
            (folder / f"cut-{number:02d}-{name}").write_bytes(cut)
        for number in range(rounds):
            (folder / f"changed-{number:05d}-{name}").write_bytes(mutated(data, chance))
        count += 20 + rounds
    return count


def check(folder: Path, report: Any) -> None:
    """The promises, whatever the files are."""
    assert report["found"] == report["done"] + report["failed"]
    kinds = {failure["kind"] for failure in report["failures"]}
    assert kinds <= {"input", "format", "spec"}, [f for f in report["failures"] if f["kind"] not in ("input", "format")]
    assert sum(group["restarts"] for group in report["groups"]) == 0
    made = tree(folder / "out")
    for name in wholes():
        whole = made[f"whole-{name}.png"]
        cut = {made.get(f"cut-{number:02d}-{name}.png", whole) for number in range(19)}
        assert cut == {whole}, f"a cut {name} is called done with other pixels"
