"""Run one whole process and measure it from outside, the same way for every contender.

*Whole run*: wall time from spawn to exit. *Steady*: the rate after the first output, so that start-up does not count;
for programs that write files it is taken from the files' modification times, first and last, which none of them can
bend; for those that write none, from the JSON object they print.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from bench.settings import ROOT


class MeasureError(RuntimeError):
    """A timed process failed, or did not make what it should have: the message is what the table shows."""


@dataclass(frozen=True, slots=True)
class Job:
    """A process to time. `out` is emptied before each run and must then hold `expected` files (None: at least
    one); `out` None: it writes none."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    out: Path | None = None
    expected: int | None = None
    timeout_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One run. `cpu_s` is that of the process and all its children; `steady` is outputs (or frames) a second."""

    job: str
    round: int
    wall_s: float
    cpu_s: float
    outputs: int
    first_output_s: float | None
    steady: float | None
    printed: dict[str, Any] = field(default_factory=dict)

    def whole_s(self, files: int) -> float:
        """Wall time of the whole run, stretched at the steady rate to `files` where this run was given fewer."""
        if self.outputs == files or not self.steady:
            return self.wall_s
        return self.wall_s + (files - self.outputs) / self.steady


Watch = Callable[[int], AbstractContextManager[object]]


def run(job: Job, *, round_number: int = 0, watch: Watch | None = None) -> Sample:
    """Run `job` once. `watch(pid)` is entered while it runs. Raises MeasureError with the tail of its stderr."""
    if job.out:
        shutil.rmtree(job.out, ignore_errors=True)
        job.out.mkdir(parents=True)
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        spawned_ns = time.time_ns()
        start = time.perf_counter()
        process = subprocess.Popen(
            job.argv, cwd=ROOT, env=job.env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, process_group=0
        )
        with watch(process.pid) if watch else nullcontext():
            status, cpu_s = _wait(process, timeout_s=job.timeout_s)
        wall_s = time.perf_counter() - start
        if status != 0:
            raise MeasureError(f"{job.name}: exit {status}: {_tail(stderr)}")
        printed = _last_object(_tail(stdout, nbytes=1_000_000))
    sample = Sample(job.name, round_number, wall_s, cpu_s, 0, None, None, printed)
    return _from_files(sample, job, spawned_ns) if job.out else _from_print(sample)


def interleave(jobs: Sequence[Job], *, rounds: int, watches: Mapping[str, Watch] | None = None) -> list[Sample]:
    """Every job once a round, in this order: what drifts on the machine meets all of them alike."""
    samples = []
    for round_number in range(1, rounds + 1):
        for job in jobs:
            sample = run(job, round_number=round_number, watch=(watches or {}).get(job.name))
            rate = f"{sample.steady:10.1f}/s" if sample.steady else ""
            print(f"  round {round_number}  {job.name:24} {sample.wall_s:8.2f} s {rate}", file=sys.stderr, flush=True)
            samples.append(sample)
            if job.out:
                shutil.rmtree(job.out)
    return samples


def _wait(process: subprocess.Popen[bytes], *, timeout_s: float) -> tuple[int, float]:
    """Exit status and CPU seconds of the process and the children it waited for; killed with its group when late."""
    timer = threading.Timer(timeout_s, lambda: os.killpg(process.pid, 9))
    timer.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        os.killpg(process.pid, 9)
        process.wait()
        raise
    finally:
        timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def _from_files(sample: Sample, job: Job, spawned_ns: int) -> Sample:
    assert job.out is not None
    times = sorted(entry.stat().st_mtime_ns for entry in os.scandir(job.out) if entry.is_file())
    if not times or job.expected not in (None, len(times)):
        raise MeasureError(f"{job.name}: {len(times)} outputs, want {job.expected or 'some'}")
    first, last = times[0], times[-1]
    steady = (len(times) - 1) * 1e9 / (last - first) if last > first else None
    return replace(sample, outputs=len(times), first_output_s=(first - spawned_ns) / 1e9, steady=steady)


def _from_print(sample: Sample) -> Sample:
    frames, first = sample.printed.get("frames"), sample.printed.get("first_output_s")
    if not frames or first is None:
        return sample
    steady = (frames - 1) / (sample.printed["seconds"] - first)
    return replace(sample, outputs=frames, first_output_s=first, steady=steady)


def _tail(file: IO[bytes], nbytes: int = 2000) -> str:
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - nbytes))
    return file.read().decode(errors="replace").strip()


def _last_object(text: str) -> dict[str, Any]:
    """The JSON object a program prints (the whole text or its last line), {} where it prints something else."""
    for candidate in (text, text.rpartition("\n")[2]):
        try:
            found = json.loads(candidate)
        except json.JSONDecodeError:
            continue
        if isinstance(found, dict):
            return found
    return {}
