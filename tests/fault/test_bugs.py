"""Bugs in stages: the file, the line and the function are told, and the stage is named whenever it ran."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from harness import DEADLINE_S, NUMBERED, cli, command, counts, environment, fused, plan_of, stage, write_config

from pipeline.errors import Exit
from pipeline.supervisor import execution, serial
from pipeline.supervisor.report import Report

pytestmark = pytest.mark.usefixtures("at_once")

BUGGY = stage("stages_for_tests.talk:Buggy")
ASKED = "stages_for_tests.talk:Asked"
PLACE = re.compile(r"talk\.py:\d+ in element")


@pytest.mark.parametrize("way", ["staged", "fused", "serial"])
def test_a_bug_is_told_with_file_line_and_function(tmp_path: Path, way: str) -> None:
    """The deepest call within the stage's file is in the one-line reason; the traceback is kept whole."""
    plan = plan_of(tmp_path, {"use": NUMBERED, "items": 2}, [[BUGGY]], {"use": "null"})
    report = serial.run(plan) if way == "serial" else execution.run(fused(plan, 1) if way == "fused" else plan)
    assert counts(report) == {"failed": 2}
    for failure in report.failures:
        assert (failure.stage, failure.kind) == ("Buggy", "error")
        assert failure.what.startswith("IndexError: index 1000000000 is out of bounds")
        assert PLACE.fullmatch(failure.where)
        assert failure.reason == f"{failure.what} ({failure.where})"
        assert failure.traceback.startswith("Traceback (most recent call last):")
        assert failure.traceback.splitlines()[-1] == failure.what
        assert "in process" in failure.traceback
        assert "/pipeline/worker/" not in failure.traceback, "calls of the engine tell an author nothing"


def test_what_is_no_bug_has_no_traceback(tmp_path: Path) -> None:
    """A refusal of a stage is told in its own words, with limit and remedy apart."""
    wrong = stage("stages_for_tests.steps:Wrong", what="no spec")
    report = execution.run(plan_of(tmp_path, {"use": NUMBERED, "items": 1}, [[wrong]], {"use": "null"}))
    (failure,) = report.failures
    assert (failure.kind, failure.where, failure.traceback) == ("spec", "", "")
    assert (failure.what, failure.limit) == ("its output_spec returned NoneType", "wants a Spec")


@pytest.mark.parametrize("more", [["-v"], ["--serial", "-v"]], ids=" ".join)
def test_the_command_shows_the_traceback_where_it_is_asked_for(tmp_path: Path, more: list[str]) -> None:
    """One line without -v; whole with it, in --json and in --log in any case."""
    config = str(write_config(tmp_path, {"use": NUMBERED, "items": 1}, [[BUGGY]], {"use": "null"}))
    short = cli("run", config, "--allow-code", *more[:-1])
    assert short.returncode == Exit.SOME_FAILED
    assert PLACE.search(short.stderr)
    assert "Traceback" not in short.stderr
    log = tmp_path / "log.json"
    long = cli("run", config, "--allow-code", "--json", "--log", str(log), *more)
    assert re.search(r'File ".*talk\.py", line \d+, in element', long.stderr)
    (failure,) = json.loads(long.stdout)["failures"]
    entry = next(each for each in map(json.loads, log.read_text().splitlines()) if each.get("outcome") == "failed")
    assert failure["traceback"] == entry["traceback"]
    assert entry["where"] == failure["where"]
    assert failure["traceback"].count("\n") > 3


def test_the_debugger_stops_at_the_line(tmp_path: Path) -> None:
    """`--serial --pdb`: a prompt at the faulting line of the stage's file, with its variables."""
    config = str(write_config(tmp_path, {"use": NUMBERED, "items": 1}, [[BUGGY]], {"use": "null"}))
    done = subprocess.run(
        command("run", config, "--allow-code", "--serial", "--pdb"), input="p place\nwhere\nq\n", capture_output=True,
        text=True, check=False, timeout=DEADLINE_S, env=environment(),
    )  # fmt: skip
    assert re.search(r"> .*talk\.py\(\d+\)element\(\)", done.stdout)
    assert "return int(pixels.reshape(-1)[place])" in done.stdout
    assert "1000000000" in done.stdout
    assert done.returncode == Exit.SOME_FAILED


def test_the_debugger_wants_one_process(tmp_path: Path) -> None:
    """Without --serial it is refused, with the remedy."""
    config = str(write_config(tmp_path, {"use": NUMBERED}, [], {"use": "null"}))
    done = cli("run", config, "--pdb", "--allow-code")
    assert done.returncode == Exit.USAGE
    assert "add --serial" in done.stderr


@pytest.mark.parametrize("what", ["output_spec", "required_input"])
@pytest.mark.parametrize(
    ("how", "kind"), [("kill", "crash"), ("segv", "crash"), ("exit", "error"), ("sleep", "timeout")]
)
def test_a_stage_that_is_asked_for_its_spec_is_named(tmp_path: Path, how: str, kind: str, what: str) -> None:
    """A crash, an exit or a time-out then is that stage's, and not the reader's that asks it."""
    asked = stage(ASKED, how=how, marker=str(tmp_path / "mark"), what=what)
    reader = {"use": "folder", "path": "samples/photos", "include": ["shore.jpg"]}
    plan = plan_of(
        tmp_path, reader, [["orient"], [asked]], {"use": "null"}, on_error={"retries": 0}, timeout="500ms"
    )  # fmt: skip
    report = execution.run(plan)
    (failure,) = report.failures
    assert (failure.stage, failure.kind) == ("Asked", kind)


def defect(report: Report) -> None:
    """What a report of a run says that one of our own defects ended."""
    assert report.exit_code == Exit.INTERNAL
    assert report.ledger.balances
    assert "RuntimeError: a bug of ours" in report.stopped
    assert "please report it" in report.stopped
    assert "in broken_pump" in report.traceback


def test_a_run_that_began_gives_its_report_whatever_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect of the engine itself amidst the run: exit 70, the ledger balances, the traceback is there."""
    from pipeline.scheduler import Scheduler

    pump = Scheduler.pump

    def broken_pump(core: Scheduler) -> None:
        pump(core)
        if core.moved > 9:
            raise RuntimeError("a bug of ours")

    monkeypatch.setattr(Scheduler, "pump", broken_pump)
    defect(execution.run(plan_of(tmp_path, {"use": NUMBERED, "items": 40}, [["identity"]], {"use": "null"})))
