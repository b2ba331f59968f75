"""Readers with threads are killed at any time, with up to twenty items fetched and under way."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from harness import counts, plan_of, tree
from pictures import ramp

from pipeline.plan.model import Plan
from pipeline.scheduler import Scheduler
from pipeline.supervisor import execution
from pipeline.supervisor.hearing import Hearing

pytestmark = pytest.mark.usefixtures("at_once")


def job(home: Path, out: str, threads: int, **top: Any) -> Plan:
    reader = {"use": "folder", "path": str(home / "in"), "threads": threads}
    resize = {"resize": {"width": 16, "height": 16, "fit": "inside"}}
    writer = {"use": "files", "path": f"{home}/{out}/{{dir}}/{{stem}}.jpg"}
    return plan_of(home, reader, [[resize]], writer, on_error={"retries": 10}, **top)


@pytest.mark.parametrize(
    "top", [{}, {"fuse": "all"}, {"queues": {"order": "input"}}], ids=["staged", "fused", "in order"]
)
def test_readers_that_die_take_nothing_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, top: dict[str, Any]
) -> None:
    """What they had fetched is fetched again: every item is done once, and right."""
    chance = random.Random(1)
    pump, ready = Scheduler.pump, Hearing._on_ready
    readers: dict[int, Any] = {}
    killed = 0

    def on_ready(self: Hearing, handle: Any, record: Any) -> None:
        if handle.worker.group.number == 0:
            readers[handle.worker.name] = handle
        ready(self, handle, record)

    def pumped(core: Scheduler) -> None:
        nonlocal killed
        pump(core)
        up = [handle for handle in readers.values() if handle.process is not None and handle.worker.up]
        if killed < 6 and up and core.moved and chance.random() < 0.2:
            killed += 1
            os.kill(chance.choice(up).process.pid, signal.SIGKILL)

    for number in range(40):
        ramp(tmp_path / "in" / f"{number:03d}.png", 40 + number, 30)
    plain = execution.run(job(tmp_path, "plain", 0))
    monkeypatch.setattr(Hearing, "_on_ready", on_ready)
    monkeypatch.setattr(Scheduler, "pump", pumped)
    report = execution.run(job(tmp_path, "ahead", 20, **top))
    assert killed
    assert counts(report) == counts(plain) == {"done": 40}
    assert tree(tmp_path / "ahead") == tree(tmp_path / "plain")
