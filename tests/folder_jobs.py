"""A folder of pictures through a resize, by workers and by one process: what tests of inputs share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import plan_of

from pipeline.supervisor import execution, serial

RUNS = pytest.mark.parametrize("run", [execution.run, serial.run], ids=["workers", "serial"])


Run = Callable[..., Any]


def job(folder: Path, target: str = "out/{dir}/{stem}.png", **reader: Any) -> Any:
    """Pictures of `in` through a resize to files."""
    return plan_of(
        folder,
        {"use": "folder", "path": str(folder / "in"), **reader},
        [["orient", {"resize": {"width": 8, "height": 8, "fit": "inside"}}]],
        {"use": "files", "path": f"{folder}/{target}"},
    )


def reasons(report: Any) -> dict[str, tuple[str, str]]:
    """Kind and reason of each failure."""
    return {os.path.basename(failure.item): (failure.kind, failure.reason) for failure in report.failures}
