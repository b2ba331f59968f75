"""How items end: the ledger, the failure budget, and how long a group that keeps failing to start waits. Pure.

The core counts with it in the parent, and so does the serial run: one policy, and one wording of it.
"""

from __future__ import annotations

from ..config.key_types import MaxFailures
from ..config.keys import OnError
from ..contracts.cause import Cause
from ..contracts.frame import Item
from ..contracts.ledger import Ledger
from ..errors import Exit
from .commands import Halt, Outcome

SHARE_AFTER = 200  # finished items before a share of failures means anything
MAX_UNREADY_DEATHS = {False: 5, True: 20}  # in a row; by whether the group ever had a worker ready
BACKOFF_S = (0.1, 5.0)
BACKOFF_STARTED_S = 0.4  # the longest in a group that had a worker ready


class Budget:
    """Counts every item exactly once and says when the run must stop.

    Args:
        of_shard: whether only a part of the items is counted here: a share is judged when all of them are.

    Attributes:
        ledger: the counts so far. The caller adds to `found` when it finds an item; `count` adds how it ended.
    """

    def __init__(self, policy: OnError, *, of_shard: bool = False) -> None:
        self.ledger = Ledger()
        self._policy = policy
        self._most = MaxFailures(policy.max_failures.count) if of_shard else policy.max_failures

    def count(
        self, item: Item, outcome: str, cause: Cause | None = None, frames: int = 0, busy_us: int = 0
    ) -> tuple[Outcome, Halt | None]:
        """Write one item into the ledger under a name of its counts; a Halt where that was one failure too many."""
        ledger = self.ledger
        setattr(ledger, outcome, getattr(ledger, outcome) + 1)
        halt = self._exceeded(cause) if outcome in ("failed", "quarantined") else None
        return Outcome(item, outcome, cause, frames, busy_us), halt

    def ending(self, halt: Halt | None, *, all_found: bool) -> Halt | None:
        """What is left of a Halt at the end: a run that had tried every item was not stopped by its failures."""
        tried = all_found and not self.ledger.cancelled and bool(self.ledger.lost)
        return None if tried and halt is not None and halt.exit_code == Exit.STOPPED else halt

    def _exceeded(self, cause: Cause | None) -> Halt | None:
        if self._policy.policy == "stop":
            text = "stopped at the first failure (`on_error: {policy: stop}`)"
            return Halt(Exit.STOPPED, f"{text}: {cause.reason}" if cause else text)
        text = exceeded(self._most, self.ledger)
        return Halt(Exit.STOPPED, text) if text else None


def exceeded(most: MaxFailures, ledger: Ledger) -> str:
    """Why so many failures are too many; "" where they are not."""
    if most.count is not None and ledger.lost > most.count:
        return f"more than {most.count} items failed (`on_error: {{max_failures}}`)"
    if most.share is None or ledger.finished < SHARE_AFTER or ledger.lost <= most.share * ledger.finished:
        return ""
    text = f"{ledger.lost} of {ledger.finished} items failed, more than the {most.share:.0%}"
    return f"{text} of `on_error: {{max_failures}}`"


def backoff_s(deaths: int, *, has_started: bool = False) -> float:
    """How long to wait before a worker is started again: 0.1 s doubled for each death in a row, at most 5 s.

    In a group that had a worker ready at most 0.4 s: it can be started, so others kill it (a system short of memory,
    say), and a long pause would only leave it without workers for longer.
    """
    first, most = BACKOFF_S
    return min(BACKOFF_STARTED_S if has_started else most, first * 2 ** max(0, deaths - 1)) if deaths else 0.0
