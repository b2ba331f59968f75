"""Watch a running process tree from outside: peak resident size of each process, peak of the machine's shared memory.

The program's own report is not believed alone: these figures come from /proc.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psutil

EVERY_S = 0.05
KIB = 1024


@dataclass
class Tree:
    """A context manager: samples `pid` and its descendants until it is left.

    `peaks`: pid -> highest resident size (VmHWM; the arena's pages a process touched count in it). `private`: pid ->
    highest anonymous memory as sampled (RssAnon), which no other process shares. `shared_nbytes`: by how much the
    shared memory in use on the whole machine rose at most, so keep other users of it quiet.
    """

    pid: int
    peaks: dict[int, int] = field(default_factory=dict)
    private: dict[int, int] = field(default_factory=dict)
    shared_nbytes: int = 0

    def __enter__(self) -> Self:
        self._base = _shmem_nbytes()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def parent_nbytes(self) -> int:
        return self.peaks.get(self.pid, 0)

    @property
    def workers_nbytes(self) -> list[int]:
        """Peaks of all but the first process, largest first."""
        return self._workers(self.peaks)

    @property
    def private_nbytes(self) -> list[int]:
        """Private memory of all but the first process, largest first."""
        return self._workers(self.private)

    def _workers(self, sizes: dict[int, int]) -> list[int]:
        return sorted((size for pid, size in sizes.items() if pid != self.pid), reverse=True)

    def _loop(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.shared_nbytes = max(self.shared_nbytes, _shmem_nbytes() - self._base)
            for pid in self._pids():
                peak, private = _resident(pid)
                self.peaks[pid] = max(self.peaks.get(pid, 0), peak)
                self.private[pid] = max(self.private.get(pid, 0), private)

    def _pids(self) -> list[int]:
        try:
            return [self.pid, *(child.pid for child in psutil.Process(self.pid).children(recursive=True))]
        except psutil.NoSuchProcess:
            return []


def _resident(pid: int) -> tuple[int, int]:
    """VmHWM and RssAnon, zeros for a process that has just ended."""
    try:
        with open(f"/proc/{pid}/status") as file:
            sizes = dict(line.split(":") for line in file if line.startswith(("VmHWM:", "RssAnon:")))
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    peak, private = (int(sizes.get(name, "0").split()[0]) * KIB for name in ("VmHWM", "RssAnon"))
    return peak, private


def _shmem_nbytes() -> int:
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) * KIB for line in file if line.startswith("Shmem:"))


def apart(short: list[int], long: list[int]) -> float:
    """The largest difference in per cent, the processes paired by size (each run has the same ones)."""
    if len(short) != len(long) or not all(short):
        return float("nan")
    return max(abs(b - a) / a * 100 for a, b in zip(short, long, strict=True))
