"""Bounds that hold while a run goes: queue places, memory, order, cores."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from harness import GATE, HARM, LOG, NUMBERED, counts, plan_of, stage

from pipeline.config.key_types import parse_cores
from pipeline.plan import machine
from pipeline.scheduler import Scheduler
from pipeline.supervisor import execution
from pipeline.supervisor.handle import Handle


@pytest.mark.parametrize("order", ["completed", "input"])
@pytest.mark.parametrize(("fan_out", "credit"), [(1, 2), (3, 2), (1, "auto")])
def test_queues_and_memory_keep_their_bounds(
    order: str, fan_out: int, credit: int | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow writer and frames of up to half the arena: waiting + leased <= depth + credit x workers, all the time."""
    pump, seen = Scheduler.pump, {"looks": 0, "most": 0}

    def watched(core: Scheduler) -> None:
        pump(core)
        seen["looks"] += 1
        for group in core.groups[1:]:
            leased = sum(worker.load for worker in group.workers)
            bound = group.plan.queue.depth + group.plan.queue.credit.most * group.plan.workers
            assert core.waiting(group) + leased <= bound
            assert core.state.run_lane.queues[group.number].occupied <= bound
        used = core.memory.pool.allocator.in_use  # type: ignore[attr-defined]
        seen["most"] = max(seen["most"], used)
        assert used <= core.plan.memory_nbytes

    monkeypatch.setattr(Scheduler, "pump", watched)
    plan = plan_of(
        tmp_path,
        {"use": "synthetic", "height": 700, "width": 900, "random_sizes": True, "frames": 80, "fan_out": fan_out,
         "fill": "none", "workers": 2},
        [["identity"]],
        {"use": "null", "delay_us": 2000},
        queues={"order": order, "depth": 3, "credit": credit, "memory": "4MiB"},
    )  # fmt: skip
    report = execution.run(plan)
    assert counts(report) == {"done": 80}
    assert report.frames == 80 * fan_out
    assert seen["looks"] > 80
    assert 0 < seen["most"] <= 4 << 20


@pytest.mark.parametrize("order", ["completed", "input"])
def test_one_place_and_one_lease_everywhere(order: str, tmp_path: Path) -> None:
    """The least of everything, with room for one of the largest frames and a slow writer: nothing waits in a circle."""
    plan = plan_of(
        tmp_path,
        {"use": "synthetic", "height": 700, "width": 900, "random_sizes": True, "frames": 60, "fill": "none",
         "workers": 2},
        [["identity"], ["identity"]],
        {"use": "null", "delay_us": 1000, "workers": 2},
        queues={"order": order, "depth": 1, "credit": 1, "memory": "4MiB"},
    )  # fmt: skip
    assert counts(execution.run(plan)) == {"done": 60}


@pytest.mark.alone
def test_idle_workers_are_told_apart(tmp_path: Path) -> None:
    """Before a slow group workers are blocked and not starved, though every record comes on its beat."""
    slow = {"use": "null", "delay_us": 20_000}
    plan = plan_of(tmp_path, {"use": NUMBERED, "items": 100}, [["identity"]], slow, queues={"depth": 2, "credit": 1})
    reader, step, writer = execution.run(plan).groups
    assert reader.blocked_s > 2 * reader.starved_s
    assert step.blocked_s > 2 * step.starved_s
    assert writer.busy_s > 2 * (writer.starved_s + writer.blocked_s)


def test_what_never_fits_fails_with_the_arithmetic(tmp_path: Path) -> None:
    """A frame larger than the arena is refused with both sizes and the remedy; the others are done."""
    plan = plan_of(
        tmp_path,
        {"use": "synthetic", "height": 1500, "width": 1500, "random_sizes": True, "frames": 12, "fill": "none"},
        [["identity"]],
        {"use": "null"},
        queues={"memory": "2MiB"},
    )
    report = execution.run(plan)
    assert report.ledger.failed
    assert report.ledger.done + report.ledger.failed == 12
    assert "the arena holds 2.0 MiB; raise `queues: {memory: ...}`" in report.failures[0].reason


def test_order_input_is_the_order_of_the_writes(tmp_path: Path) -> None:
    """With two workers a group and one writer, frames are written in input order."""
    log = tmp_path / "log"
    plan = plan_of(
        tmp_path, {"use": NUMBERED, "items": 40, "workers": 2}, [{"stages": [stage(HARM)], "workers": 2}],
        {"use": LOG, "log": str(log)}, queues={"order": "input"},
    )  # fmt: skip
    assert counts(execution.run(plan)) == {"done": 40}
    written = [int(line.split()[0]) for line in log.read_text().splitlines()]
    assert written == sorted(written)
    assert len(written) == 40


def test_every_thread_of_a_pinned_group_stays_on_its_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cpus_allowed_list of every thread of every worker is the set of its group, the other groups are free."""
    core, free = machine.usable_cores()[-1], set(os.sched_getaffinity(0))
    handles: list[Handle] = []
    start = Handle.start

    def watched(handle: Handle, *arguments: Any) -> None:
        start(handle, *arguments)
        handles.append(handle)

    seen: dict[str, set[frozenset[int]]] = {}

    def look(core_: Any) -> None:
        pump(core_)
        up = handles and all(handle.worker.up for handle in handles)
        if up and (tmp_path / "began.0").exists() and not seen:
            for handle in handles:
                assert handle.process is not None
                cores = {
                    frozenset(parse_cores(line.split()[1]))
                    for status in Path(f"/proc/{handle.process.pid}/task").glob("*/status")
                    for line in status.read_text().splitlines()
                    if line.startswith("Cpus_allowed_list")
                }
                seen.setdefault(handle.worker.group.name, set()).update(cores)
        if seen:
            (tmp_path / "go").touch()

    pump = Scheduler.pump
    monkeypatch.setattr(Handle, "start", watched)
    monkeypatch.setattr(Scheduler, "pump", look)
    gate = stage(GATE, began=str(tmp_path / "began"), go=str(tmp_path / "go"))
    plan = plan_of(
        tmp_path,
        {"use": NUMBERED, "items": 4},
        [{"stages": [gate, {"use": "resize", "with": {"width": 4}}], "cores": [core], "workers": 2}],
        {"use": "null"},
    )
    assert counts(execution.run(plan)) == {"done": 4}
    assert seen["step1"] == {frozenset([core])}
    assert frozenset(free) in seen["reader"]


def test_what_workers_are_forked_from_has_no_backend_and_one_thread(tmp_path: Path) -> None:
    """A worker is pinned before its backend is imported, and forking is safe: there is one thread and no stage yet."""
    import subprocess
    import sys

    from pipeline.supervisor.fork_server import CHILD_ENVIRONMENT

    code = (
        "import os, sys, pipeline.worker.worker_loop; loaded = {name.partition('.')[0] for name in sys.modules}; "
        "print(sorted(loaded & {'cv2', 'PIL', 'simplejpeg', 'cykooz_resizer', 'stages', 'pydantic', 'ruamel'}), "
        "len(os.listdir('/proc/self/task')))"
    )
    environment = os.environ | CHILD_ENVIRONMENT
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[] 1"
