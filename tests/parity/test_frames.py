"""Streams, several frames an item, and frames made of frames: the same names and bytes from workers as from one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness import Stages, counts, plan_of, tree

from pipeline import serial, supervisor

TILES = "stages_for_tests.steps:Tiles"
HALVES = "stages_for_tests.steps:Halves"
INVERT = "stages_for_tests.steps:Invert"
WRONG = "stages_for_tests.steps:Wrong"
SHAPES = [
    (order, fuse, workers, credit)
    for order in ("input", "completed")
    for fuse, workers, credit in (("none", 1, 1), ("none", 2, 2), ("none", 2, 8), ("all", 2, 2))
]


def compared(
    folder: Path, reader: dict[str, Any], transforms: list[Stages], name: str = "{stem}-{index}", **top: Any
) -> dict[str, str]:
    """Run a config in workers and in one process; the files they both made."""
    made = []
    for run in (supervisor.run, serial.run):
        out = folder / run.__module__
        plan = plan_of(folder, reader, transforms, {"use": "files", "path": f"{out}/{name}.png", **top["ends"]}, **top["top"])
        made.append((counts(run(plan)), tree(out)))
    assert made[0] == made[1]
    return made[0][1]


def shaped(order: str, fuse: str, workers: int, credit: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Workers for each group, and the top level of the config."""
    return {"workers": workers}, {"fuse": fuse, "queues": {"order": order, "credit": credit, "depth": 3}}
