"""Workers are replaced in peace, after so many frames or when they have grown; nothing is lost by it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from harness import FILES, NUMBERED, command, counts, environment, fused, plan_of, restarts, stage, tree, until
from pictures import ramp

import pipeline
from pipeline.plan.machine import memory_kills
from pipeline.supervisor import execution

ITEMS = 30
SLOW = {"use": "stages_for_tests.steps:Pause", "with": {"ms": 10}}


def plan(folder: Path, *stages: Any, **top: Any) -> Any:
    writer = {"use": FILES, "path": f"{folder}/out/{{stem}}.png"}
    return plan_of(folder, {"use": NUMBERED, "items": ITEMS, "workers": 2}, [list(stages) or [SLOW]], writer, **top)


@pytest.mark.parametrize("shape", ["staged", "in order", "fused"])
def test_after_so_many_frames(tmp_path: Path, shape: str) -> None:
    """Each worker goes after five; every output is as without it, and nothing counts as a crash."""
    order = {"order": "input"} if shape == "in order" else {}
    expected = execution.run(plan(tmp_path / "once", queues=order)) if (tmp_path / "once").mkdir() is None else None
    assert expected is not None
    job = plan(tmp_path, recycle={"items": 5}, queues=order)
    report = execution.run(fused(job, 2) if shape == "fused" else job)
    assert counts(report) == {"done": ITEMS}
    assert tree(tmp_path / "out") == tree(tmp_path / "once/out")
    assert sum(restarts(report).values()) >= 2
    assert report.failures == []


def test_stages_are_closed(tmp_path: Path) -> None:
    """A worker that is replaced says goodbye as at the end of a run."""
    (tmp_path / "tidy.py").write_text(
        "import os\nfrom dataclasses import dataclass\nfrom pipeline import Transform\n\n"
        "@dataclass(frozen=True)\nclass Tidy(Transform):\n    folder: str\n\n"
        "    def process(self, frame, out):\n        out[...] = frame.pixels\n\n"
        "    def close(self):\n        open(f'{self.folder}/closed.{os.getpid()}', 'w').close()\n"
    )
    tidy = {"use": f"{tmp_path}/tidy.py:Tidy", "with": {"folder": str(tmp_path)}}
    report = execution.run(plan(tmp_path, tidy, SLOW, recycle={"items": 8}))
    assert counts(report) == {"done": ITEMS}
    closed, replaced = len(list(tmp_path.glob("closed.*"))), restarts(report)["step1"]
    assert replaced <= closed <= replaced + 1  # the last one may still be starting when all is done
    assert replaced >= 1


def test_once_it_has_grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that leaks does not take the machine's memory."""
    monkeypatch.setattr("pipeline.supervisor.recycling.SIZES_S", 0.0)
    (tmp_path / "leaky.py").write_text(
        "import time\nKEPT = []\n\ndef leaky(pixels):\n    KEPT.append(bytearray(b'x' * (8 << 20)))\n"
        "    time.sleep(0.01)\n    return pixels\n"
    )
    report = execution.run(plan(tmp_path, f"{tmp_path}/leaky.py:leaky", recycle={"memory": "100MB"}))
    assert counts(report) == {"done": ITEMS}
    assert restarts(report)["step1"] >= 1
    (largest,) = (group.rss_nbytes for group in report.groups if group.name == "step1")
    assert largest < 240_000_000  # all of it together would be 240 MB and what a worker has anyway


def laid_out(root: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return str(root)


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({}, 0),
        ({"proc/vmstat": "nr_free 5\noom_kill 3\n"}, 3),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.events": "low 0\noom 7\noom_kill 2\n"}, 2),
        (
            {
                "proc/self/cgroup": "4:memory:/a\n",
                "sys/fs/cgroup/memory/a/memory.oom_control": "under_oom 0\noom_kill 4",
            },
            4,
        ),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.events": "oom_kill nonsense\n"}, 0),
    ],
)
def test_memory_kills_are_counted(tmp_path: Path, files: dict[str, str], kills: int) -> None:
    """In the cgroup of either version, and on the machine."""
    assert memory_kills(laid_out(tmp_path, files)) == kills


@pytest.mark.usefixtures("at_once")
def test_a_memory_kill_is_told_from_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's count rose: the item is tried again alone, and its failure says memory."""
    counted = iter(range(100))
    monkeypatch.setattr("pipeline.supervisor.workers.memory_kills", lambda: next(counted))
    harm = stage("stages_for_tests.steps:Harm", how="kill", at=[3], marker=str(tmp_path / "mark"))
    report = execution.run(plan(tmp_path, harm, on_error={"retries": 1}))
    assert counts(report) == {"done": ITEMS - 1, "quarantined": 1}
    (failure,) = report.failures
    assert (failure.kind, "memory ran out" in failure.reason) == ("memory", True)
    assert os.path.basename(failure.item) == "numbered:003"


def _removed(folder: Path) -> bool:
    """The kernel keeps it for a moment after its last process."""
    with suppress(OSError):
        folder.rmdir()
    return not folder.exists()


@pytest.fixture
def small_cgroup() -> Iterator[Path]:
    """A cgroup of 600 MB, of whichever version this machine has."""
    for base, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        folder = Path(base, f"pipeline-test-{os.getpid()}")
        try:
            folder.mkdir()
        except OSError:
            continue
        if (folder / limit).exists():
            break
        folder.rmdir()
    else:
        pytest.skip("this machine lets nobody make a cgroup that limits memory")
    (folder / limit).write_text("600000000")
    yield folder
    until(lambda: _removed(folder), "the cgroup is empty")


@pytest.mark.alone  # the kernel counts its kills for the whole machine, and others would take theirs for one
def test_a_real_memory_kill(tmp_path: Path, small_cgroup: Path) -> None:
    """The kernel ends the worker that takes too much: its item is quarantined, kind memory; the others are done."""
    (tmp_path / "hog.py").write_text(
        "def hog(pixels):\n    if pixels.ravel()[0] == 3:\n        bytearray(b'x' * (2 << 30))\n    return pixels\n"
    )
    plan(tmp_path, f"{tmp_path}/hog.py:hog", on_error={"retries": 1})
    run = command("run", str(tmp_path / "config.yaml"), "--allow-code", "--json", "-q")
    joined = ["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(small_cgroup), *run]
    done = subprocess.run(joined, capture_output=True, text=True, check=False, env=environment())
    report = json.loads(done.stdout)
    assert (report["done"], report["quarantined"], done.returncode) == (ITEMS - 1, 1, 1), done.stderr
    (failure,) = report["failures"]
    assert (failure["kind"], os.path.basename(failure["item"])) == ("memory", "numbered:003")
    assert "memory ran out" in failure["reason"]


def test_the_caller_is_not_recycled(tmp_path: Path) -> None:
    """Your loop takes the place of the writer; the workers before it are replaced."""
    plan(tmp_path, SLOW, recycle={"items": 5, "memory": "10GB"})
    with pipeline.frames(str(tmp_path / "config.yaml"), allow_code=True) as frames:
        assert sum(1 for _ in frames) == ITEMS
    assert frames.report.ledger.done == ITEMS
    assert list(frames.report.sandbox.values())[-1] == "none: it is the loop of the caller"
    assert restarts(frames.report)["step1"] >= 2


def test_one_that_hangs_while_it_closes_is_ended(tmp_path: Path) -> None:
    """After `timeout`; nothing is lost with it, and nothing is blamed."""
    (tmp_path / "stuck.py").write_text(
        "import os, time\nfrom dataclasses import dataclass\nfrom pipeline import Transform\n\n"
        "@dataclass(frozen=True)\nclass Stuck(Transform):\n"
        "    def process(self, frame, out):\n        out[...] = frame.pixels\n\n"
        f"    def close(self):\n        if not os.path.exists('{tmp_path}/mark'):\n"
        f"            open('{tmp_path}/mark', 'w').close()\n            time.sleep(600)\n"
    )
    stuck = {"use": f"{tmp_path}/stuck.py:Stuck"}
    report = execution.run(plan(tmp_path, stuck, SLOW, recycle={"items": 10}, timeout="500ms"))
    assert counts(report) == {"done": ITEMS}
    assert report.failures == []
    assert restarts(report)["step1"] >= 2


def test_writers_of_streams_are_recycled_between_two(tmp_path: Path) -> None:
    """A film holds its writer; the next one begins with another."""
    for film in range(5):
        for number in range(6):
            ramp(tmp_path / f"in/{film}/{number}.png", 16, 16)
    reader = {"use": "sequence", "path": str(tmp_path / "in"), "fps": 5}
    writer = {"use": "video", "path": f"{tmp_path}/out/{{stem}}.mkv", "codec": "ffv1", "workers": 1}
    report = execution.run(plan_of(tmp_path, reader, [[SLOW]], writer, recycle={"items": 5}))
    assert counts(report) == {"done": 5}
    assert restarts(report)["writer"] >= 2
