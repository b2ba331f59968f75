"""What comes of the items, written into the report and the log as it comes; for the run and for the serial run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from ..contracts.cause import Cause
from ..contracts.frame import Item
from ..journal import Journal
from ..scheduler import Entry, Outcome
from .report import Failure, Printed, Report

SHOWN = 20  # lines that each stage of each group may show
Show = Callable[[str, str, str], None]  # group, stage, line


class Log(Protocol):
    """A durable record of what comes of each item."""

    def item(self, item: Item, outcome: str, target: str, cause: Cause | None, remarks: tuple[str, ...]) -> None:
        """An item has ended."""

    def printed(self, group: str, stage: str, line: str) -> None:
        """A stage printed a line."""


class Recorder:
    """Observes a run and fills its report.

    Args:
        report: what is filled.
        log: keeps every item and line; None for none.
        show: shows a line that a stage printed; None shows none.
        journal: remembers how each item ended; None for none.
    """

    def __init__(
        self, report: Report, *, log: Log | None = None, show: Show | None = None, journal: Journal | None = None
    ) -> None:
        self.report = report
        self.journal = journal
        self.log = log
        self.show = show
        self.began = time.perf_counter()
        self._printed: dict[tuple[str, str], Printed] = {}

    def done(self, entries: Sequence[Entry]) -> None:
        """Items were done."""
        for entry in entries:
            self.one_done(entry.item, entry.target, entry.remarks, entry.busy_us)

    def one_done(self, item: Item, target: str, remarks: tuple[str, ...], busy_us: int) -> None:
        """An item was done; what its stages remarked of it, each once, and what they took for it."""
        if self.journal is not None:
            self.journal.ended(item, "done", None, busy_us)
        for remark in remarks:
            self.report.add_remark(remark, item.source)
        if self.log is not None:
            self.log.item(item, "done", target, None, remarks)
        if self.report.first_output_s is None:
            self.report.first_output_s = time.perf_counter() - self.began

    def ended(self, outcome: Outcome) -> None:
        """An item ended in another way."""
        report, cause = self.report, outcome.cause
        if self.journal is not None:
            self.journal.ended(outcome.item, outcome.outcome, cause, outcome.busy_us)
        if self.log is not None:
            self.log.item(outcome.item, outcome.outcome, "", cause, ())
        if outcome.outcome == "skipped":
            report.add_skip(outcome.item.source, cause.reason if cause is not None else "")
        elif outcome.outcome in ("failed", "quarantined") and cause is not None:
            report.add_failure(Failure.of(outcome.item.source, cause))

    def untouched(self, items: Sequence[Item]) -> None:
        """Items are up to date."""
        if self.log is not None:
            for item in items:
                self.log.item(item, "up_to_date", "", None, ())

    def redone(self, reason: str) -> None:
        """An item is let in, and the journal says why."""
        self.report.reasons[reason] = self.report.reasons.get(reason, 0) + 1

    def printed(self, group: str, stage: str, line: str) -> None:
        """A stage printed a line: the first ones of each are shown, all are logged and counted."""
        if self.log is not None:
            self.log.printed(group, stage, line)
        told = self._printed.get((group, stage))
        if told is None:
            told = self._printed[group, stage] = Printed(group, stage)
            self.report.printed.append(told)
        told.lines += 1
        if told.lines <= SHOWN and self.show is not None:
            told.shown += 1
            self.show(group, stage, line)
