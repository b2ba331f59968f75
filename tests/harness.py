"""Plans, runs and what came of them, for tests of the whole engine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import config
from pipeline.plan import planning
from pipeline.plan.model import GroupPlan, Plan
from pipeline.supervisor.report import Report

ROOT = Path(__file__).parents[1]
NUMBERED = "stages_for_tests.numbered:Numbered"
HARM = "stages_for_tests.steps:Harm"
GATE = "stages_for_tests.steps:Gate"
FILES = "stages_for_tests.ends:Files"
FILM = "stages_for_tests.ends:Film"
PROJECTOR = "stages_for_tests.ends:Projector"
HARM_FILM = "stages_for_tests.steps:HarmFilm"
LOG = "stages_for_tests.ends:Log"
DEADLINE_S = 60.0
STATE = ".pipeline"
Stages = dict[str, Any] | list[Any]


def stage(ref: str, **params: Any) -> dict[str, Any]:
    """A transform in the form a config has it, named after its class."""
    return {"use": ref, "with": params}


def write_config(
    folder: Path, reader: dict[str, Any], transforms: Sequence[Stages], writer: dict[str, Any], **top: Any
) -> Path:
    """A config file of one worker a group and 16 MiB unless it says otherwise; JSON is YAML."""
    groups = [group if isinstance(group, dict) else {"stages": group} for group in transforms]
    data = {
        "version": 1,
        "reader": {"workers": 1, **reader},
        "transforms": [{"name": f"step{number}", "workers": 1, **group} for number, group in enumerate(groups, 1)],
        "writer": {"workers": 1, **writer},
        "queues": {"memory": "16MiB", **top.pop("queues", {})},
        "on_error": {"max_failures": "none", **top.pop("on_error", {})},
        **top,
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(data))
    return path


def plan_of(
    folder: Path, reader: dict[str, Any], transforms: Sequence[Stages], writer: dict[str, Any], **top: Any
) -> Plan:
    """The Plan of such a config; test-only stages are allowed."""
    return planning.build(config.load(write_config(folder, reader, transforms, writer, **top)), allow_code=True)


def fused(plan: Plan, workers: int) -> Plan:
    """The same stages as one group; `fuse: all` does this where no stage expands."""
    stages = tuple(stage for group in plan.groups for stage in group.stages)
    whole = GroupPlan(
        "all",
        stages,
        workers,
        queue=plan.groups[-1].queue,
        reads=True,
        writes=True,
        expands=any(group.expands for group in plan.groups),
    )
    return replace(plan, groups=(whole,), settings=replace(plan.settings, fuse="all"))


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of its bytes, but for the journal; temporary files show too."""
    return {
        os.path.relpath(os.path.join(path, name), folder): digest(os.path.join(path, name))
        for path, _, names in os.walk(folder)
        for name in names
        if STATE not in path.split(os.sep)
    }


def listed(folder: Path) -> list[str]:
    """The names in a folder of outputs, less the journal's."""
    return sorted(name for name in os.listdir(folder) if name != STATE)


def digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:16]


def counts(report: Report) -> dict[str, int]:
    """The outcomes of a report that are not zero; the ledger balances, and every loss has its line."""
    ledger = report.ledger
    assert ledger.balances, ledger
    assert len(report.failures) + report.failures_left_out == ledger.lost
    assert all(failure.reason and "\n" not in failure.reason for failure in report.failures)
    names = ("done", "up_to_date", "skipped", "failed", "quarantined", "cancelled")
    return {name: getattr(ledger, name) for name in names if getattr(ledger, name)}


def restarts(report: Report) -> dict[str, int]:
    return {group.name: group.restarts for group in report.groups if group.restarts}


def attempts(folder: Path, number: int) -> int:
    """How often a stage was about to do harm at an item, by the files of its `marker`, FOLDER/mark."""
    return len(list(folder.glob(f"mark.{number}.*")))


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "pipeline.cli", *args]


def environment(**more: str) -> dict[str, str]:
    """Of a command that finds the engine and the test-only stages from any folder."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests"))), **more}


def cli(
    *args: str, cwd: Path | None = None, timeout: float = DEADLINE_S, **more: Any
) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    return subprocess.run(
        command(*args), capture_output=True, text=True, errors="surrogateescape", check=False, cwd=cwd,
        timeout=timeout, env=environment(), **more,
    )  # fmt: skip


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for what is bound to happen; its truth."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.005)
    return found
