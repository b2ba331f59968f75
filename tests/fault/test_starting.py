"""Workers that die with nothing in hand, or before they are ready: no item is blamed for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import FILES, NUMBERED, attempts, counts, plan_of, restarts, stage, tree
from stages_for_tests import numbered

from pipeline.errors import Exit
from pipeline.scheduler import Scheduler
from pipeline.supervisor import execution
from pipeline.supervisor.hearing import Hearing

pytestmark = pytest.mark.usefixtures("at_once")


@pytest.fixture
def gate() -> Iterator[Any]:
    """The reader's discovery waits until the test lets it go on."""
    numbered.OPEN.clear()
    yield numbered.OPEN
    numbered.OPEN.set()


def killed_when_ready(monkeypatch: pytest.MonkeyPatch, gate: Any, group: str, number: int = signal.SIGKILL) -> None:
    """The first worker of a group gets a signal once it is ready and has nothing; items come when that was noticed."""
    ready, lost = Hearing._on_ready, Scheduler.lost
    victims: list[int] = []

    def on_ready(self: Hearing, handle: Any, record: Any) -> None:
        ready(self, handle, record)
        if handle.worker.group.name == group and not victims:
            victims.append(handle.process.pid)
            os.kill(handle.process.pid, number)

    def noticed(self: Scheduler, worker: Any, running: int, cause: Any) -> None:
        assert not worker.leases
        lost(self, worker, running, cause)
        gate.set()

    monkeypatch.setattr(Hearing, "_on_ready", on_ready)
    monkeypatch.setattr(Scheduler, "lost", noticed)


@pytest.mark.parametrize("group", ["reader", "step1", "writer"])
def test_an_idle_worker_killed_costs_nobody_an_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Any, group: str
) -> None:
    """A death between two items: no attempt is charged, even where none may be made twice."""
    plan = plan_of(
        tmp_path,
        {"use": NUMBERED, "waits": True},
        [["identity"]],
        {"use": FILES, "path": f"{tmp_path}/out/{{stem}}.png"},
        on_error={"retries": 0},
    )
    killed_when_ready(monkeypatch, gate, group)
    report = execution.run(plan)
    assert (report.exit_code, counts(report)) == (Exit.OK, {"done": 6})
    assert restarts(report) == {group: 1}
    assert len(tree(tmp_path / "out")) == 6


@pytest.mark.parametrize(
    ("how", "reason"),
    [("missing", "No module named 'no_such_library'"), ("kill", "SIGKILL"), ("exit", "status 7"), ("segv", "SIGSEGV")],
)
def test_a_group_that_cannot_start_stops_the_run(tmp_path: Path, how: str, reason: str) -> None:
    """More than five workers in a row that end before Ready: exit 3, with the reason, and no item is blamed."""
    unready = stage("stages_for_tests.steps:Unready", how=how, marker=str(tmp_path / "mark.0"))
    report = execution.run(plan_of(tmp_path, {"use": NUMBERED}, [[unready]], {"use": "null"}))
    assert report.exit_code == Exit.STOPPED
    assert set(counts(report)) == {"cancelled"}
    assert "group 'step1' cannot start" in report.stopped
    assert reason in report.stopped
    assert attempts(tmp_path, 0) == 6


def test_a_missing_library_ends_the_run_at_once(tmp_path: Path) -> None:
    """What no worker can get over is the machine's fault: exit 4, with the remedy, and no worker is tried again."""
    unfit = stage("stages_for_tests.steps:Unready", how="unfit", marker=str(tmp_path / "mark.0"))
    report = execution.run(plan_of(tmp_path, {"use": NUMBERED}, [[unfit]], {"use": "null"}))
    assert report.exit_code == Exit.ENVIRONMENT
    assert "blur needs OpenCV: no libGL; apt install libgl1" in report.stopped
    assert set(counts(report)) == {"cancelled"}
    assert attempts(tmp_path, 0) == 1


def test_backoff_grows_and_ends() -> None:
    """0.1 s after the first death in a row, doubled each time, at most 5 s; none after a worker that got on."""
    from pipeline.scheduler.budget import backoff_s

    assert [backoff_s(deaths) for deaths in range(9)] == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert [backoff_s(deaths, has_started=True) for deaths in range(6)] == [0.0, 0.1, 0.2, 0.4, 0.4, 0.4]
