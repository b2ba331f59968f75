"""A folder of pictures through a resize with a journal, run again and again: what tests of the journal share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import counts, plan_of
from pictures import ramp

from pipeline.journal import Options
from pipeline.plan.model import Plan
from pipeline.supervisor import execution, serial
from pipeline.supervisor.report import Report

WAYS = pytest.mark.parametrize("run", [execution.run, serial.run], ids=["workers", "serial"])
Run = Callable[..., Report]
FILES = ("a.png", "b.png", "sub/c.png")
RESIZE: dict[str, Any] = {"resize": {"width": 8, "height": 8, "fit": "inside"}}


def lay_out(home: Path) -> Path:
    """Pictures in `in`; the time of their last change lies back, so that it can be trusted."""
    for name in FILES:
        ramp(home / "in" / name, 40, 30)
        os.utime(home / "in" / name, ns=(1_700_000_000_123_456_789,) * 2)
    return home


def job(home: Path, target: str = "out/{dir}/{stem}.jpg", *, stages: list[Any] | None = None, **keys: Any) -> Plan:
    """These pictures through a resize to files."""
    writer = {"use": "files", "path": f"{home}/{target}", **keys.pop("writer", {})}
    reader = {"use": "folder", "path": str(keys.pop("source", home / "in")), **keys.pop("reader", {})}
    if not os.path.isdir(str(home / "in")):
        os.makedirs(home / "in")
    return plan_of(home, reader, [stages or [RESIZE]], writer, **keys)


def again(plan: Plan, run: Run = execution.run, **options: Any) -> dict[str, int]:
    """How the items of one more run end."""
    return counts(run(plan, keep=Options(**options)))


def touched(home: Path) -> None:
    """At another time, which lies back: a file that was changed this very moment is not trusted."""
    os.utime(home / "in/a.png", ns=(1_700_000_009_123_456_789,) * 2)


def edited(home: Path) -> None:
    ramp(home / "in/a.png", 41, 30)
    touched(home)


def removed(home: Path) -> None:
    (home / "out/a.jpg").unlink()
