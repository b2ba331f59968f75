"""How long the parent may leave records lying, so that they come together. Pure (`docs/adr/0004-patience.md`)."""

from __future__ import annotations

from collections.abc import Sequence

from ..contracts.template import Template
from ..plan.model import Plan
from .entities import Group

LEAST_US, MOST_US = 1_000, 3_000  # a shorter pause does not pay; a longer one spares no more
FEW_ASK = 8  # one lease in eight may ask for memory, and the parent is patient still


class WakeUps:
    """What is known of a run that says how long its parent may wait before it wakes up.

    Attributes:
        asked: questions of workers, halved at each look back, as are the frames that they are set against.
    """

    def __init__(self, plan: Plan, groups: Sequence[Group]) -> None:
        self.asked = 0
        self._frames = 0
        self._core_sets = core_sets(groups, len(plan.usable_cores))
        producing = len(groups) > 1 and (plan.streams or plan.many or any(group.expands for group in groups))
        claiming = plan.destination is not None and not Template(plan.destination).known_at_intake
        self._chatty = producing or claiming

    def look_back(self, frames: int) -> None:
        """Weigh old questions less: `frames` frames have left the run since the last look."""
        self.asked //= 2
        self._frames = (self._frames + frames) // 2

    def patience_us(self) -> int:
        """How long the parent may leave records lying, 0 for not at all: as long as no core runs out of work by it.

        A core counts as fed while one of its workers has leases behind the one it works on; half of the time that
        these take is left as a margin. Groups that are pinned have to feed their own cores. Where workers ask
        questions, and so wait for the parent, there is no patience.
        """
        if self._chatty or self.asked * FEW_ASK > self._frames:
            return 0
        patience = MOST_US
        for cores, groups in self._core_sets:
            spans = [
                (worker.load - 1) * group.lease_us
                for group in groups
                if group.lease_us * (group.credit - 1) >= 2 * LEAST_US
                for worker in group.workers
                if worker.load > 1 and not worker.asks
            ]
            if len(spans) < cores:
                return 0
            spans.sort(reverse=True)
            patience = min(patience, spans[cores - 1] // 2)
        return patience if patience >= LEAST_US else 0


def core_sets(groups: Sequence[Group], usable: int) -> list[tuple[int, list[Group]]]:
    """Sets of cores as (how many workers feed all of them, the groups that run there)."""
    sets: dict[tuple[int, ...] | None, list[Group]] = {}
    for group in groups:
        sets.setdefault(group.plan.cores, []).append(group)
    found = []
    for cores, there in sets.items():
        if cores is None:
            found.append((max(1, usable), list(groups)))
        else:
            found.append((min(len(cores), sum(group.plan.workers for group in there)), there))
    return found
