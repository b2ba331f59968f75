"""One short real run: real inputs, real stages, outputs led to a scratch folder, a window of time measured."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from random import Random
from typing import Self

import psutil

from ..config.key_types import MaxFailures
from ..config.keys import OnError
from ..contracts.frame import Item
from ..contracts.template import Template
from ..errors import EnvironmentRefusal, Exit, StopRun, UsageError
from ..plan.model import GroupPlan, Plan
from ..scheduler import Halt
from ..supervisor.execution import Run
from ..supervisor.handle import Handle
from ..supervisor.intake import Found, Intake
from .figures import GroupFigures, Trial, Vector

STOP_S = 1.0  # workers may close their stages so long, as after a real run, then they are ended
LOOKED_AT = 4096  # inputs that the sample is drawn from: the first ones found
SAMPLE = 512
WARM_S = 0.25  # after every worker is ready: caches, credit and the queues settle
LEAST_UNITS = 20  # a window is longer until this many ended in it
STRETCH = 4  # times the window, at most; while nothing has ended at all, as long as `patience_s`
STALE_S = 3600.0


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
        self.items = sample(Intake(plan).entries())
        self.folder = _scratch(plan) if plan.destination else ""
        self.plan = _for_trials(plan, self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, vector: Vector, window_s: float, patience_s: float = 15.0) -> Trial:
        """A run with this many workers in each group, stopped when its window is over.

        Args:
            patience_s: how long the window may become while nothing has ended in it.

        Raises:
            Interrupted: Ctrl-C or SIGTERM during the run.
            StopRun: no input could be done.
        """
        groups = tuple(replace(group, workers=workers) for group, workers in zip(self.plan.groups, vector, strict=True))
        plan = replace(self.plan, groups=groups)
        try:
            return _TrialRun(plan, self.items, window_s, patience_s).trial(vector)
        finally:
            self._empty()

    def _empty(self) -> None:
        """Drop the outputs of a trial, so that the next one finds the same room."""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            os.makedirs(self.folder, exist_ok=True)


def sample(entries: Iterator[Found]) -> list[Item]:
    """Inputs spread over the first ones found, in an order that is random and always the same.

    Raises:
        UsageError: there is none, or none that a run would take.
    """
    entered = list(islice(entries, LOOKED_AT))
    found = [entry.item for entry in entered if not entry.outcome]
    if not entered:
        raise UsageError("no input: nothing matched what the reader looks for")
    if not found:
        reason = entered[0].cause.reason if entered[0].cause else ""
        raise UsageError(f"none of the first {len(entered)} inputs would be taken", limit=reason)
    Random(0).shuffle(found)
    return found[:SAMPLE]


def _scratch(plan: Plan) -> str:
    """A new folder beside the outputs, so that the same disk is written to."""
    home = plan.output_root or "."
    while not os.path.isdir(home):
        home = os.path.dirname(home) or "."
    try:
        _sweep(home)
        made = tempfile.mkdtemp(prefix=f".pipeline-tune-{os.getpid()}-", dir=home)
        return os.path.join(home, os.path.basename(made))  # as the config says it: a path of the disk may hold braces
    except OSError as error:
        raise EnvironmentRefusal(f"cannot make a scratch folder: {error.strerror}", where=home) from error


def _sweep(home: str) -> None:
    """Drop scratch folders that a killed `tune` left an hour ago or earlier."""
    for entry in os.scandir(home):
        match = re.match(r"\.pipeline-tune-(\d+)-", entry.name)
        if match and not psutil.pid_exists(int(match[1])) and time.time() - entry.stat().st_mtime > STALE_S:
            shutil.rmtree(entry.path, ignore_errors=True)


def _for_trials(plan: Plan, folder: str) -> Plan:
    """Outputs in the scratch folder under names of their own; no failure ends a trial."""
    on_error = OnError(retries=plan.settings.on_error.retries, max_failures=MaxFailures())
    settings = replace(plan.settings, on_error=on_error)
    if plan.destination is None:
        return replace(plan, settings=settings)
    if plan.archives is not None:
        settings = replace(settings, state_dir=None)  # members are staged below the scratch folder
        return replace(
            plan, archives=f"{folder}/{{shard}}", destination=f"{{dir}}-{plan.destination}", settings=settings
        )
    below = plan.destination.removeprefix(Template(plan.destination).root).lstrip("/")
    below = below.replace("{dir}/", "").replace("{dir}", "")  # stands in front, and is another one for each item
    return replace(plan, destination=f"{folder}/{{dir}}-{below}", settings=settings)


class _Repeating(Intake):
    """The sample over and over; each time under another number, so that names never collide."""

    def __init__(self, plan: Plan, items: Sequence[Item]) -> None:
        super().__init__(plan)
        self.items = items

    def entries(self) -> Iterator[Found]:
        number = 0
        while True:
            for item in self.items:
                yield self.admit(item._replace(number=number, dir=str(number)))
                number += 1


@dataclass(frozen=True, slots=True)
class _Look:
    """The counters of a run at one moment."""

    at: float
    passed: int  # items done or skipped
    lost: int
    frames: tuple[int, ...]
    busy_us: tuple[int, ...]
    idle: tuple[tuple[int, int], ...]
    cpu_s: tuple[float, ...]
    queued_s: tuple[float, ...]
    parent_cpu_s: float


class _Window:
    """Looks at a run twice, and then has it stopped, whatever is in flight."""

    def __init__(self, run: Run, window_s: float, patience_s: float) -> None:
        self.loop = run.loop
        self.core = run.loop.core
        self.window_s, self.patience_s = window_s, patience_s
        self.first: _Look | None = None
        self.last: _Look | None = None

    def look(self) -> Halt | None:
        """Called at each tick of the run; a Halt when the window is over."""
        ready_at = self.loop.hearing.ready_at
        if ready_at is None or self.last is not None:
            return None
        ended = self._ended()
        if self.first is None:
            spent = self.loop.workers.now - ready_at
            if (spent >= WARM_S and ended >= len(self.loop.handles)) or spent >= self.window_s:
                self.first = self._take()
            return None
        spent, ended = time.perf_counter() - self.first.at, ended - self.units(self.first)
        fails = self.core.ledger.lost >= LEAST_UNITS  # and not for want of time
        longest = STRETCH * self.window_s if ended or fails else self.patience_s
        if spent >= longest or (spent >= self.window_s and ended >= LEAST_UNITS):
            self.last = self._take()
            return Halt(Exit.OK, "the trial is over")
        return None

    def units(self, look: _Look) -> int:
        """What had ended by then: frames of streams, else items that were done or skipped."""
        plan = self.loop.plan
        return look.frames[-1] if plan.streams or plan.many else look.passed

    def _ended(self) -> int:
        """What `units` would say of a look now."""
        plan, ledger = self.loop.plan, self.core.ledger
        return self.core.groups[-1].frames if plan.streams or plan.many else ledger.done + ledger.skipped

    def _take(self) -> _Look:
        groups, ledger = self.core.groups, self.core.ledger
        times = [(handle.worker.group.number, *_times(handle)) for handle in self.loop.handles]
        return _Look(
            time.perf_counter(),
            ledger.done + ledger.skipped,
            ledger.lost,
            tuple(group.frames for group in groups),
            tuple(group.busy_us for group in groups),
            tuple((idle.starved, idle.blocked) for idle in self.loop.deadlines.idle),
            tuple(sum(cpu for group, cpu, _ in times if group == number) for number in range(len(groups))),
            tuple(sum(queued for group, _, queued in times if group == number) for number in range(len(groups))),
            time.process_time(),
        )


class _TrialRun:
    """A run that measures a window of itself."""

    def __init__(self, plan: Plan, items: Sequence[Item], window_s: float, patience_s: float) -> None:
        self.run = Run(plan, intake=_Repeating(plan, items))
        self.sampled = len(items)
        self.window = _Window(self.run, window_s, patience_s)
        self.run.loop.look = self.window.look

    def trial(self, vector: Vector) -> Trial:
        """Carry the run out; what its window showed."""
        loop, window = self.run.loop, self.window
        loop.stop_anyway_s = STOP_S  # stages are closed as after a whole run: what they opened is theirs to put away
        report = self.run.carry_out(None)
        if loop.signals.exit_code is not None:
            raise Interrupted(loop.signals.exit_code)
        if report.exit_code == Exit.ENVIRONMENT:
            raise EnvironmentRefusal(report.stopped)
        first, last = window.first, window.last
        if first is None or last is None:
            raise StopRun(report.stopped or "the trial ended before it was measured")
        reason = report.failures[0].reason if report.failures else ""
        failing = len({failure.item for failure in report.failures})
        ledger = report.ledger
        if not ledger.done and not ledger.skipped and ledger.lost >= min(self.sampled, LEAST_UNITS):
            raise StopRun("no input could be done", limit=reason, remedy="see what `pipeline run` says")
        groups = tuple(_figures(first, last, number, group) for number, group in enumerate(self.run.plan.groups))
        return Trial(
            vector, window.units(last) - window.units(first), last.at - first.at,
            last.parent_cpu_s - first.parent_cpu_s, groups, last.lost - first.lost, failing, reason,
        )  # fmt: skip


def _figures(first: _Look, last: _Look, number: int, group: GroupPlan) -> GroupFigures:
    starved, blocked = (after - before for before, after in zip(first.idle[number], last.idle[number], strict=True))
    idle = max(1, starved + blocked)
    return GroupFigures(
        group.name, group.workers, group.cores, last.frames[number] - first.frames[number],
        (last.busy_us[number] - first.busy_us[number]) / 1e6,
        max(0.0, last.cpu_s[number] - first.cpu_s[number]),
        max(0.0, last.queued_s[number] - first.queued_s[number]),
        starved / idle, blocked / idle,
    )  # fmt: skip


def _times(handle: Handle) -> tuple[float, float]:
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
