"""Cores and memory this process may really use, and pinning itself to some of them.

A worker calls `pin_self` before it imports anything heavy, so nothing heavy is imported here.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import EnvironmentRefusal

SHM = "/dev/shm"
_LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_DATA)  # each process has them for itself; the arena counts in the first


def usable_cores(root: str = "/") -> tuple[int, ...]:
    """The cores of the affinity mask, as many of them as the cgroup's quota is worth.

    Args:
        root: where /proc and /sys are found; tests lay out their own.
    """
    mask = allowed_cores()
    share = min((quota for quota in _quotas(root)), default=None)
    if share is None:
        return mask
    return mask[: max(1, min(len(mask), -int(-share // 1)))]


def allowed_cores() -> tuple[int, ...]:
    """The affinity mask of this process, sorted; every core where the platform has no such mask."""
    if sys.platform == "linux":
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def memory_limit_nbytes(root: str = "/") -> int:
    """The least of the machine's memory, of `ulimit -v` and `-d`, and of every limit on the way to our cgroup."""
    limits = [machine] if (machine := _machine_memory(root)) else []
    limits += [soft for soft, _ in map(resource.getrlimit, _LIMITS) if soft != resource.RLIM_INFINITY]
    for folder in _folders(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(os.path.join(folder, name))
            if text.isdigit() and int(text) > 0:
                limits.append(int(text))
    return min(limits, default=1 << 30)


def shm_free_nbytes(path: str = SHM) -> int:
    """What may still be written to shared memory; 0 where there is none."""
    try:
        stat = os.statvfs(path)
    except OSError:
        return 0
    return stat.f_bavail * stat.f_frsize


def pin_self(cores: tuple[int, ...]) -> None:
    """Let this process, and the threads it starts from now on, run on these cores only.

    Raises:
        EnvironmentRefusal: the platform cannot pin, or the system refuses these cores.
    """
    if sys.platform != "linux":
        raise EnvironmentRefusal(f"{sys.platform} cannot pin a process to cores", remedy="use cores: none")
    try:
        os.sched_setaffinity(0, cores)
    except OSError as error:
        usable = ",".join(map(str, allowed_cores()))
        raise EnvironmentRefusal(
            f"cannot pin to cores {cores}: {error.strerror}", limit=f"usable are {usable}"
        ) from error


def memory_kills(root: str = "/") -> int:
    """How many processes the kernel has ended for want of memory: in our cgroup, those above it, and the machine.

    A sum that grows when one more is ended (it may count one more than once), and means nothing else.
    """
    texts = [_read(os.path.join(root, "proc/vmstat"))]
    for folder in _folders(root, "memory"):
        texts += [_read(os.path.join(folder, name)) for name in ("memory.events", "memory.oom_control")]
    counts = (line.split() for text in texts for line in text.splitlines() if line.startswith("oom_kill "))
    return sum(int(words[1]) for words in counts if len(words) == 2 and words[1].isdigit())


def peak_nbytes() -> int:
    """Largest resident size of this process. Not `ru_maxrss` where it can be had otherwise: that of the process which
    started us outlives fork and exec.
    """
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def _quotas(root: str) -> Iterator[float]:
    """Cores' worth of time that each cgroup on the way grants."""
    for folder in _folders(root, "cpu"):
        quota, _, period = _read(os.path.join(folder, "cpu.max")).partition(" ")
        if not quota:
            quota = _read(os.path.join(folder, "cpu.cfs_quota_us"))
            period = _read(os.path.join(folder, "cpu.cfs_period_us"))
        if quota.isdigit() and period.isdigit() and int(period):
            yield int(quota) / int(period)


def _folders(root: str, controller: str) -> Iterator[str]:
    """The folders of this process's cgroup and of all above it, for v2 and v1; some may not be there."""
    base = os.path.join(root, "sys/fs/cgroup")
    for line in _read(os.path.join(root, "proc/self/cgroup")).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        mount = os.path.join(base, controllers) if controllers else base
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for mounted in {mount, os.path.join(base, controller)} if controllers else {mount}:
            for depth in range(len(parts) + 1):
                yield os.path.join(mounted, *parts[:depth])


def _machine_memory(root: str) -> int:
    for line in _read(os.path.join(root, "proc/meminfo")).splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What this process may use."""

    cores: tuple[int, ...]
    mask: tuple[int, ...]
    memory_nbytes: int
    shm_nbytes: int

    @classmethod
    def here(cls) -> Machine:
        return cls(
            usable_cores(),
            allowed_cores(),
            memory_limit_nbytes(),
            shm_free_nbytes(),
        )


def ranges(cores: Sequence[int]) -> str:
    """Cores in short: 0-3,6."""
    spans: list[list[int]] = []
    for core in cores:
        if spans and spans[-1][1] == core - 1:
            spans[-1][1] = core
        else:
            spans.append([core, core])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in spans)
