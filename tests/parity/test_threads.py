"""What threads fetch ahead comes out as what is read in its turn: bytes, failures, order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from harness import ROOT, cli, counts, plan_of, tree
from pictures import ramp

from pipeline import ConfigError
from pipeline.journal import Options
from pipeline.plan.model import Plan
from pipeline.supervisor import execution
from pipeline.supervisor.report import Report

RESIZE: dict[str, Any] = {"resize": {"width": 16, "height": 16, "fit": "inside"}}
FILES = 40


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Pictures, and files that fail in every way that reading has."""
    for number in range(FILES):
        ramp(tmp_path / "in" / f"{number % 3}" / f"{number:03d}.png", 40 + number, 30)
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "in" / "empty.png").touch()
    (tmp_path / "in" / "large.png").write_bytes(bytes(200_000))
    os.mkfifo(tmp_path / "in" / "fifo.png")
    os.symlink("nowhere.png", tmp_path / "in" / "dangling.png")
    return tmp_path


def job(home: Path, out: str, threads: int, stages: list[Any] | None = None, workers: int = 1, **top: Any) -> Plan:
    reader = {"use": "folder", "path": str(home / "in"), "include": ["**/*.png"], "threads": threads}
    reader["follow_symlinks"] = True
    writer = {"use": "files", "path": f"{home}/{out}/{{dir}}/{{stem}}.jpg"}
    group = {"stages": stages or [RESIZE], "workers": workers}
    limits = {"file_size": 100_000}
    return plan_of(home, {**reader, "workers": workers}, [group], {**writer, "workers": workers}, limits=limits, **top)


def run(plan: Plan) -> Report:
    return execution.run(plan, keep=Options())


def lost(report: Report) -> list[tuple[str, str, str]]:
    return sorted((failure.item, failure.kind, failure.reason) for failure in report.failures)


@pytest.mark.parametrize("threads", [1, 7, 64])
@pytest.mark.parametrize(
    "top", [{}, {"fuse": "all"}, {"queues": {"order": "input", "depth": 1}}, {"queues": {"memory": "1MiB"}}],
    ids=["staged", "fused", "in order", "little memory"],
)  # fmt: skip
def test_the_same_comes_of_it(home: Path, threads: int, top: dict[str, Any]) -> None:
    """Files and failures, each with its reason."""
    plain = run(job(home, "plain", 0))
    report = run(job(home, "ahead", threads, workers=1 if "queues" in top else 2, **top))
    assert counts(report) == counts(plain)
    assert counts(plain)["done"] == FILES
    assert lost(report) == lost(plain)
    assert tree(home / "ahead") == tree(home / "plain")
    assert report.bytes_in == plain.bytes_in


def test_a_reader_that_takes_what_it_needs(tmp_path: Path) -> None:
    """Frames that are made are not fetched: said with the line, and nothing runs. Threads of a decoder are its own."""
    writer = {"use": "files", "path": f"{tmp_path}/{{stem}}-{{index}}.jpg"}
    with pytest.raises(ConfigError, match="reads what it needs when its turn comes"):
        plan_of(tmp_path, {"use": "synthetic", "threads": 4}, [], writer)
    plan = plan_of(tmp_path, {"use": "video", "path": str(ROOT / "samples/clips"), "threads": 4}, [], writer)
    assert plan.reader.params["threads"] == 4
    assert plan.groups[0].threads == 0


def test_more_threads_than_leases(home: Path) -> None:
    """A worker has 64 leases at most: said with the range."""
    job(home, "out", 1)
    answer = cli("check", str(home / "config.yaml"), "--set", "reader.threads=65", "--allow-code")
    assert answer.returncode == 2
    assert "threads is 65" in answer.stdout + answer.stderr
    assert "64" in answer.stdout + answer.stderr
