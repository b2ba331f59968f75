"""What a trial run measured, and what follows for the job: cost of a unit in each group, what limits. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, floor, log

from ..supervisor.bottleneck import verdict
from ..supervisor.report import GroupReport

Vector = tuple[int, ...]  # workers of each group, from reader to writer
NEAR = 0.01  # rates as near as this are alike, and then fewer processes are better


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """One group in the window of a trial; seconds are summed over its workers.

    cores: it is pinned to; None where it is not. busy_s: inside stages. cpu_s: user and system time. queued_s: ready to
    run while every core was taken. starved, blocked: shares of the idle time.
    """

    name: str
    workers: int
    cores: tuple[int, ...] | None
    frames: int
    busy_s: float
    cpu_s: float
    queued_s: float
    starved: float
    blocked: float


@dataclass(frozen=True, slots=True)
class Trial:
    """One short run: how many units ended in its window, and where the time went.

    A unit is an item that was done or skipped; where an item is a stream of frames, a frame.

    lost: items that failed in the window. failing: how many different ones did in the whole run; reason: of the first.
    """

    vector: Vector
    units: int
    seconds: float
    parent_cpu_s: float
    groups: tuple[GroupFigures, ...]
    lost: int = 0
    failing: int = 0
    reason: str = ""

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.units / self.seconds

    @property
    def lost_share(self) -> float:
        """Of the items that ended, those that failed."""
        return self.lost / max(1, self.units + self.lost)


@dataclass(frozen=True, slots=True)
class Demand:
    """What a unit costs: CPU seconds and seconds in service in each group, CPU seconds in all.

    Time in service is CPU time and waiting for disks, networks and sleep; not waiting for a core, which more workers
    only make longer.
    """

    cpu_s: tuple[float, ...]
    service_s: tuple[float, ...]
    total_cpu_s: float


def demand(trial: Trial) -> Demand:
    """What a unit costs, by a trial."""
    units = max(1, trial.units)
    cpu = tuple(group.cpu_s / units for group in trial.groups)
    service = tuple(max(group.cpu_s, group.busy_s - group.queued_s, 1e-9) / units for group in trial.groups)
    return Demand(cpu, service, sum(cpu) + trial.parent_cpu_s / units)


def expected(vector: Vector, cost: Demand, cores: int) -> float:
    """Units a second at most: the cores' worth of CPU time, or the slowest group (the utilisation law)."""
    by_group = min(workers / service for workers, service in zip(vector, cost.service_s, strict=True))
    return min(by_group, cores / max(cost.total_cpu_s, 1e-9))


def propose(cost: Demand, most: Vector, cores: int, count: int) -> list[Vector]:
    """The `count` vectors that promise most: as many workers as the best reachable rate keeps busy, and near that."""
    best = expected(most, cost, cores)
    choices = []
    for service, limit in zip(cost.service_s, most, strict=True):
        need = best * service
        near = {floor(need), ceil(need), ceil(need) + 1}
        choices.append(sorted({min(limit, max(1, number)) for number in near}))

    return sorted(product(*choices), key=lambda vector: rank(expected(vector, cost, cores), vector))[:count]


def rank(rate: float, vector: Vector) -> tuple[int, int]:
    """Sorts by rate, the highest first; of rates that are NEAR each other, fewer processes come first."""
    return -round(log(max(rate, 1e-9)) / NEAR), sum(vector)


def neighbours(trial: Trial, most: Vector) -> list[Vector]:
    """One worker more for the group that is busiest, one less for the group that idles most, and both."""
    load = [group.busy_s / (group.workers * trial.seconds) for group in trial.groups]
    idle = [group.workers * trial.seconds - group.busy_s if group.workers > 1 else 0.0 for group in trial.groups]
    top, low = load.index(max(load)), idle.index(max(idle))
    more = (*trial.vector[:top], min(most[top], trial.vector[top] + 1), *trial.vector[top + 1 :])
    less = (*trial.vector[:low], max(1, trial.vector[low] - 1), *trial.vector[low + 1 :])
    both = (*more[:low], max(1, more[low] - 1), *more[low + 1 :])
    found = [vector for vector in (more, both, less) if vector != trial.vector]
    return list(dict.fromkeys(found))


def limit_of(trials: Sequence[Trial], cores: int) -> str:
    """What limits the job with these workers, in one sentence; over all trials of one vector."""
    seconds = sum(trial.seconds for trial in trials)
    rows = [
        GroupReport(
            column[0].name, column[0].workers, list(column[0].cores) if column[0].cores else None,
            frames=sum(group.frames for group in column),
            cpu_s=sum(group.cpu_s for group in column), busy_s=sum(group.busy_s for group in column),
        )
        for column in zip(*(trial.groups for trial in trials), strict=True)
    ]  # fmt: skip
    return verdict(rows, seconds, cores)
