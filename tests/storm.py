"""Runs of the command line whose processes are killed at random, found in /proc as anybody would find them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import cli, command, environment, tree, write_config

FORKING = "pl-forking"  # the name of the fork server; workers are its children, named pl-GROUP
DEADLINE_S = 400.0
SCALE = int(os.environ.get("PIPELINE_SOAK", "1"))  # `make soak` asks for more of everything
START_S = 0.08  # a fork server needs longer than this from its start to the first frame


def children(pid: int) -> dict[int, str]:
    """Process ids of the children of a process with their names; none where it has ended."""
    found = {}
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                with suppress(OSError):
                    found[int(child)] = Path(f"/proc/{child}/comm").read_text().strip()
    return found


def spawned(pid: int) -> list[int]:
    """Children of a run that are its fork server or will be; multiprocessing has a process of its own there too."""
    found = []
    for child in children(pid):
        with suppress(OSError):
            program = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"\0-c\0" in program:
                found.append(child)
    return found


def lay_out(folder: Path, count: int) -> Path:
    """A folder of small pictures, each with other pixels."""
    folder.mkdir(parents=True)
    chance = random.Random(count)
    for number in range(count):
        (folder / f"{number:05d}.ppm").write_bytes(b"P6 24 16 255\n" + chance.randbytes(24 * 16 * 3))
    return folder


def job(folder: Path, pictures: Path) -> Path:
    """A config that turns pictures into smaller ones in `out`, two workers a group, ten deaths of one forgiven.

    They are enlarged in between, so that even a fast machine needs a millisecond for each: long enough for a storm.
    """
    folder.mkdir(exist_ok=True)
    large, small = ({"resize": {"width": 30 * n, "height": 20 * n, "fit": "fill"}} for n in (24, 1))
    return write_config(
        folder, {"use": "folder", "path": str(pictures), "workers": 2},
        [{"stages": [large, small], "workers": 2}],
        {"use": "files", "path": f"{folder}/out/{{stem}}.png", "workers": 2}, on_error={"retries": 10},
    )  # fmt: skip


def undisturbed(folder: Path, pictures: Path) -> dict[str, str]:
    """The outputs of the same job when no process is killed."""
    done = cli("run", str(job(folder, pictures)), "--json", "-q")
    assert done.returncode == 0, done.stderr
    return tree(folder / "out")


@dataclass
class Ended:
    """What came of a run: its exit code, its report (None where it printed none), and what was killed."""

    code: int
    report: dict[str, Any] | None
    errors: str
    killed: dict[str, int] = field(default_factory=dict)


@dataclass
class Disturbed:
    """A run of a job in `folder`; `disturb` is called again and again, and says for how long it need not be."""

    folder: Path
    seed: int
    killed: dict[str, int] = field(default_factory=dict)
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def run(self, config: Path, disturb: Callable[[Disturbed], float]) -> Ended:
        out, errors = self.folder / "report.json", self.folder / "errors.txt"
        deadline = time.monotonic() + DEADLINE_S * SCALE
        with out.open("wb") as stdout, errors.open("wb") as stderr:
            args = command("run", str(config), "--json", "-q")
            self.process = subprocess.Popen(args, stdout=stdout, stderr=stderr, env=environment())
            try:
                while self.process.poll() is None:
                    assert time.monotonic() < deadline, f"the run hangs; killed so far: {self.killed}"
                    pause = disturb(self)
                    with suppress(subprocess.TimeoutExpired):
                        self.process.wait(pause)
            finally:
                if self.process.poll() is None:
                    self.process.kill()
                    self.process.wait()
        text = out.read_text()
        report = json.loads(text) if text else None
        return Ended(self.process.returncode, report, errors.read_text(), self.killed)

    def finished(self) -> int:
        """How many outputs are there."""
        with suppress(FileNotFoundError):
            return sum(not entry.name.startswith(".") for entry in os.scandir(self.folder / "out"))
        return 0

    def kill(self, pid: int, what: str) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.killed[what] = self.killed.get(what, 0) + 1


@dataclass
class OfWorkers:
    """A worker is killed every 50 to 200 ms."""

    next_s: float = 0.0

    def __call__(self, run: Disturbed) -> float:
        now = time.monotonic()
        if now >= self.next_s:
            workers = [
                worker
                for server, name in children(run.process.pid).items() if name == FORKING
                for worker, name in children(server).items() if name != FORKING
            ]  # fmt: skip
            if workers:
                run.kill(run.chance.choice(sorted(workers)), "worker")
            self.next_s = now + run.chance.uniform(0.05, 0.2)
        return self.next_s - now


@dataclass
class OfAll:
    """Workers as above; a fork server some time after a frame was finished since the death of the one before it."""

    workers: OfWorkers = field(default_factory=OfWorkers)
    server: int = 0
    had: int = 0
    strike_s: float = 0.0

    def __call__(self, run: Disturbed) -> float:
        now = time.monotonic()
        servers = [pid for pid, name in children(run.process.pid).items() if name == FORKING]
        if servers and servers[-1] != self.server:
            self.server, self.had, self.strike_s = servers[-1], run.finished(), 0.0
        elif servers and not self.strike_s and run.finished() > self.had:
            self.strike_s = now + run.chance.uniform(0, 0.5)
        elif servers and self.strike_s and now >= self.strike_s:
            run.kill(self.server, "fork server")
            self.strike_s = float("inf")
        return min(self.workers(run), 0.02)


@dataclass
class OfStarts:
    """Each fork server is killed at a random moment before its first frame."""

    seen: dict[int, float] = field(default_factory=dict)

    def __call__(self, run: Disturbed) -> float:
        now = time.monotonic()
        for pid in spawned(run.process.pid):
            if pid not in self.seen:
                self.seen[pid] = now + run.chance.uniform(0, START_S)
            elif now >= self.seen[pid]:
                run.kill(pid, "fork server")
                self.seen[pid] = float("inf")
        return 0.002
