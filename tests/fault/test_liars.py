"""Workers that were taken over, and lie to the parent: their items fail, and the run goes on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from harness import FILES, NUMBERED, counts, plan_of

from pipeline.contracts.template import Template
from pipeline.supervisor import execution
from pipeline.supervisor.hearing import Hearing

LIAR = """
import os, stat

def lie(pixels):
    if pixels.ravel()[0] == 3:
        for fd in map(int, os.listdir("/proc/self/fd")):
            try:
                if fd > 2 and stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, {said})
            except OSError:
                pass
    return pixels
"""


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("said", ['b"\\xff" * 64', 'b"\\xff" * 7'], ids=["a record of no kind", "half a record"])
def test_a_worker_that_says_what_none_says(tmp_path: Path, said: str) -> None:
    """It is ended and its item blamed; it does not end the run."""
    (tmp_path / "liar.py").write_text(LIAR.replace("{said}", said))
    plan = plan_of(
        tmp_path, {"use": NUMBERED, "items": 20}, [[f"{tmp_path}/liar.py:lie"]],
        {"use": FILES, "path": f"{tmp_path}/out/{{stem}}.png"}, on_error={"retries": 1},
    )  # fmt: skip
    report = execution.run(plan)
    assert counts(report) == {"done": 19, "quarantined": 1}
    assert "no worker says" in report.failures[0].reason


@pytest.mark.parametrize(
    ("root", "target", "writes", "may"),
    [
        ("out/{stem}_{index}.jpg", "out/a_1.jpg", True, True), ("out/{stem}_{index}.jpg", "out/a_1.jpg", False, False),
        ("out/{stem}_{index}.jpg", "/etc/passwd", True, False), ("out/{stem}_{index}.jpg", "out/../x", True, False),
        ("out/{stem}_{index}.jpg", "outside/x", True, False), ("{stem}_{index}.jpg", "a_1.jpg", True, True),
        ("{stem}_{index}.jpg", "/etc/passwd", True, False), ("../o/{index}.jpg", "../o/1.jpg", True, True),
        ("/{index}.jpg", "/1.jpg", True, True),
    ],
)  # fmt: skip
def test_names_that_a_worker_may_claim(root: str, target: str, writes: bool, may: bool) -> None:
    """Only a worker that writes, and only below the folder of the outputs."""
    handle = SimpleNamespace(worker=SimpleNamespace(group=SimpleNamespace(plan=SimpleNamespace(writes=writes))))
    hearing = SimpleNamespace(intake=SimpleNamespace(template=Template(root)))
    assert Hearing._may_name(hearing, handle, target) is may  # type: ignore[arg-type]
