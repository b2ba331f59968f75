"""Workers that are killed, crash or hang at work: nothing is lost, the guilty item is named, the innocent are done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from harness import FILES, HARM, NUMBERED, attempts, counts, fused, plan_of, restarts, stage, tree

from pipeline.errors import Exit
from pipeline.plan.model import Plan
from pipeline.supervisor import execution

pytestmark = pytest.mark.usefixtures("at_once")

ITEMS = 8
ROLES = ("reader", "transform", "writer", "fused")


def harmed(
    folder: Path, role: str, how: str, *, at: int = 3, times: int = -1, when: str = "before", **top: Any
) -> Plan:
    """Numbered pictures to files, with harm in one role at one item; the outputs are in `out`."""
    harm = {"how": how, "at": [at], "times": times, "marker": str(folder / "mark")}
    place = "transform" if role == "fused" else role
    plan = plan_of(
        folder,
        {"use": NUMBERED, "items": ITEMS, **(harm if place == "reader" else {})},
        [[stage(HARM, **(harm if place == "transform" else {}))]],
        {"use": FILES, "path": f"{folder}/out/{{stem}}.png", **({**harm, "when": when} if place == "writer" else {})},
        **top,
    )
    return fused(plan, 1) if role == "fused" else plan


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The outputs of an undisturbed run."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert counts(execution.run(harmed(folder, "transform", ""))) == {"done": ITEMS}
    return tree(folder / "out")


@pytest.mark.parametrize("role", ROLES)
def test_a_worker_killed_at_work_costs_one_retry(tmp_path: Path, role: str, expected: dict[str, str]) -> None:
    """SIGKILL in the middle of an item: it is done again by a new worker, and all outputs are right."""
    report = execution.run(harmed(tmp_path, role, "kill", times=1))
    assert (report.exit_code, counts(report)) == (Exit.OK, {"done": ITEMS})
    assert tree(tmp_path / "out") == expected
    assert attempts(tmp_path, 3) == 2
    assert restarts(report) == {{"transform": "step1", "fused": "all"}.get(role, role): 1}


@pytest.mark.parametrize("when", ["within", "after"])
def test_a_writer_killed_within_or_after_its_write(tmp_path: Path, when: str, expected: dict[str, str]) -> None:
    """Half a temporary file is swept; an output whose Done never came is written again, the same."""
    report = execution.run(harmed(tmp_path, "writer", "kill", times=1, when=when))
    assert counts(report) == {"done": ITEMS}
    assert tree(tmp_path / "out") == expected
    assert attempts(tmp_path, 3) == 2


@pytest.mark.parametrize("role", ROLES)
def test_poison_is_quarantined_and_the_others_are_done(tmp_path: Path, role: str, expected: dict[str, str]) -> None:
    """An item that kills its worker each time has three attempts; stage and signal are told, no other is blamed."""
    report = execution.run(harmed(tmp_path, role, "kill", queues={"credit": 4}))
    assert (report.exit_code, counts(report)) == (Exit.SOME_FAILED, {"done": ITEMS - 1, "quarantined": 1})
    assert tree(tmp_path / "out") == {name: hash_ for name, hash_ in expected.items() if name != "003.png"}
    assert attempts(tmp_path, 3) == 3
    (failure,) = report.failures
    assert failure.item == "numbered:003"
    assert failure.stage == {"reader": "Numbered", "writer": "Files"}.get(role, "Harm")
    assert failure.kind == "crash"  # the kernel did not end it for want of memory
    assert "SIGKILL" in failure.reason
    assert "3 attempts" in failure.reason
    assert sum(restarts(report).values()) <= 4  # three deaths, and one worker made fresh for the last attempt


def test_two_poisons_leased_together(tmp_path: Path) -> None:
    """Only the guilty are charged, though two of them and innocent ones lie in the hands of one worker."""
    plan = plan_of(
        tmp_path,
        {"use": NUMBERED, "items": ITEMS},
        [[stage(HARM, how="kill", at=[2, 3], marker=str(tmp_path / "mark"))]],
        {"use": "null"},
        queues={"credit": 4},
    )
    report = execution.run(plan)
    assert counts(report) == {"done": ITEMS - 2, "quarantined": 2}
    assert {failure.item for failure in report.failures} == {"numbered:002", "numbered:003"}
    assert [attempts(tmp_path, number) for number in (2, 3)] == [3, 3]


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_retries_are_as_many_as_asked_for(tmp_path: Path, retries: int) -> None:
    """`on_error: {retries: N}` makes N further attempts."""
    report = execution.run(harmed(tmp_path, "transform", "kill", on_error={"retries": retries}))
    assert counts(report) == {"done": ITEMS - 1, "quarantined": 1}
    assert attempts(tmp_path, 3) == retries + 1


@pytest.mark.parametrize(("how", "name"), [("segv", "SIGSEGV"), ("abort", "SIGABRT")])
def test_a_crash_in_a_fused_group_names_its_stage(tmp_path: Path, how: str, name: str) -> None:
    """The third of five stages of a worker crashes: stage, signal and faulthandler's words are in the report."""
    plan = plan_of(
        tmp_path,
        {"use": NUMBERED, "items": 4},
        [
            [
                "identity",
                stage(HARM, how=how, at=[1], marker=str(tmp_path / "mark")),
                {"crop": {"width": 2, "height": 2}},
            ]
        ],
        {"use": "null"},
    )
    report = execution.run(fused(plan, 1))
    assert counts(report) == {"done": 3, "quarantined": 1}
    (failure,) = report.failures
    assert (failure.item, failure.stage, failure.kind) == ("numbered:001", "Harm", "crash")
    assert name in failure.reason
    assert "Fatal Python error" in failure.reason


@pytest.mark.parametrize("how", ["sleep", "spin", "stop"])
def test_a_worker_that_hangs_meets_the_timeout(tmp_path: Path, how: str, expected: dict[str, str]) -> None:
    """Asleep, in an endless loop or stopped by a signal: its item is quarantined as timed out after its attempts."""
    report = execution.run(harmed(tmp_path, "transform", how, timeout="300ms", on_error={"retries": 1}))
    assert counts(report) == {"done": ITEMS - 1, "quarantined": 1}
    assert tree(tmp_path / "out") == {name: hash_ for name, hash_ in expected.items() if name != "003.png"}
    (failure,) = report.failures
    assert (failure.item, failure.stage, failure.kind) == ("numbered:003", "Harm", "timeout")
    assert "`timeout`" in failure.reason
    assert attempts(tmp_path, 3) == 2


@pytest.mark.parametrize("how", ["sleep", "stop"])
def test_a_hang_that_does_not_come_back_is_done(tmp_path: Path, how: str, expected: dict[str, str]) -> None:
    """One time-out is an attempt, and no more than that."""
    report = execution.run(harmed(tmp_path, "reader", how, times=1, timeout="300ms"))
    assert counts(report) == {"done": ITEMS}
    assert tree(tmp_path / "out") == expected


@pytest.mark.parametrize("times", [1, -1])
def test_an_expanding_worker_killed_among_its_parts(tmp_path: Path, times: int) -> None:
    """Parts that were sent on before the death are made once only; a poison among them costs its own item."""
    trees = []
    for harm in (0, times):
        folder = tmp_path / str(harm)
        folder.mkdir()
        tiles = stage(
            "stages_for_tests.steps:Tiles", side=4, how="kill", at=[1], times=harm, marker=str(folder / "mark")
        )
        plan = plan_of(
            folder,
            {"use": NUMBERED, "items": 4, "width": 12},
            [[tiles]],
            {"use": "files", "path": f"{folder}/out/{{stem}}-{{index}}.png"},
        )
        report = execution.run(plan)
        assert counts(report) == ({"done": 3, "quarantined": 1} if harm < 0 else {"done": 4})
        trees.append(tree(folder / "out"))
    whole = {name: hash_ for name, hash_ in trees[0].items() if times > 0 or not name.startswith("001")}
    assert {name: hash_ for name, hash_ in trees[1].items() if times > 0 or not name.startswith("001")} == whole
