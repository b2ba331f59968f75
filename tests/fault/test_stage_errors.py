"""Stages that raise, skip, exit or answer wrongly: one line in the report, nobody else is disturbed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from harness import FILES, HARM, NUMBERED, attempts, cli, counts, fused, plan_of, restarts, stage, tree, write_config

from pipeline.errors import Exit
from pipeline.plan.model import Plan
from pipeline.supervisor import execution, serial
from pipeline.supervisor.report import Report

pytestmark = pytest.mark.usefixtures("at_once")

ITEMS = 5
ROLES = ("reader", "transform", "writer", "fused", "serial")


def outcome(folder: Path, role: str, how: str, *, times: int = -1, place: str = "", **top: Any) -> Report:
    """The report of a run with harm at one item, in the stage of a role or at a place of the chain."""
    harm = {"how": how, "at": [2], "times": times, "marker": str(folder / "mark")}
    place = place or ("transform" if role in ("fused", "serial") else role)
    plan = plan_of(
        folder,
        {"use": NUMBERED, "items": ITEMS, **(harm if place == "reader" else {})},
        [[stage(HARM, **(harm if place == "transform" else {}))]],
        {"use": FILES, "path": f"{folder}/out/{{stem}}.png", **(harm if place == "writer" else {})},
        **top,
    )
    if role == "serial":
        return serial.run(plan)
    return execution.run(fused(plan, 1) if role == "fused" else plan)


LABEL = {"reader": "Numbered", "transform": "Harm", "writer": "Files", "fused": "Harm", "serial": "Harm"}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("how", "kind", "reason"),
    [
        ("value", "error", "ValueError: bad luck on two lines"),
        ("item", "input", "is upside down"),
        ("spec", "spec", "wants dtype uint16, got uint8"),
        ("memory", "memory", "MemoryError"),
    ],
)
def test_an_error_fails_its_item_and_the_worker_stays(
    tmp_path: Path, role: str, how: str, kind: str, reason: str
) -> None:
    """Raised errors are never tried again; stage, kind and one line are told; the same worker does the others."""
    report = outcome(tmp_path, role, how)
    assert (report.exit_code, counts(report)) == (Exit.SOME_FAILED, {"done": ITEMS - 1, "failed": 1})
    (failure,) = report.failures
    assert (failure.item, failure.stage, failure.kind) == ("numbered:002", LABEL[role], kind)
    assert failure.reason.startswith(reason)
    assert attempts(tmp_path, 2) == 1
    assert not restarts(report)
    assert len(tree(tmp_path / "out")) == ITEMS - 1


@pytest.mark.parametrize("role", ROLES)
def test_skip_drops_a_frame_on_purpose(tmp_path: Path, role: str) -> None:
    """A skipped item is no failure: exit 0, and its reason is counted."""
    report = outcome(tmp_path, role, "skip")
    assert (report.exit_code, counts(report)) == (Exit.OK, {"done": ITEMS - 1, "skipped": 1})
    assert report.skips == {"too small": 1}


@pytest.mark.parametrize("role", ["reader", "transform", "writer", "fused"])
@pytest.mark.parametrize(("times", "done"), [(2, ITEMS), (3, ITEMS - 1)])
def test_an_error_that_may_pass_is_tried_again(tmp_path: Path, role: str, times: int, done: int) -> None:
    """An I/O error of the system has as many attempts as a crash; then the item fails, and is not quarantined."""
    report = outcome(tmp_path, role, "transient", times=times)
    assert counts(report) == {"done": done, **({"failed": 1} if done < ITEMS else {})}
    assert attempts(tmp_path, 2) == 3
    assert not restarts(report)
    if report.failures:
        assert (report.failures[0].kind, report.failures[0].what) == ("io", "input/output error")


@pytest.mark.parametrize("place", ["reader", "transform", "writer"])
@pytest.mark.parametrize("how", ["exit", "exit 0"])
@pytest.mark.parametrize("role", ["", "fused", "serial"])
def test_a_stage_that_wants_to_exit_fails_its_item(tmp_path: Path, role: str, how: str, place: str) -> None:
    """SystemExit, also with status 0, is this item's failure, and never the success of the run or of the worker."""
    report = outcome(tmp_path, role or place, how, place=place)
    assert (report.exit_code, counts(report)) == (Exit.SOME_FAILED, {"done": ITEMS - 1, "failed": 1})
    (failure,) = report.failures
    assert (failure.item, failure.stage) == ("numbered:002", LABEL[place])
    assert failure.reason.startswith("SystemExit")
    assert not restarts(report)


@pytest.mark.parametrize("role", ["reader", "transform", "writer", "fused"])
def test_what_is_no_exception_costs_its_item_only(tmp_path: Path, role: str) -> None:
    """A BaseException that nothing can pickle fails its item too."""
    report = outcome(tmp_path, role, "odd")
    assert report.exit_code == Exit.SOME_FAILED
    assert (report.ledger.done, report.ledger.lost) == (ITEMS - 1, 1)
    assert report.failures[0].item == "numbered:002"


@pytest.mark.parametrize("together", [False, True], ids=["staged", "fused"])
@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("no spec", "its output_spec returned NoneType; wants a Spec"),
        ("input", "read-only"),
        ("shape", "could not broadcast"),
        ("too long", "xxx"),
        ("no text", "a lone surrogate"),
    ],
)
def test_a_stage_that_does_not_keep_its_contract(tmp_path: Path, what: str, reason: str, together: bool) -> None:
    """Writing into the input, a wrong shape, no Spec, a reason without end or that no encoding takes: it fails."""
    plan = plan_of(
        tmp_path, {"use": NUMBERED, "items": 3}, [[stage("stages_for_tests.steps:Wrong", what=what)]], {"use": "null"}
    )
    report = execution.run(fused(plan, 1) if together else plan)
    assert (report.exit_code, counts(report)) == (Exit.SOME_FAILED, {"failed": 3})
    assert all(reason in failure.reason for failure in report.failures)
    assert not restarts(report)


def test_more_parts_than_declared_fail_the_item(tmp_path: Path) -> None:
    """An expanding stage is held to the number it declares."""
    tiles = stage("stages_for_tests.steps:Tiles", side=2, most=4)
    report = execution.run(plan_of(tmp_path, {"use": NUMBERED, "items": 2}, [[tiles]], {"use": "null"}))
    assert counts(report) == {"failed": 2}
    assert "more than the 4 frames it declares" in report.failures[0].reason


@pytest.mark.parametrize("streamed", [False, True])
def test_too_many_frames_fail_the_item(tmp_path: Path, streamed: bool) -> None:
    """`limits: {frames}` bounds what one item may hold, in workers and in one process."""
    reader = {"use": NUMBERED, "items": 2, "frames": 9, "streamed": streamed}
    plan = plan_of(tmp_path, reader, [], {"use": "null"}, limits={"frames": 8})
    for report in (execution.run(plan), serial.run(plan)):
        assert counts(report) == {"failed": 2}
        assert report.failures[0].reason == "has too many frames; `limits: {frames}` is 8"


# ---- when a run stops --------------------------------------------------------------------------------------------


def budget(folder: Path, items: int, bad: list[int], **on_error: Any) -> Plan:
    """Items of which some fail."""
    harm = stage(HARM, how="item", at=bad, marker=str(folder / "mark"))
    return plan_of(folder, {"use": NUMBERED, "items": items}, [[harm]], {"use": "null"}, on_error=on_error)


def test_policy_stop_ends_at_the_first_failure(tmp_path: Path) -> None:
    """Exit 3 with the reason; what was in flight is cancelled, and every item is accounted for."""
    for run in (execution.run, serial.run):
        report = run(budget(tmp_path, 300, [4], policy="stop"))
        assert report.exit_code == Exit.STOPPED
        assert report.ledger.balances
        assert report.ledger.failed == 1
        assert report.ledger.found < 300
        assert "stop" in report.stopped


@pytest.mark.parametrize(("most", "code"), [(2, Exit.STOPPED), (3, Exit.SOME_FAILED)])
def test_a_number_of_failures_counts_at_once(tmp_path: Path, most: int, code: Exit) -> None:
    """`max_failures: N` lets N items fail and stops at the next one."""
    for run in (execution.run, serial.run):
        report = run(budget(tmp_path, 300, [3, 5, 7], max_failures=most))
        assert report.exit_code == code
        assert report.ledger.balances
        assert (report.ledger.found == 300) == (code == Exit.SOME_FAILED)


@pytest.mark.parametrize(
    ("items", "step", "share", "code", "whole"),
    [
        (60, 5, "10%", Exit.SOME_FAILED, True),  # too few to judge: all were tried
        (60, 12, "10%", Exit.SOME_FAILED, True),
        (900, 5, "10%", Exit.STOPPED, False),
        (260, 5, "50%", Exit.SOME_FAILED, True),
        (20, 1, "100%", Exit.SOME_FAILED, True),
    ],
)
def test_a_share_of_failures_is_judged_after_two_hundred(
    tmp_path: Path, items: int, step: int, share: str, code: Exit, whole: bool
) -> None:
    """A percentage means nothing among the first few; a run that tried every item was not stopped."""
    report = execution.run(budget(tmp_path, items, list(range(0, items, step)), max_failures=share))
    assert report.exit_code == code
    assert report.ledger.balances
    assert (report.ledger.found == items) == whole
    if code == Exit.STOPPED:
        assert "`on_error: {max_failures}`" in report.stopped
    if not whole:
        assert report.ledger.done + report.ledger.failed >= 200


def test_quarantined_items_count_as_lost(tmp_path: Path) -> None:
    """Crashes use up the budget as failures do."""
    report = outcome(tmp_path, "transform", "kill", on_error={"max_failures": 0, "retries": 0})
    assert report.exit_code == Exit.STOPPED
    assert report.ledger.quarantined == 1


def test_no_failure_is_left_out_of_the_report(tmp_path: Path) -> None:
    """All failures are counted; the list holds the first thousand and says how many it left out."""
    report = execution.run(budget(tmp_path, 1100, [], max_failures="none"))
    assert counts(report) == {"failed": 1100}
    assert (len(report.failures), report.failures_left_out) == (1000, 100)


def test_the_command_ends_with_the_code_of_the_report(tmp_path: Path) -> None:
    """0, 1 and 3 reach the shell."""
    for bad, most, code in (([9], 0, 0), ([1], 1, 1), ([1], 0, 3)):
        harm = stage(HARM, how="item", at=bad, marker=str(tmp_path / "mark"))
        path = write_config(
            tmp_path, {"use": NUMBERED, "items": 4}, [[harm]], {"use": "null"}, on_error={"max_failures": most}
        )
        done = cli("run", str(path), "--allow-code", "-q")
        assert done.returncode == code, done.stderr
        assert ("is upside down" in done.stderr) == bool(code)
        assert os.linesep not in done.stdout
