"""Journals and inputs that are not as one thinks: odd times, one name for two, folders that are shared or away."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from folder_jobs import reasons
from harness import STATE, counts
from kept_jobs import RESIZE, WAYS, Run, again, job
from pictures import ramp

from pipeline.contracts.template import Template
from pipeline.errors import EnvironmentRefusal, Exit
from pipeline.journal import Options, row_writer, write_thread
from pipeline.supervisor import execution, serial

PARTS = {"target": "out/{stem}_{row}_{column}.jpg", "stages": [{"tile": {"width": 20, "height": 20}}]}


@WAYS
def test_a_time_that_no_database_holds(home: Path, run: Run) -> None:
    """After the year 2262: the item is done each time, and the run ends."""
    os.utime(home / "in/a.png", (2**34, 2**34))
    assert again(job(home), run) == {"done": 3}
    assert again(job(home), run) == {"done": 1, "up_to_date": 2}


@WAYS
@pytest.mark.parametrize("keys", [{}, PARTS], ids=["known names", "names of frames"])
def test_a_journal_that_fails_ends_the_run(
    home: Path, monkeypatch: pytest.MonkeyPatch, run: Run, keys: dict[str, object]
) -> None:
    """A defect in its thread, or a disk that is full: exit 4 or 70 with the reason, and nobody waits for it."""
    plan = job(home, **keys)  # type: ignore[arg-type]
    commit = write_thread.WriteThread._commit

    def failing(thread: write_thread.WriteThread, *, closing: bool) -> None:
        if thread._claims or thread._checks:
            if keys:
                thread._checks.append(thread._checks[0])
                monkeypatch.setattr(thread._rows, "_insert", full)
                commit(thread, closing=closing)
            raise ValueError("a slip")

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(write_thread.WriteThread, "_commit", failing)
    report = run(plan, keep=Options())
    assert report.exit_code in (Exit.ENVIRONMENT, Exit.INTERNAL)
    assert "a slip" in report.stopped or "full" in report.stopped
    assert not list((home / "out").glob("*.jpg"))


def test_a_part_that_goes_before_it_is_written_down(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The item is done again; it is never up to date without its outputs."""
    assert again(job(home, **PARTS)) == {"done": 3}  # type: ignore[arg-type]
    for path in (home / "out").glob("b_*.jpg"):
        path.unlink()
    looked = row_writer.on_disk
    monkeypatch.setattr(row_writer, "on_disk", lambda path: None if "b_000_000" in path else looked(path))
    again(job(home, **PARTS))  # type: ignore[arg-type]
    monkeypatch.undo()
    assert again(job(home, **PARTS)) == {"done": 1, "up_to_date": 2}  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", ["own", "always"])
def test_two_inputs_with_one_name(home: Path, policy: str) -> None:
    """One has it, the other fails, in each run anew; they do not take turns."""
    ramp(home / "in/a.bmp", 20, 10)
    os.utime(home / "in/a.bmp", ns=(1_700_000_000_123_456_789,) * 2)
    plan = job(home, "out/{stem}.jpg", writer={"overwrite": policy})
    assert again(plan) == {"done": 3, "failed": 1}
    before = (home / "out/a.jpg").read_bytes()
    for _ in range(3):
        report = execution.run(plan, keep=Options())
        assert counts(report) == {"up_to_date": 3, "failed": 1}
        assert {kind for kind, _ in reasons(report).values()} == {"collision"}
    assert (home / "out/a.jpg").read_bytes() == before


def test_one_file_is_not_adopted_for_two_inputs(home: Path) -> None:
    """The second one fails with the collision, as without the file."""
    ramp(home / "in/a.bmp", 20, 10)
    os.utime(home / "in/a.bmp", ns=(1_700_000_000_123_456_789,) * 2)
    (home / "out").mkdir()
    (home / "out/a.jpg").write_text("mine")
    report = execution.run(job(home, "out/{stem}.jpg"), keep=Options(adopt=True))
    assert counts(report) == {"done": 2, "up_to_date": 1, "failed": 1}
    assert (home / "out/a.jpg").read_text() == "mine"


def test_an_edited_template_does_not_collide_with_itself(home: Path) -> None:
    """The output that stood there is of this very input."""
    again(job(home, "out/{stem}.jpg"))
    report = execution.run(job(home, "out/{dir}/{stem}.jpg"), keep=Options())
    assert counts(report) == {"done": 3}, reasons(report)


def test_checksums_are_learnt(home: Path) -> None:
    """After a run without them: from the next one on a change that keeps size and time is seen."""
    again(job(home))
    assert again(job(home), checksum=True) == {"up_to_date": 3}
    data, status = bytearray((home / "in/a.png").read_bytes()), os.stat(home / "in/a.png")
    data[data.index(b"IDAT") + 20] ^= 1
    (home / "in/a.png").write_bytes(data)
    os.utime(home / "in/a.png", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert again(job(home)) == {"up_to_date": 3}
    assert again(job(home), checksum=True)["up_to_date"] == 2


def test_a_state_folder_is_of_one_output_folder(home: Path) -> None:
    """Names in it are relative: outputs elsewhere would be taken for ours. One that was moved is known."""
    state = {"state_dir": str(home / "state")}
    again(job(home, **state))
    with pytest.raises(EnvironmentRefusal, match="is that of the outputs in"):
        again(job(home, "other/{stem}.jpg", **state))
    (home / "out").rename(home / "moved")
    assert again(job(home, "moved/{dir}/{stem}.jpg", **state)) == {"up_to_date": 3}


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("./out/{dir}/{stem}.jpg", "out/{dir}/{stem}.jpg"), ("out//{stem}.jpg", "out/{stem}.jpg"),
        ("/out/./{stem}.jpg", "/out/{stem}.jpg"), ("{stem}.jpg", "{stem}.jpg"), ("../out/{stem}.jpg",) * 2,
    ],
)  # fmt: skip
def test_a_template_has_one_spelling(text: str, one: str) -> None:
    """So an output has one name in the journal."""
    assert Template(text).text == one


def test_what_is_retried_is_not_forgotten_first(home: Path) -> None:
    """Also where the journal keeps one run only."""
    (home / "in/b.png").write_bytes(b"no picture")
    again(job(home, keep_runs=1))
    ramp(home / "in/b.png", 40, 30)
    assert again(job(home, keep_runs=1), retry=1) == {"done": 1}


@pytest.mark.parametrize("policy", ["never", "older"])
def test_an_item_of_several_outputs_is_finished_under_any_policy(home: Path, policy: str) -> None:
    """Its own parts, of a run that was killed, are in nobody's way."""
    keys = {**PARTS, "writer": {"overwrite": policy}}
    again(job(home, **keys))  # type: ignore[arg-type]
    with sqlite3.connect(home / "out" / STATE / "journal.sqlite") as db:
        for table in ("items", "parts"):
            db.execute(f"DELETE FROM {table} WHERE item = ?", (b"b.png",))
        db.execute("UPDATE runs SET ended_ns = NULL")
    db.close()
    (home / "out/b_000_001.jpg").unlink()
    assert again(job(home, **keys)) == {"up_to_date": 2, "done": 1}  # type: ignore[arg-type]


def test_the_serial_run_uses_the_same_journal(home: Path) -> None:
    """What workers did is up to date for it."""
    again(job(home, stages=[RESIZE]))
    assert again(job(home, stages=[RESIZE]), serial.run) == {"up_to_date": 3}


@WAYS
def test_a_foreign_part_is_left_out_where_that_was_asked(home: Path, run: Run) -> None:
    """`overwrite: never` of an item of several outputs: the others are written; with one output it is skipped."""
    (home / "out").mkdir()
    (home / "out/b_000_001.jpg").write_text("mine")
    keys = {**PARTS, "writer": {"overwrite": "never"}}
    assert again(job(home, **keys), run) == {"done": 3}  # type: ignore[arg-type]
    assert (home / "out/b_000_001.jpg").read_text() == "mine"
    assert len(list((home / "out").glob("b_*.jpg"))) == 4
    assert again(job(home, **keys), run) == {"up_to_date": 3}  # type: ignore[arg-type]
