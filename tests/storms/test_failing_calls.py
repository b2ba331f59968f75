"""The n-th system call fails, for every n that touches outputs or journal. `make fault` runs these; it needs strace.

A run ends well with the right outputs, or says what failed; a file under its final name is always whole, and a run
again makes the same tree. strace counts calls thread by thread, so one number may fail in several threads at once.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import command, environment, plan_of, tree
from pictures import ramp

from pipeline.errors import Exit
from pipeline.journal import Options
from pipeline.plan.model import Plan
from pipeline.supervisor import serial

FILES = 20
CALLS = (
    "write", "pwrite64", "fsync", "fdatasync", "syncfs", "renameat", "rename", "openat", "fallocate", "ftruncate",
    "mkdir", "unlink", "unlinkat", "flock", "lseek",
)  # fmt: skip
ERRORS = ("ENOSPC", "EIO", "EACCES", "EINTR")
CLEAN = {Exit.OK, Exit.SOME_FAILED, Exit.USAGE, Exit.STOPPED, Exit.ENVIRONMENT}
LINE = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)")
pytestmark = pytest.mark.timeout(3000)


def job(folder: Path, durability: str) -> Plan:
    return plan_of(
        folder, {"use": "folder", "path": str(folder.parent / "in")}, [[{"resize": {"width": 8, "height": 8}}]],
        {"use": "files", "path": f"{folder}/out/{{stem}}.png"}, durability=durability,
    )  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calls")
    for number in range(FILES):
        ramp(folder / "in" / f"{number:02d}.png", 20 + number, 20)
    return folder


@pytest.fixture(scope="module")
def expected(home: Path) -> dict[str, str]:
    (home / "expected").mkdir()
    assert serial.run(job(home / "expected", "none")).exit_code == Exit.OK
    return tree(home / "expected/out")


def traced(folder: Path, durability: str, way: list[str], *options: str) -> subprocess.CompletedProcess[str]:
    """A run under strace, with these options of it."""
    strace = shutil.which("strace")
    assert strace, "strace is missing: apt-get install strace"
    args = [strace, "-f", "--seccomp-bpf", "-qq", "-o", str(folder / "calls"), *options]
    job(folder, durability)
    args += command("run", str(folder / "config.yaml"), "--json", "-q", *way)
    return subprocess.run(args, env=environment(), capture_output=True, text=True, check=False, timeout=120)


def numbers(folder: Path, durability: str, way: list[str]) -> dict[str, set[int]]:
    """For each call, which of a thread's calls of the name touch outputs or journal of an undisturbed run."""
    folder.mkdir()
    done = traced(folder, durability, way, "-y", "-e", f"trace={','.join(CALLS)}")
    assert done.returncode == 0, done.stderr
    counts: dict[tuple[str, str], int] = defaultdict(int)
    found: dict[str, set[int]] = defaultdict(set)
    for line in (folder / "calls").read_text(errors="replace").splitlines():
        match = LINE.match(line)
        if match is None or "resumed>" in line[:80]:
            continue
        counts[match[1], match[2]] += 1
        if f"{folder}/out" in line or match[2] == "fallocate":  # that one lends memory of the arena
            found[match[2]].add(counts[match[1], match[2]])
    return found


def outcome(folder: Path, durability: str, way: list[str], call: str, number: int, error: str) -> str:
    """What was wrong with a run in which this call failed; "" for nothing."""
    folder.mkdir()
    done = traced(folder, durability, way, "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={number}")
    return f"{done.returncode}\n{done.stdout}\n{done.stderr}"


def wrong(folder: Path, durability: str, told: str, expected: dict[str, str]) -> str:
    """Which promise was broken."""
    code, _, text = told.partition("\n")
    made = {name: digest for name, digest in tree(folder / "out").items() if not name.endswith(".tmp")}
    if not made.items() <= expected.items():
        return "a file under its final name is not whole"
    if int(code) not in CLEAN or "Traceback" in text:
        return f"exit {code}: {text[-600:]}"
    if int(code) == Exit.OK and made != expected:
        return "called done, and outputs are missing"
    report = re.search(r"\{\n.*\n\}", text, re.DOTALL)
    if report is not None and json.loads(report[0]).get("done", 0) > len(made):
        return "more is called done than is there"
    again = serial.run(job(folder, durability), keep=Options())
    if again.exit_code or tree(folder / "out") != expected:
        return f"run again: exit {again.exit_code}: {again.stopped} {again.failures[:3]}"
    return ""


@pytest.mark.parametrize(
    ("way", "durability"), [(["--serial"], "batch"), (["--serial"], "each"), ([], "batch")],
    ids=["serial, batch", "serial, each", "workers, batch"],
)  # fmt: skip
def test_every_call_that_fails(
    home: Path, expected: dict[str, str], figure: Callable[..., None], way: list[str], durability: str
) -> None:
    """Each number once, the errors in turn; never a wrong success, never half a file."""
    base = home / f"{len(way)}-{durability}"
    base.mkdir()
    (base / "in").symlink_to(home / "in")
    found = numbers(base / "undisturbed", durability, way)
    tries = [
        (call, number, ERRORS[(place + turn) % len(ERRORS)])
        for turn, (call, each) in enumerate(sorted(found.items()))
        if way or call not in ("write", "openat")  # of several processes: their pipes, and what they import
        for place, number in enumerate(sorted(each))
    ]
    broken = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        folders = [base / f"{call}-{number}" for call, number, _ in tries]
        told = pool.map(lambda one: outcome(one[0], durability, way, *one[1]), zip(folders, tries, strict=True))
        for folder, one, said in zip(folders, tries, told, strict=True):
            if why := wrong(folder, durability, said, expected):
                broken.append(f"{one}: {why}")
            shutil.rmtree(folder)
    figure(
        f"the n-th call fails ({' '.join(way) or 'workers'}, {durability})", "every n: clean, or the right result",
        f"{len(tries)} runs: " + ", ".join(f"{call} {len(each)}" for call, each in sorted(found.items())),
    )  # fmt: skip
    assert not broken, f"{len(broken)} broken:\n" + "\n".join(broken[:10])
    assert len(tries) > 100
