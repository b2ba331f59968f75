"""The ledger: how many items were found, and how each of them ended."""

from __future__ import annotations

from dataclasses import dataclass

OUTCOMES = ("done", "up_to_date", "skipped", "failed", "quarantined", "cancelled")


@dataclass(slots=True)
class Ledger:
    """Counts of items; `found` equals the sum of the others when a run is over."""

    found: int = 0
    done: int = 0
    up_to_date: int = 0
    skipped: int = 0
    failed: int = 0
    quarantined: int = 0
    cancelled: int = 0

    @property
    def finished(self) -> int:
        return self.done + self.up_to_date + self.skipped + self.failed + self.quarantined + self.cancelled

    @property
    def lost(self) -> int:
        """Failed and quarantined: what the failure budget counts."""
        return self.failed + self.quarantined

    @property
    def balances(self) -> bool:
        return self.found == self.finished
