"""What one call of the benchmark is asked to do; every work gets this and nothing else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "bench" / "configs"

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "VIPS_CONCURRENCY")
ONE_THREAD = dict.fromkeys(_THREADS, "1")
TUNED_ALLOCATOR = {
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TOP_PAD_": "67108864",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """`pipeline` is the command to time, None to time the peers alone; `scratch` lies on tmpfs, `disk` on a disk."""

    cache: Path
    scratch: Path
    disk: Path
    pipeline: str | None
    rounds: int
    quick: bool

    def scaled(self, full: int, quick: int) -> int:
        """A number of files or frames: the full one, or the one of a quick run."""
        return quick if self.quick else full


def environment(**extra: str) -> dict[str, str]:
    """The environment of every timed process: one thread per library, and no allocator setting but those in `extra`."""
    # Programs are timed as installed, their modules compiled once: hence no PYTHONDONTWRITEBYTECODE.
    dropped = ("MALLOC_", "GLIBC_", "PYTHONDONTWRITEBYTECODE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return inherited | ONE_THREAD | extra
