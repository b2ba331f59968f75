"""Run again: only what is missing or changed is done, whatever happened before, and nothing foreign is touched."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from folder_jobs import reasons
from harness import HARM, STATE, attempts, cli, counts, plan_of, stage, tree
from kept_jobs import WAYS, Run, again, edited, job, removed, touched
from pictures import ramp

from pipeline.errors import EnvironmentRefusal, Exit, UsageError
from pipeline.journal import Options
from pipeline.plan.model import Plan
from pipeline.supervisor import execution, serial


@WAYS
def test_what_is_there_is_not_done_again(home: Path, run: Run) -> None:
    """The second run does nothing, and leaves the outputs as they are."""
    plan = job(home)
    assert again(plan, run) == {"done": 3}
    before = {path: path.stat().st_mtime_ns for path in home.glob("out/**/*.jpg")}
    assert again(plan, run) == {"up_to_date": 3}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_both_ways_of_running_share_the_journal(home: Path) -> None:
    """What workers did, the serial run knows."""
    assert again(job(home)) == {"done": 3}
    assert again(job(home), serial.run) == {"up_to_date": 3}


def cut(home: Path) -> None:
    os.truncate(home / "out/a.jpg", 10)


def replaced(home: Path) -> None:
    (home / "out/a.jpg").unlink()
    (home / "out/a.jpg").symlink_to(home / "out/b.jpg")


@WAYS
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (touched, "the input changed"), (edited, "the input changed"), (removed, "the output is missing"),
        (cut, "the output changed"), (replaced, "the output changed"),
    ],
)  # fmt: skip
def test_a_change_redoes_its_item_alone(home: Path, run: Run, change: Callable[[Path], None], reason: str) -> None:
    """Input touched or edited, output gone, cut or replaced: one item, with the reason counted; the rest stays."""
    again(job(home))
    whole = tree(home / "out")
    change(home)
    report = run(job(home), keep=Options())
    assert counts(report) == {"done": 1, "up_to_date": 2}
    assert report.reasons == {reason: 1}
    assert not (home / "out/a.jpg").is_symlink()
    if change is not edited:
        assert tree(home / "out") == whole
    assert again(job(home), run) == {"up_to_date": 3}


def test_another_quality_redoes_all_and_says_so(home: Path) -> None:
    """The reason names the key, old -> new."""
    again(job(home, writer={"quality": 80}))
    report = execution.run(job(home, writer={"quality": 90}), keep=Options())
    assert counts(report) == {"done": 3}
    [(reason, number)] = report.reasons.items()
    assert number == 3
    assert "jpeg.quality: 80 -> 90" in reason


def test_equal_content_is_up_to_date_where_that_is_asked(home: Path) -> None:
    """A touched file is not done again, one with other bytes of the same size and time is."""
    again(job(home), checksum=True)
    touched(home)
    assert again(job(home), checksum=True) == {"up_to_date": 3}
    path = home / "in/b.png"
    status, data = path.stat(), bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert again(job(home)) == {"done": 1, "up_to_date": 2}  # a.png was touched
    found = execution.run(job(home), keep=Options(checksum=True))
    assert found.reasons == {"the input changed": 1}


def test_fresh_does_all_again(home: Path) -> None:
    """Also what is up to date."""
    again(job(home))
    assert again(job(home), fresh=True) == {"done": 3}


def test_a_limit_counts_what_is_not_up_to_date(home: Path) -> None:
    """So a folder can be done in steps."""
    assert [counts(execution.run(job(home), limit=2, keep=Options())) for _ in range(3)] == [
        {"done": 2}, {"up_to_date": 2, "done": 1}, {"up_to_date": 3}
    ]  # fmt: skip


@WAYS
def test_names_that_frames_decide(home: Path, run: Run) -> None:
    """An item is up to date when all its outputs are there."""
    cut_up = [{"tile": {"width": 20, "height": 20}}]
    plan = job(home, "out/{stem}_{row}_{column}.png", stages=cut_up)
    assert again(plan, run) == {"done": 3}
    assert again(plan, run) == {"up_to_date": 3}
    next((home / "out").glob("b_*.png")).unlink()
    assert again(plan, run) == {"done": 1, "up_to_date": 2}


# ---- whose outputs they are ---------------------------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize("target", ["out/{stem}.jpg", "out/{stem}_{index}.jpg"])
def test_a_foreign_file_is_left_alone(home: Path, run: Run, target: str) -> None:
    """Its item fails, kind exists, with the remedy; the others are done."""
    plan = job(home, target)
    again(plan, run, fresh=True)
    ramp(home / "in/d.png", 40, 30)
    foreign = home / target.format(stem="d", index="000000")
    foreign.write_text("mine")
    report = run(plan, keep=Options())
    assert counts(report) == {"up_to_date": 3, "failed": 1}
    [(_, (kind, reason))] = reasons(report).items()
    assert (kind, "overwrite: always" in reason) == ("exists", True)
    assert foreign.read_text() == "mine"
    assert again(job(home, target, writer={"overwrite": "always"}), run) == {"up_to_date": 3, "done": 1}
    assert foreign.read_bytes()[:2] == b"\xff\xd8"


def test_outputs_without_a_journal_are_told_once(home: Path) -> None:
    """Before anything starts; they can be adopted, or replaced."""
    again(job(home))
    shutil.rmtree(home / "out" / STATE)
    whole = tree(home / "out")
    with pytest.raises(UsageError, match="--adopt"):
        again(job(home))
    assert tree(home / "out") == whole
    assert again(job(home), adopt=True) == {"up_to_date": 3}
    assert again(job(home)) == {"up_to_date": 3}


def test_an_output_that_is_older_than_its_input_is_adopted_and_done(home: Path) -> None:
    """It is ours from then on, and out of date."""
    again(job(home))
    shutil.rmtree(home / "out" / STATE)
    os.utime(home / "in/a.png")
    assert again(job(home), adopt=True) == {"up_to_date": 2, "done": 1}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("never", {"skipped": 3}), ("older", {"skipped": 2, "done": 1}), ("always", {"done": 3})],
)
def test_policies(home: Path, policy: str, expected: dict[str, int]) -> None:
    """Outputs that were there before any journal."""
    again(job(home))
    shutil.rmtree(home / "out" / STATE)
    os.utime(home / "in/a.png")
    assert again(job(home, writer={"overwrite": policy})) == expected


def test_the_output_of_another_input_is_not_taken(home: Path) -> None:
    """Two folders with equal names into one: the second is refused as long as the first is there."""
    again(job(home))
    whole = tree(home / "out")
    shutil.copytree(home / "in", home / "in2")
    report = execution.run(job(home, source=home / "in2"), keep=Options())
    assert counts(report) == {"failed": 3}
    assert {kind for kind, _ in reasons(report).values()} == {"collision"}
    assert tree(home / "out") == whole
    shutil.rmtree(home / "in")
    assert again(job(home, source=home / "in2")) == {"up_to_date": 3}  # the folder moved: files of equal size and time


def test_a_folder_that_was_moved_is_known_again(home: Path) -> None:
    """Inputs under another path, outputs under another path with their journal: nothing is done again."""
    again(job(home))
    (home / "in").rename(home / "moved")
    assert again(job(home, source=home / "moved")) == {"up_to_date": 3}
    (home / "out").rename(home / "elsewhere")
    assert again(job(home, "elsewhere/{dir}/{stem}.jpg", source=home / "moved")) == {"up_to_date": 3}


def test_two_jobs_share_a_folder(home: Path) -> None:
    """Each knows its own outputs, and takes none of the other's."""
    state = {"state_dir": str(home / "state")}
    small, large = (job(home, path, **state) for path in ("out/small-{stem}.jpg", "out/large-{stem}.jpg"))
    assert [again(small), again(large), again(small), again(large)] == [
        {"done": 3}, {"done": 3}, {"up_to_date": 3}, {"up_to_date": 3}
    ]  # fmt: skip
    clash = job(home, "out/{stem}.jpg", **state)
    ramp(home / "in/small-a.png", 40, 30)
    report = execution.run(clash, keep=Options())
    assert reasons(report)["small-a.png"][0] == "collision"


# ---- how items ended ----------------------------------------------------------------------------------------------


def test_what_failed_is_tried_again(home: Path) -> None:
    """By each run, until it is mended."""
    (home / "in/b.png").write_bytes(b"no picture")
    assert again(job(home)) == {"done": 2, "failed": 1}
    assert again(job(home)) == {"up_to_date": 2, "failed": 1}
    ramp(home / "in/b.png", 40, 30)
    assert again(job(home)) == {"up_to_date": 2, "done": 1}


def poison(home: Path, how: str = "kill") -> Plan:
    harm = stage(HARM, how=how, at=[1], marker=str(home / "mark"))
    reader = {"use": "stages_for_tests.numbered:Numbered", "items": 4}
    return plan_of(
        home, reader, [[harm]], {"use": "files", "path": f"{home}/out/{{stem}}.png"}, on_error={"retries": 1}
    )


@pytest.mark.usefixtures("at_once")
def test_poison_is_remembered(home: Path) -> None:
    """It ended its workers: it is not tried again, counts as quarantined, and `retry` forces it."""
    assert again(poison(home)) == {"done": 3, "quarantined": 1}
    tried = attempts(home, 1)
    report = execution.run(poison(home), keep=Options())
    assert counts(report) == {"up_to_date": 3, "quarantined": 1}
    assert report.exit_code == Exit.SOME_FAILED
    assert attempts(home, 1) == tried
    assert "in run 1" in report.failures[0].reason
    assert "pipeline retry" in report.failures[0].reason
    assert again(poison(home), retry=2) == {"quarantined": 1}
    assert attempts(home, 1) > tried


def test_a_retry_takes_what_was_not_done(home: Path) -> None:
    """And of that only what was not done since."""
    for name in ("a.png", "b.png"):
        (home / "in" / name).write_bytes(b"no picture")
    again(job(home))
    ramp(home / "in/a.png", 40, 30)
    assert again(job(home), retry=1) == {"done": 1, "failed": 1}
    assert again(job(home), retry=1) == {"failed": 1}


# ---- the journal itself -------------------------------------------------------------------------------------------


def test_a_lost_journal_never_says_up_to_date(home: Path) -> None:
    """Rows that are gone have their items done again: the names are still claimed."""
    again(job(home))
    with sqlite3.connect(home / "out" / STATE / "journal.sqlite") as db:
        db.execute("DELETE FROM items WHERE item = ?", (b"a.png",))
    db.close()
    assert again(job(home)) == {"up_to_date": 2, "done": 1}


@pytest.mark.parametrize("way", [[], ["--serial"]], ids=["workers", "serial"])
def test_a_damaged_journal_stops_the_run_before_it_begins(home: Path, way: list[str]) -> None:
    """Exit 4, with what to do."""
    job(home)
    assert cli("run", str(home / "config.yaml"), "-q").returncode == 0
    for name in os.listdir(home / "out" / STATE):
        (home / "out" / STATE / name).write_bytes(b"no database" * 1000)
    done = cli("run", str(home / "config.yaml"), *way)
    assert done.returncode == Exit.ENVIRONMENT
    assert "damaged" in done.stderr
    assert "--adopt" in done.stderr


def test_a_second_run_is_refused_and_names_the_first(home: Path) -> None:
    """Exit 4: process, machine and time."""
    plan = job(home)
    with pytest.raises(EnvironmentRefusal, match=f"pid {os.getpid()}"), _held(plan):
        again(plan)
    assert again(plan) == {"done": 3}


def _held(plan: Plan) -> Any:
    from pipeline.supervisor.keeping import kept

    os.makedirs(plan.output_root or "", exist_ok=True)
    return kept(plan, Options(), execution.NOTHING)


def test_old_runs_are_forgotten_and_items_are_not(home: Path) -> None:
    """`keep_runs`."""
    (home / "in/b.png").write_bytes(b"no picture")
    for _ in range(4):
        again(job(home, keep_runs=2))
    db = sqlite3.connect(home / "out" / STATE / "journal.sqlite")
    assert [row[0] for row in db.execute("SELECT id FROM runs ORDER BY id")] == [3, 4]
    assert [row[0] for row in db.execute("SELECT run FROM failures ORDER BY run")] == [3, 4]
    assert db.execute("SELECT count(*) FROM items").fetchone() == (3,)
    db.close()
