"""How items end: the ledger, the failure budget, and when a group has failed to start too often."""

from __future__ import annotations

from ..config.keys import OnError
from ..contracts.frame import Item
from ..contracts.ledger import Ledger
from ..errors import Exit
from .state import Entry, Halt, Outcome

SHARE_AFTER = 200  # finished items before a share of failures means anything
MAX_UNREADY_DEATHS = 5
BACKOFF_S = (0.1, 5.0)


class Verdicts:
    """Counts every item exactly once and says when the run must stop."""

    def __init__(self, policy: OnError) -> None:
        self.policy = policy
        self.ledger = Ledger()

    def close(self, entry: Entry) -> tuple[Outcome, Halt | None]:
        """The item has no live frame left: done, skipped, failed or quarantined."""
        stage, kind, reason = entry.failure or ("", "", entry.skip)
        if entry.cancelled:
            outcome = "cancelled"
        elif entry.failure:
            outcome = "quarantined" if entry.quarantined else "failed"
        else:
            outcome = "done" if entry.frames or not entry.skip else "skipped"
        return self.count(entry.item, outcome, stage, kind, reason, entry.frames)

    def count(
        self, item: Item, outcome: str, stage: str = "", kind: str = "", reason: str = "", frames: int = 0
    ) -> tuple[Outcome, Halt | None]:
        """Write one item into the ledger."""
        ledger = self.ledger
        setattr(ledger, outcome, getattr(ledger, outcome) + 1)
        halt = self._exceeded(reason) if outcome in ("failed", "quarantined") else None
        return Outcome(item, outcome, stage, kind, reason, frames), halt

    def _exceeded(self, reason: str) -> Halt | None:
        policy, ledger = self.policy, self.ledger
        most = policy.max_failures.count
        if policy.policy == "stop":
            return Halt(Exit.STOPPED, f"stopped at the first failure (`on_error: {{policy: stop}}`): {reason}")
        if most is not None and ledger.lost > most:
            return Halt(Exit.STOPPED, f"more than {most} items failed (`on_error: {{max_failures}}`)")
        if ledger.finished >= SHARE_AFTER and self.share_exceeded:
            return Halt(Exit.STOPPED, self.share_text())
        return None

    @property
    def share_exceeded(self) -> bool:
        """Whether more than the allowed share of the finished items failed."""
        share = self.policy.max_failures.share
        return share is not None and self.ledger.lost > share * max(1, self.ledger.finished)

    def share_text(self) -> str:
        """Why the share is exceeded, with the numbers."""
        ledger, share = self.ledger, self.policy.max_failures.share or 0.0
        return (
            f"{ledger.lost} of {ledger.finished} items failed, more than the {share:.0%} of "
            "`on_error: {max_failures}`"
        )


def backoff_s(deaths: int) -> float:
    """How long to wait before a worker is started again: 0.1 s doubled for each death in a row, at most 5 s."""
    return min(BACKOFF_S[1], BACKOFF_S[0] * 2 ** max(0, deaths - 1)) if deaths else 0.0
