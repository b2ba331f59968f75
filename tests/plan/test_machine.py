"""Usable cores and memory, from machines laid out in a folder."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentRefusal
from pipeline.plan import machine

MASK = tuple(range(8))


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(MASK))


def lay_out(root: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


V2 = "sys/fs/cgroup/"
V1 = "sys/fs/cgroup/cpu,cpuacct/"


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"proc/self/cgroup": "0::/\n"}, 8),
        ({"proc/self/cgroup": "0::/\n", V2 + "cpu.max": "max 100000\n"}, 8),
        ({"proc/self/cgroup": "0::/\n", V2 + "cpu.max": "150000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", V2 + "cpu.max": "50000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/a/b\n", V2 + "a/cpu.max": "300000 100000", V2 + "a/b/cpu.max": "max 100000"}, 3),
        ({"proc/self/cgroup": "0::/a/b\n", V2 + "cpu.max": "100000 100000", V2 + "a/b/cpu.max": "400000 100000"}, 1),
        ({"proc/self/cgroup": "0::/gone/from/here\n", V2 + "cpu.max": "200000 100000"}, 2),
        ({"proc/self/cgroup": "0::/../../x\n", V2 + "x/cpu.max": "200000 100000"}, 2),
        ({"proc/self/cgroup": "0::/\n", V2 + "cpu.max": "9900000 100000\n"}, 8),
        ({"proc/self/cgroup": "0::/\n", V2 + "cpu.max": "nonsense\n"}, 8),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/docker/1\n3:memory:/docker/1\n",
                V1 + "docker/1/cpu.cfs_quota_us": "250000", V1 + "docker/1/cpu.cfs_period_us": "100000",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/docker/1\n",
                V1 + "cpu.cfs_quota_us": "-1", V1 + "cpu.cfs_period_us": "100000",
            },
            8,
        ),
        (
            {
                "proc/self/cgroup": "2:cpu:/\n",
                V2 + "cpu/cpu.cfs_quota_us": "400000", V2 + "cpu/cpu.cfs_period_us": "100000",
            },
            4,
        ),
    ],
)  # fmt: skip
def test_the_quota_limits_the_mask(files: dict[str, str], cores: int, tmp_path: Path) -> None:
    """The smallest quota on the way to the cgroup, rounded up, cuts the affinity mask; never below one core."""
    assert machine.usable_cores(lay_out(tmp_path, files)) == MASK[:cores]


@pytest.mark.parametrize(
    ("files", "nbytes"),
    [
        ({"proc/meminfo": "MemTotal:       1000 kB\nMemFree: 1 kB\n"}, 1_024_000),
        ({"proc/meminfo": "MemTotal: 1000 kB\n", "proc/self/cgroup": "0::/a\n", V2 + "a/memory.max": "5000\n"}, 5000),
        ({"proc/meminfo": "MemTotal: 9 kB\n", "proc/self/cgroup": "0::/a\n", V2 + "a/memory.max": "max\n"}, 9216),
        ({"proc/self/cgroup": "0::/a/b\n", V2 + "a/memory.max": "5000", V2 + "a/b/memory.max": "9000"}, 5000),
        (
            {"proc/self/cgroup": "5:memory:/d\n4:cpu:/e\n", V2 + "memory/d/memory.limit_in_bytes": "7000"},
            7000,
        ),
        (
            {
                "proc/meminfo": "MemTotal: 1000 kB\n", "proc/self/cgroup": "5:memory:/\n",
                V2 + "memory/memory.limit_in_bytes": "9223372036854771712",
            },
            1_024_000,
        ),
        ({}, 1 << 30),
    ],
)  # fmt: skip
def test_the_least_memory_limit_counts(files: dict[str, str], nbytes: int, tmp_path: Path) -> None:
    """The machine's memory and each limit on the way to the cgroup, version 1 and 2."""
    assert machine.memory_limit_nbytes(lay_out(tmp_path, files)) == nbytes


@pytest.mark.parametrize("kind", [resource.RLIMIT_AS, resource.RLIMIT_DATA])
def test_a_limit_of_the_process_counts(kind: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ulimit -v` and `ulimit -d`, where they are less than the machine has; else they change nothing."""
    files = {"proc/meminfo": "MemTotal:       1000 kB\n"}
    for limit, nbytes in ((5000, 5000), (5_000_000, 1_024_000)):
        limits = {kind: (limit, resource.RLIM_INFINITY)}
        monkeypatch.setattr(resource, "getrlimit", lambda asked, limits=limits: limits.get(asked, (-1, -1)))
        assert machine.memory_limit_nbytes(lay_out(tmp_path, files)) == nbytes


def test_shared_memory_that_is_not_there_has_nothing_free(tmp_path: Path) -> None:
    """Free bytes of a file system; 0 where there is none."""
    assert machine.shm_free_nbytes(str(tmp_path / "none")) == 0
    assert machine.shm_free_nbytes(str(tmp_path)) > 0


def test_a_process_pins_itself_and_its_threads() -> None:
    """After `pin_self` every thread that is started later may run on these cores only."""
    code = (
        "import os, threading; from pipeline.plan.machine import pin_self, allowed_cores; first = allowed_cores()[:1]\n"
        "pin_self(first); seen = []\n"
        "thread = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))\n"
        "thread.start(); thread.join()\n"
        "assert os.sched_getaffinity(0) == seen[0] == set(first)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_cores_that_are_not_there_are_refused_by_name() -> None:
    """The system's refusal comes with the cores that are usable."""
    with pytest.raises(EnvironmentRefusal, match="cannot pin to cores"):
        machine.pin_self((4000,))


def test_a_platform_without_pinning_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where cores cannot be chosen the remedy is `cores: none`."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert machine.allowed_cores()
    with pytest.raises(EnvironmentRefusal, match="use cores: none"):
        machine.pin_self((0,))


def test_nothing_heavy_is_imported_before_pinning() -> None:
    """A worker imports this module first; numpy and the rest come after it is pinned."""
    heavy = ("numpy", "ctypes", "multiprocessing")
    code = f"import sys; import pipeline.plan.machine; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
