"""Any process of the tree below the run is killed at any time: each item is done once, and every output is right."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from harness import counts, plan_of, stage, tree

from pipeline.scheduler import Scheduler
from pipeline.supervisor import execution, serial
from pipeline.supervisor.fork_server import ForkServer
from pipeline.supervisor.hearing import Hearing

pytestmark = pytest.mark.usefixtures("at_once")


def test_the_fork_server_killed_takes_its_workers_along_and_costs_nobody_an_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that workers are forked from dies amidst the run: all workers are replaced, every item is done."""
    pump, killed = Scheduler.pump, list[int]()
    made: list[ForkServer] = []
    start = ForkServer._start

    def started(self: ForkServer) -> None:
        start(self)
        made.append(self)

    def pumped(core: Scheduler) -> None:
        pump(core)
        if core.moved >= 20 and not killed and made:
            killed.append(made[0]._process.pid)
            os.kill(killed[0], signal.SIGKILL)

    monkeypatch.setattr(ForkServer, "_start", started)
    monkeypatch.setattr(Scheduler, "pump", pumped)
    plan = plan_of(
        tmp_path,
        {"use": "synthetic", "height": 30, "width": 40, "frames": 60, "workers": 2},
        [{"stages": ["identity"], "workers": 2}],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}-{{index}}.png"},
        on_error={"retries": 0},
    )
    report = execution.run(plan)
    assert counts(report) == {"done": 60}
    assert killed
    assert len(made) == 2
    assert len(tree(tmp_path / "out")) == 60


@pytest.mark.parametrize("seed", range(4))
def test_random_kills_of_any_worker_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """A dozen workers are killed or crash at random: each item is done once, and every output is right."""
    chance = random.Random(seed)
    pump, ready = Scheduler.pump, Hearing._on_ready
    handles: dict[int, Any] = {}
    kills = 12

    def on_ready(self: Hearing, handle: Any, record: Any) -> None:
        handles[handle.worker.name] = handle
        ready(self, handle, record)

    def pumped(core: Scheduler) -> None:
        nonlocal kills
        pump(core)
        up = [handle for handle in handles.values() if handle.process is not None and handle.worker.up]
        if kills and up and core.moved and chance.random() < 0.1:
            kills -= 1
            os.kill(chance.choice(up).process.pid, chance.choice((signal.SIGKILL, signal.SIGSEGV)))

    monkeypatch.setattr(Hearing, "_on_ready", on_ready)
    monkeypatch.setattr(Scheduler, "pump", pumped)
    reader = {"use": "synthetic", "height": 30, "width": 40, "random_sizes": True, "workers": 2}
    reader |= ({"frames": 200}, {"frames": 50, "fan_out": 4}, {"frames": 40, "streams": 4}, {"frames": 120})[seed]
    groups: list[Any] = [["identity", {"resize": {"width": 20, "height": 20}}]]
    if seed == 3:
        groups.append([stage("stages_for_tests.steps:Tiles", side=10, most=4)])
    made = []
    for run in (execution.run, serial.run):
        out = tmp_path / run.__module__
        report = run(
            plan_of(
                tmp_path,
                reader,
                [{"stages": group, "workers": 2} for group in groups],
                {"use": "files", "path": f"{out}/{{stem}}-{{index}}.png", "workers": 2},
                queues={"order": "input" if seed % 2 else "completed"},
                on_error={"retries": 10},
            )
        )
        assert set(counts(report)) == {"done"}
        made.append(tree(out))
    assert made[0] == made[1]
    assert kills < 12
