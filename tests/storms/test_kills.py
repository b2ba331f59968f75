"""Three hundred deaths of workers and fork servers, by three signals; and twenty that stand still. `make fault`."""

from __future__ import annotations

import io
import os
import random
import signal
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from harness import cli, tree, write_config
from PIL import Image
from storm import FORKING, SCALE, Disturbed, children

from pipeline.errors import Exit

FRAMES = 10_000
KILLS, LEAST_PER_ROLE = 300 * SCALE, 60 * SCALE
ROLES = ("pl-reader", "pl-step1", "pl-writer")
SIGNALS = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT)
STOPS, TIMEOUT_S = 20 * SCALE, 2.0
pytestmark = pytest.mark.timeout(1200 * SCALE)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many small JPEGs, each with other pixels."""
    folder = tmp_path_factory.mktemp("kills") / "in"
    folder.mkdir()
    chance = random.Random(1)
    for number in range(FRAMES):
        file = io.BytesIO()
        Image.frombytes("RGB", (24, 16), chance.randbytes(24 * 16 * 3)).save(file, "JPEG", quality=90)
        (folder / f"{number:05d}.jpg").write_bytes(file.getvalue())
    return folder


def job(folder: Path, photographs: Path, **top: object) -> Path:
    """JPEG to JPEG, enlarged in between so that each takes a while; two workers a group."""
    folder.mkdir(exist_ok=True)
    sizes = ({"resize": {"width": 30 * n, "height": 20 * n, "fit": "fill"}} for n in (24, 1))
    return write_config(
        folder, {"use": "folder", "path": str(photographs), "workers": 2}, [{"stages": list(sizes), "workers": 2}],
        {"use": "files", "path": f"{folder}/out/{{stem}}.jpg", "workers": 2}, on_error={"retries": 10}, **top,
    )  # fmt: skip


@pytest.fixture(scope="module")
def expected(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("undisturbed")
    done = cli("run", str(job(folder, photographs)), "--json", "-q")
    assert done.returncode == 0, done.stderr
    return tree(folder / "out")


def workers(run: Disturbed) -> dict[int, str]:
    """Process ids of the workers with their names, and of the fork server."""
    found = {}
    for server, name in children(run.process.pid).items():
        if name == FORKING:
            found[server] = name
            found |= {worker: role for worker, role in children(server).items() if role in ROLES}
    return found


@dataclass
class OfRoles:
    """A worker of the role with the fewest deaths is killed; now and then a fork server, once a frame was finished."""

    recovered_s: list[float] = field(default_factory=list)
    waiting: dict[str, tuple[float, set[int]]] = field(default_factory=dict)
    next_s: float = 0.0
    had: int = 0

    def __call__(self, run: Disturbed) -> float:
        now, there = time.monotonic(), workers(run)
        for role, (since, before) in list(self.waiting.items()):
            if {pid for pid, name in there.items() if name == role} - before:
                self.recovered_s.append(now - since)
                del self.waiting[role]
        if now >= self.next_s:
            self.next_s = now + run.chance.uniform(0.02, 0.06)
            self._strike(run, there, now)
        return 0.005

    def _strike(self, run: Disturbed, there: dict[int, str], now: float) -> None:
        servers = [pid for pid, name in there.items() if name == FORKING]
        finished = run.finished()
        if servers and finished > self.had + 500 and run.chance.random() < 0.1:
            self.had = finished
            self.waiting.clear()  # its workers go with it
            _signal(run, servers[-1], FORKING)
            return
        role = min(ROLES, key=lambda name: (run.killed.get(name, 0), name))
        those = [pid for pid, name in there.items() if name == role]
        if those and role not in self.waiting:
            _signal(run, run.chance.choice(sorted(those)), role)
            self.waiting[role] = (now, set(those))


def lives(pid: int) -> bool:
    """Whether a process can still be killed; one that ended stays listed until its parent has heard of it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] != "Z"


def _signal(run: Disturbed, pid: int, role: str) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, run.chance.choice(SIGNALS))
        run.killed[role] = run.killed.get(role, 0) + 1


def test_three_hundred_deaths(
    tmp_path: Path, photographs: Path, expected: dict[str, str], figure: Callable[..., None]
) -> None:
    """Every output is there, byte for byte; a worker is there again within a second."""
    killed: dict[str, int] = {}
    recovered: list[float] = []
    seed = 0
    while sum(killed.values()) < KILLS or min(killed.get(role, 0) for role in ROLES) < LEAST_PER_ROLE:
        folder, disturb = tmp_path / str(seed), OfRoles()
        ended = Disturbed(_made(folder), seed).run(job(folder, photographs), disturb)
        assert ended.code == Exit.OK, (seed, ended.killed, ended.errors)
        assert ended.report is not None
        assert ended.report["done"] == FRAMES
        assert tree(folder / "out") == expected
        recovered += disturb.recovered_s
        killed = {role: killed.get(role, 0) + ended.killed.get(role, 0) for role in {*killed, *ended.killed}}
        seed += 1
    p99 = statistics.quantiles(recovered, n=100)[98]
    measured = f"{sum(killed.values())} in {seed} runs of {FRAMES:,}: {killed}; p99 {p99:.3f} s"
    figure("deaths by KILL, SEGV, ABRT; recovery", f"{KILLS}, byte-equal; p99 < 1 s", measured)
    assert killed[FORKING] > 0
    assert p99 < 1.0


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@dataclass
class OfStops:
    """A worker is stopped, or the fork server when it is needed; it must be gone within the time-out and a second."""

    gone_s: list[float] = field(default_factory=list)
    stopped: tuple[int, float] | None = None
    next_s: float = 0.0
    servers: int = 0

    def __call__(self, run: Disturbed) -> float:
        now, there = time.monotonic(), workers(run)
        if self.stopped is not None:
            pid, since = self.stopped
            if pid not in there:
                self.gone_s.append(now - since)
                self.stopped, self.next_s = None, now + run.chance.uniform(0.2, 0.6)
            return 0.01
        role = run.chance.choice([*ROLES, FORKING])
        those = sorted(pid for pid, name in there.items() if name == role)
        if those and now >= self.next_s and run.finished():
            pid = run.chance.choice(those)
            with suppress(ProcessLookupError, FileNotFoundError, StopIteration):
                os.kill(pid, signal.SIGSTOP)
                self.stopped = (pid, now)
                self.servers += role == FORKING
                if role == FORKING:  # it is needed when a worker must be replaced
                    os.kill(next(pid for pid in there if there[pid] != FORKING and lives(pid)), signal.SIGKILL)
        return 0.01


def test_twenty_that_stand_still(
    tmp_path: Path, photographs: Path, expected: dict[str, str], figure: Callable[..., None]
) -> None:
    """Each is ended and replaced within `timeout` and a second; nothing is lost."""
    gone: list[float] = []
    seed = servers = 0
    while len(gone) < STOPS or not servers:
        folder, disturb = tmp_path / str(seed), OfStops()
        ended = Disturbed(_made(folder), seed).run(job(folder, photographs, timeout=f"{TIMEOUT_S}s"), disturb)
        assert ended.code == Exit.OK, ended.errors
        assert tree(folder / "out") == expected
        gone += disturb.gone_s
        servers += disturb.servers
        seed += 1
    measured = f"{len(gone)} in {seed} runs, {servers} of them fork servers; at most {max(gone):.2f} s"
    figure("stopped processes are gone and replaced", f"{STOPS}; `timeout` of {TIMEOUT_S:g} s + 1 s", measured)
    assert max(gone) <= TIMEOUT_S + 1
