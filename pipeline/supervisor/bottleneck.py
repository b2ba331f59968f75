"""Where the time went: busy, starved and blocked seconds of each group, and what limits the run. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .report import GroupReport

FULL = 0.85  # a share of time above which we call something the limit
WAITING = 0.5  # CPU seconds of busy seconds, below which a stage waits (for a disk, a service, a pause)
WORKING = 0.6  # CPU seconds of what the cores have, below which they are not all busy


@dataclass(slots=True)
class Idle:
    """Counts of idle workers of one group, sampled at even intervals.

    starved: nothing waited for them. blocked: something waited, and the next queue or the arena was full.
    """

    starved: int = 0
    blocked: int = 0

    def split(self, idle_s: float) -> tuple[float, float]:
        """Seconds starved and seconds blocked, in the proportion of the samples."""
        total = self.starved + self.blocked
        if not total:
            return max(0.0, idle_s), 0.0
        return max(0.0, idle_s) * self.starved / total, max(0.0, idle_s) * self.blocked / total


def verdict(groups: Sequence[GroupReport], seconds: float, cores: int) -> str:
    """What limits the run, in one sentence.

    The cores are the limit when the stages were busy for (nearly) all the time that the cores have: more workers of
    any group would only share them. Else the group is the limit whose workers were busy for the largest share of the
    time, if that is high: it gets more workers. So does one that is busy with waiting while the cores are not used up
    (CPU seconds tell, where they are known). Else time goes where no stage runs: starting, waiting for files.
    """
    if seconds <= 0 or not any(group.frames for group in groups):
        return ""
    load = {group.name: group.busy_s / (group.workers * seconds) for group in groups}
    name = max(load, key=lambda key: load[key])
    top = next(group for group in groups if group.name == name)
    share = f"{load[name]:.0%} busy with {top.workers} worker{'s' if top.workers != 1 else ''}"
    cpu = sum(group.cpu_s for group in groups)
    full = top.cores is not None and len(top.cores) < cores and top.cpu_s >= FULL * len(top.cores) * seconds
    if load[name] >= FULL and full:
        return f"{name}: {share}, and the cores it is pinned to are full; give it more cores"
    waits = bool(top.cpu_s) and top.cpu_s < WAITING * top.busy_s and cpu < FULL * cores * seconds
    if load[name] >= FULL and waits:
        files = ", or where it waits for files `reader.threads`" if top is groups[0] else ""
        return f"{name}: {share}, most of it waiting (a disk, a service, another program); give it more workers{files}"
    busy = sum(group.busy_s for group in groups)
    if busy >= FULL * cores * seconds and (not cpu or cpu >= WORKING * cores * seconds):
        return f"the {cores} cores: all busy; {_dearest(groups)} of the work"
    if load[name] >= FULL:
        return f"{name}: {share}; give it more workers"
    return f"no stage: the busiest is {name}, {share}; the rest is start-up, files and hand-over"


def _dearest(groups: Sequence[GroupReport]) -> str:
    """The group that takes most of the work, and how much; by CPU seconds where they are known."""
    known = any(group.cpu_s for group in groups)
    work = {group.name: group.cpu_s if known else group.busy_s for group in groups}
    name = max(work, key=lambda key: work[key])
    return f"{name} takes {work[name] / sum(work.values()):.0%}"
