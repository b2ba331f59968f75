"""One short real run: real inputs, real stages, outputs led to a scratch folder, a window of time measured."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from random import Random
from typing import Any, Self

import psutil

from ..door import Door, Found
from ..errors import EnvironmentRefusal, Exit, StopRun, UsageError
from ..frame import Item
from ..plan import ErrorPolicy, Plan
from ..scheduler import Halt
from ..supervisor import Run
from ..supervisor.loop import Loop
from ..template import Template
from .figures import GroupFigures, Trial, Vector

LOOKED_AT = 4096  # inputs that the sample is drawn from: the first ones found
SAMPLE = 512
WARM_S = 0.25  # after every worker is ready: caches, credit and the queues settle
LEAST_UNITS = 20  # a window is longer until so many ended in it
STRETCH = 4  # times the window, at most


class Interrupted(StopRun):
    """A signal ended it; the exit code is that of the signal."""

    def __init__(self, exit_code: Exit) -> None:
        super().__init__("interrupted" if exit_code == Exit.INTERRUPTED else "terminated")
        self.exit_code = exit_code


class Scene:
    """What every trial has in common: the plan, the same inputs in the same order, a scratch folder for outputs.

    Use as a context manager; the scratch folder lies on the file system of the real outputs and goes with it.

    Raises:
        UsageError: there is no input, or the writer's outputs cannot be led elsewhere.
        EnvironmentRefusal: no scratch folder can be made.
    """

    def __init__(self, plan: Plan) -> None:
        writer = plan.writer.build()
        if plan.destination is None and not writer.discards:
            raise UsageError(
                f"'{plan.writer.label}' has no path of outputs that a trial could lead to a scratch folder",
                where=str(plan.writer.mark), remedy="tune the rest: --set writer.use=null",
            )  # fmt: skip
        self.items = sample(Door(plan).entries())
        if not self.items:
            raise UsageError("no input: nothing matched what the reader looks for")
        self.folder = _scratch(plan) if plan.destination else ""
        self.plan = _for_trials(plan, self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, vector: Vector, window_s: float) -> Trial:
        """A run with so many workers in each group, stopped when its window is over.

        Raises:
            Interrupted: Ctrl-C or SIGTERM during the run.
            StopRun: no input could be done.
        """
        groups = tuple(replace(group, workers=workers) for group, workers in zip(self.plan.groups, vector, strict=True))
        plan = replace(self.plan, groups=groups)
        try:
            run = _TrialRun(plan, self.items, window_s)
            run.carry_out(None)
            return run.trial(vector)
        finally:
            self._empty()

    def _empty(self) -> None:
        """Drop the outputs of a trial, so that the next one finds the same room."""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            os.makedirs(self.folder, exist_ok=True)


def sample(entries: Iterator[Found]) -> list[Item]:
    """Inputs spread over the first ones found, in an order that is random and always the same."""
    found = [entry.item for entry in islice(entries, LOOKED_AT) if not entry.refused and not entry.skipped]
    Random(0).shuffle(found)
    return found[:SAMPLE]


def _scratch(plan: Plan) -> str:
    """A new folder beside the outputs, so that the same disk is written to."""
    assert plan.destination is not None
    home = os.path.abspath(Template(plan.destination).root)
    while not os.path.isdir(home):
        home = os.path.dirname(home)
    try:
        return tempfile.mkdtemp(prefix=".pipeline-tune-", dir=home)
    except OSError as error:
        raise EnvironmentRefusal(f"cannot make a scratch folder: {error.strerror}", where=home) from error


def _for_trials(plan: Plan, folder: str) -> Plan:
    """Outputs in the scratch folder under names of their own; no failure ends a trial."""
    on_error = ErrorPolicy(retries=plan.on_error.retries, max_share=None)
    if plan.destination is None:
        return replace(plan, on_error=on_error)
    name = plan.destination.rpartition("/")[2]
    return replace(plan, destination=f"{folder}/{{dir}}-{name}", on_error=on_error)


class _Repeating(Door):
    """The sample over and over; each time under another number, so that names never collide."""

    def __init__(self, plan: Plan, items: Sequence[Item]) -> None:
        super().__init__(plan)
        self.items = items

    def entries(self) -> Iterator[Found]:
        number = 0
        while True:
            for item in self.items:
                yield self._admit(item._replace(number=number, dir=str(number)))
                number += 1


@dataclass(frozen=True, slots=True)
class _Look:
    """The counters of a run at one moment."""

    at: float
    finished: int
    frames: tuple[int, ...]
    busy_us: tuple[int, ...]
    idle: tuple[tuple[int, int], ...]
    cpu_s: tuple[float, ...]
    queued_s: tuple[float, ...]
    parent_cpu_s: float


class _TrialRun(Run):
    """A run that measures a window of itself."""

    loop: _TrialLoop

    def __init__(self, plan: Plan, items: Sequence[Item], window_s: float) -> None:
        super().__init__(plan, None, loop=_TrialLoop, door=_Repeating(plan, items))
        self.loop.window_s = window_s

    def trial(self, vector: Vector) -> Trial:
        loop, report = self.loop, self.report
        if loop.signal_exit is not None:
            raise Interrupted(loop.signal_exit)
        if report.exit_code == Exit.ENVIRONMENT:
            raise EnvironmentRefusal(report.stopped)
        first, last = loop.first, loop.last
        if first is None or last is None:
            raise StopRun(report.stopped or "the trial ended before it was measured")
        ledger = report.ledger
        reason = report.failures[0].reason if report.failures else ""
        if ledger.lost and not ledger.done and not ledger.skipped:
            raise StopRun("no input could be done", limit=reason, remedy="see what `pipeline run` says")
        streams = self.plan.streams or self.plan.many
        units = last.frames[-1] - first.frames[-1] if streams else last.finished - first.finished
        groups = tuple(
            _figures(first, last, number, group.name, group.workers) for number, group in enumerate(self.plan.groups)
        )
        return Trial(
            vector, units, last.at - first.at, last.parent_cpu_s - first.parent_cpu_s, groups, ledger.lost, reason
        )


def _figures(first: _Look, last: _Look, number: int, name: str, workers: int) -> GroupFigures:
    starved, blocked = (after - before for before, after in zip(first.idle[number], last.idle[number], strict=True))
    idle = max(1, starved + blocked)
    return GroupFigures(
        name, workers, last.frames[number] - first.frames[number],
        (last.busy_us[number] - first.busy_us[number]) / 1e6,
        max(0.0, last.cpu_s[number] - first.cpu_s[number]),
        max(0.0, last.queued_s[number] - first.queued_s[number]),
        starved / idle, blocked / idle,
    )  # fmt: skip


class _TrialLoop(Loop):
    """A loop that looks at itself twice and then stops, whatever is in flight."""

    window_s = 1.0
    first: _Look | None = None
    last: _Look | None = None

    def _tick(self, elapsed: float) -> None:
        super()._tick(elapsed)
        if self.ready_at is None or self.halt is not None:
            return
        if self.first is None:
            warm = self.now - self.ready_at >= WARM_S and self._units() >= len(self.handles)
            if warm or self.now - self.ready_at >= STRETCH * self.window_s:
                self.first = self._look()
        else:
            spent = time.perf_counter() - self.first.at
            enough = self._units() - self._begun(self.first) >= LEAST_UNITS
            if spent >= self.window_s and (enough or spent >= STRETCH * self.window_s):
                self.last = self._look()
                self.halt = Halt(Exit.OK, "the trial is over")

    def _units(self) -> int:
        streams = self.plan.streams or self.plan.many
        return self.core.groups[-1].frames if streams else self.core.verdicts.ledger.finished

    def _begun(self, look: _Look) -> int:
        return look.frames[-1] if self.plan.streams or self.plan.many else look.finished

    def _look(self) -> _Look:
        groups = self.core.groups
        times = [(handle.worker.group.number, *_times(handle)) for handle in self.handles]
        return _Look(
            time.perf_counter(),
            self.core.verdicts.ledger.finished,
            tuple(group.frames for group in groups),
            tuple(group.busy_us for group in groups),
            tuple((idle.starved, idle.blocked) for idle in self.idle),
            tuple(sum(cpu for group, cpu, _ in times if group == number) for number in range(len(groups))),
            tuple(sum(queued for group, _, queued in times if group == number) for number in range(len(groups))),
            time.process_time(),
        )


def _times(handle: Any) -> tuple[float, float]:
    """CPU seconds of a worker, and seconds that it was ready to run and had no core (0 where the system keeps none)."""
    if handle.process is None:
        return 0.0, 0.0
    pid = handle.process.pid
    try:
        used = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0, 0.0
    try:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            queued = int(file.read().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        queued = 0.0
    return used.user + used.system, queued
