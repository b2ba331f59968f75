"""Whose a file is that lies under the name of an output: what we left is ours, what somebody put there is not."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest
from folder_jobs import reasons
from harness import STATE, counts
from kept_jobs import WAYS, Run, again, job
from pictures import ramp

from pipeline.journal import Options

BROKEN = b"no picture"
JPEG = b"\xff\xd8"


def mend(home: Path, name: str = "b.png") -> None:
    ramp(home / "in" / name, 50, 40)


def forget(home: Path, name: str, run: int) -> None:
    """What a kill between rename and row leaves: a claim, an output, and nothing that says how the item ended."""
    db = sqlite3.connect(home / "out" / STATE / "journal.sqlite")
    with db:
        db.execute("DELETE FROM items WHERE item = ?", (name.encode(),))
        db.execute("UPDATE runs SET ended_ns = NULL WHERE id = ?", (run,))
    db.close()


@WAYS
def test_a_file_under_the_name_of_a_failed_item(home: Path, run: Run) -> None:
    """You may put your own picture where ours failed; it stays when the item would succeed."""
    (home / "in/b.png").write_bytes(BROKEN)
    assert again(job(home), run) == {"done": 2, "failed": 1}
    (home / "out/b.jpg").write_text("mine")
    mend(home)
    report = run(job(home), keep=Options())
    assert counts(report) == {"up_to_date": 2, "failed": 1}
    assert reasons(report)["b.png"][0] == "exists"
    assert again(job(home), run) == {"up_to_date": 2, "failed": 1}  # it is not claimed by having been refused
    assert (home / "out/b.jpg").read_text() == "mine"
    (home / "out/b.jpg").unlink()
    assert again(job(home), run) == {"up_to_date": 2, "done": 1}


def test_an_old_output_stays_ours_when_its_redo_fails(home: Path) -> None:
    """The input breaks, the item fails, the input is mended: the output of before may be replaced."""
    again(job(home))
    (home / "in/b.png").write_bytes(BROKEN)
    before = (home / "out/b.jpg").read_bytes()
    assert again(job(home)) == {"up_to_date": 2, "failed": 1}
    assert (home / "out/b.jpg").read_bytes() == before
    mend(home)
    assert again(job(home)) == {"up_to_date": 2, "done": 1}
    assert (home / "out/b.jpg").read_bytes() != before


def test_a_file_in_place_of_an_old_output_whose_redo_failed(home: Path) -> None:
    """It is not what we left, so it is not ours."""
    again(job(home))
    (home / "in/b.png").write_bytes(BROKEN)
    again(job(home))
    (home / "out/b.jpg").write_text("mine")
    mend(home)
    assert again(job(home)) == {"up_to_date": 2, "failed": 1}
    assert (home / "out/b.jpg").read_text() == "mine"


@WAYS
def test_what_a_killed_run_renamed_is_ours(home: Path, run: Run) -> None:
    """Although no row says that it was written."""
    again(job(home), run)
    forget(home, "b.png", run=1)
    assert again(job(home), run) == {"up_to_date": 2, "done": 1}


def test_a_foreign_file_that_a_killed_run_had_not_replaced_yet(home: Path) -> None:
    """`overwrite: always` claimed its name; under `own` it is foreign as before."""
    again(job(home))
    (home / "in/b.png").write_bytes(BROKEN)
    (home / "out/b.jpg").unlink()
    again(job(home))
    (home / "out/b.jpg").write_text("mine")
    always = job(home, writer={"overwrite": "always"})
    assert again(always) == {"up_to_date": 2, "failed": 1}
    forget(home, "b.png", run=3)
    mend(home)
    assert again(job(home)) == {"up_to_date": 2, "failed": 1}
    assert (home / "out/b.jpg").read_text() == "mine"
    assert again(always) == {"up_to_date": 2, "done": 1}
    assert (home / "out/b.jpg").read_bytes()[:2] == JPEG


@WAYS
def test_parts_of_an_item_that_failed(home: Path, run: Run) -> None:
    """What it had written before it failed is ours; a file that came later is not."""
    parts = {"target": "out/{stem}_{row}_{column}.jpg", "stages": [{"tile": {"width": 20, "height": 20}}]}
    (home / "out").mkdir()
    (home / "out/b_001_001.jpg").mkdir()  # the fourth of four cannot be written
    report = run(job(home, **parts), keep=Options(adopt=True))
    assert counts(report) == {"done": 2, "failed": 1}
    assert sorted(path.name for path in home.glob("out/b_000_*")) == ["b_000_000.jpg", "b_000_001.jpg"]
    (home / "out/b_001_001.jpg").rmdir()
    (home / "out/b_000_001.jpg").unlink()
    (home / "out/b_000_001.jpg").write_text("mine")
    assert again(job(home, **parts), run) == {"up_to_date": 2, "failed": 1}
    assert (home / "out/b_000_001.jpg").read_text() == "mine"
    (home / "out/b_000_001.jpg").unlink()
    assert again(job(home, **parts), run) == {"up_to_date": 2, "done": 1}


def test_a_clock_that_was_set_back(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are compared for equality: what changed is done again and what did not is not, whatever the clock says."""
    again(job(home))
    real = time.time_ns
    monkeypatch.setattr("time.time_ns", lambda: real() - 86_400_000_000_000)
    assert again(job(home)) == {"up_to_date": 3}
    mend(home)
    os.utime(home / "in/b.png", ns=(1_600_000_000_123_456_789,) * 2)  # before the time that the journal knows
    assert again(job(home)) == {"up_to_date": 2, "done": 1}
    forget(home, "a.png", run=3)
    assert again(job(home)) == {"up_to_date": 2, "done": 1}
    assert again(job(home)) == {"up_to_date": 3}
