"""The process that workers are forked from may be killed, stopped or hang at any moment."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from harness import counts, plan_of, tree

from pipeline.errors import EnvironmentRefusal, Exit
from pipeline.scheduler import Scheduler
from pipeline.supervisor import execution, fork_server
from pipeline.supervisor.fork_server import ForkServer

FRAMES = 60


def films(folder: Path) -> Any:
    return plan_of(
        folder, {"use": "synthetic", "height": 30, "width": 40, "frames": FRAMES, "workers": 2},
        [{"stages": ["identity"], "workers": 2}],
        {"use": "files", "path": f"{folder}/out/{{stem}}.png"}, on_error={"retries": 0},
    )  # fmt: skip


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The process ids of all fork servers."""
    pids: list[int] = []
    start = ForkServer._start

    def started(self: ForkServer) -> None:
        start(self)
        pids.append(self._process.pid)

    monkeypatch.setattr(ForkServer, "_start", started)
    return pids


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pauses are noted and not made."""
    asked: list[int] = []
    monkeypatch.setattr("pipeline.supervisor.workers.backoff_s", lambda deaths: asked.append(deaths) or 0.0)
    return asked


def test_one_that_is_killed_while_it_starts_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[int], at_once: list[int]
) -> None:
    """Before its first answer too: it costs a pause, and no item."""
    fork = ForkServer.fork

    def killed(self: ForkServer, boot: Any, fds: Any) -> Any:
        if len(made) <= 3:
            os.kill(made[-1], signal.SIGKILL)
        return fork(self, boot, fds)

    monkeypatch.setattr(ForkServer, "fork", killed)
    report = execution.run(films(tmp_path))
    assert counts(report) == {"done": FRAMES}
    assert len(made) == 4
    assert at_once == [1, 2, 3]
    assert len(tree(tmp_path / "out")) == FRAMES


def test_six_in_a_row_without_a_frame_stop_the_run_with_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[int], at_once: list[int]
) -> None:
    """Exit 3 and not 4: the ledger balances, and the reason says where to look."""
    fork = ForkServer.fork

    def killed(self: ForkServer, boot: Any, fds: Any) -> Any:
        os.kill(made[-1], signal.SIGKILL)
        return fork(self, boot, fds)

    monkeypatch.setattr(ForkServer, "fork", killed)
    report = execution.run(films(tmp_path))
    assert report.exit_code == Exit.STOPPED
    assert set(counts(report)) == {"cancelled"}
    assert "was lost 6 times, and no frame was finished" in report.stopped
    assert "dmesg" in report.stopped
    assert len(made) == 6
    assert at_once == [1, 2, 3, 4, 5]


def test_one_that_hangs_is_replaced_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[int]
) -> None:
    """Stopped when it was ready: a worker that is needed anew does not wait for it for long."""
    monkeypatch.setattr(fork_server, "ANSWER_S", 0.2)
    pump, stopped = Scheduler.pump, list[int]()

    def pumped(core: Scheduler) -> None:
        pump(core)
        if core.moved >= 20 and not stopped and made:
            stopped.append(made[0])
            os.kill(made[0], signal.SIGSTOP)
            for child in Path(f"/proc/{made[0]}/task/{made[0]}/children").read_text().split()[:1]:
                os.kill(int(child), signal.SIGKILL)

    monkeypatch.setattr(Scheduler, "pump", pumped)
    plan = films(tmp_path)
    report = execution.run(plan)
    assert report.exit_code in (Exit.OK, Exit.SOME_FAILED), report.stopped
    assert report.ledger.done + report.ledger.quarantined == FRAMES
    assert len(made) == 2


def test_one_that_cannot_start_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[int]
) -> None:
    """It ends by itself, as the next one would: exit 4 with the report, and no second attempt."""
    monkeypatch.setattr(fork_server, "ENTRY", "import sys; sys.exit(3)")
    report = execution.run(films(tmp_path))
    assert report.exit_code == Exit.ENVIRONMENT == EnvironmentRefusal.exit_code
    assert "did not get ready (exit status 3)" in report.stopped
    assert set(counts(report)) == {"cancelled"}
    assert len(made) == 1
