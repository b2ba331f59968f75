"""Where the time went: busy, starved and blocked seconds of each group, and what limits the run. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .report import GroupReport

FULL = 0.85  # a share of time above which we call something the limit


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
    time, if that is high: it gets more workers. Else time goes where no stage runs: starting, waiting for files.
    """
    if seconds <= 0 or not any(group.frames for group in groups):
        return ""
    load = {group.name: group.busy_s / (group.workers * seconds) for group in groups}
    work = sum(group.busy_s for group in groups)
    name = max(load, key=lambda key: load[key])
    top = next(group for group in groups if group.name == name)
    share = f"{load[name]:.0%} busy with {top.workers} worker{'s' if top.workers != 1 else ''}"
    if work >= FULL * cores * seconds:
        costs = max(groups, key=lambda group: group.busy_s)
        part = costs.busy_s / work
        return f"the {cores} cores: all busy; {costs.name} takes {part:.0%} of the work"
    if load[name] >= FULL:
        return f"{name}: {share}; give it more workers"
    return f"no stage: the busiest is {name}, {share}; the rest is start-up, files and hand-over"
