"""What a run leaves behind: the ledger, the failures, the figures of each group; what `--json` prints."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from ..contracts.cause import Cause
from ..contracts.ledger import Ledger
from ..errors import Exit


@dataclass(frozen=True, slots=True)
class Failure:
    """One item that was not done: which, where in the chain, what kind of end, why.

    Attributes:
        reason: `what`, `where`, `limit` and `remedy` in one line.
        traceback: of a bug in a stage, in several lines; "" for all else.
    """

    item: str
    stage: str
    kind: str
    reason: str
    what: str = ""
    where: str = ""
    limit: str = ""
    remedy: str = ""
    traceback: str = ""

    @classmethod
    def of(cls, item: str, cause: Cause) -> Failure:
        """The failure of an item for this cause."""
        return cls(
            item, cause.stage, cause.kind, cause.reason, cause.what, cause.where, cause.limit, cause.remedy,
            cause.traceback,
        )  # fmt: skip


@dataclass(slots=True)
class Printed:
    """How many lines a stage printed in the workers of a group, and how many of them were shown."""

    group: str
    stage: str
    lines: int = 0
    shown: int = 0


@dataclass(slots=True)
class Remark:
    """Something that did not fail its items: how many done items it was said of, and the first of them."""

    text: str
    items: int
    first: str


@dataclass(frozen=True, slots=True)
class SkippedItem:
    """An input that was left out on purpose, and why."""

    item: str
    reason: str


@dataclass(slots=True)
class GroupReport:
    """Figures of one group; seconds are summed over its workers.

    busy_s: inside stages. starved_s: idle with nothing waiting. blocked_s: idle while the next queue or the arena
    was full. cpu_s: user and system time. rss_nbytes: largest resident size of one of its workers.
    """

    name: str
    workers: int
    cores: list[int] | None = None
    frames: int = 0
    cpu_s: float = 0.0
    busy_s: float = 0.0
    starved_s: float = 0.0
    blocked_s: float = 0.0
    rss_nbytes: int = 0
    restarts: int = 0


@dataclass(slots=True)
class Report:
    """One run, whole. `failures` holds the first MAX_LISTED; `failures_left_out` says how many more there were. `skips`
    counts what was left out by reason, and `skipped_items` lists the first MAX_LISTED of it.

    `reasons` says why items were let in, as the journal told; `journal` is where that is, the number of the run in it,
    and what a row of it promises. `pruned` says what `--prune` removed, and what it left. `results` are the files of
    the reducers. `stopped` says why the run ended early; `traceback` is that of a defect of ours that ended it.
    `printed` counts the lines that stages printed. `remarks` tells what was not quite as the user may think, of done
    items; at most MAX_REMARKS kinds. `shard` says which part of the input it was, and what it takes to merge it with
    the reports of the others; {} of a whole run.
    """

    ledger: Ledger = field(default_factory=Ledger)
    exit_code: Exit = Exit.OK
    stopped: str = ""
    traceback: str = ""
    seconds: float = 0.0
    first_output_s: float | None = None
    frames: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    failures: list[Failure] = field(default_factory=list)
    failures_left_out: int = 0
    skips: dict[str, int] = field(default_factory=dict)
    skipped_items: list[SkippedItem] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)
    journal: dict[str, Any] = field(default_factory=dict)
    pruned: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    printed: list[Printed] = field(default_factory=list)
    groups: list[GroupReport] = field(default_factory=list)
    bottleneck: str = ""
    peak_memory: dict[str, int] = field(default_factory=lambda: {"arena_nbytes": 0, "rss_nbytes": 0})
    parent: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    sandbox: dict[str, str] = field(default_factory=dict)
    destination: str = ""
    shard: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    MAX_LISTED: ClassVar[int] = 1000
    MAX_REMARKS: ClassVar[int] = 50

    def add_failure(self, failure: Failure) -> None:
        """Keep a failure, or its number where there are very many."""
        if len(self.failures) < self.MAX_LISTED:
            self.failures.append(failure)
        else:
            self.failures_left_out += 1

    def add_skip(self, item: str, reason: str) -> None:
        """Count an item that was left out, and list it where there is room."""
        self.skips[reason] = self.skips.get(reason, 0) + 1
        if len(self.skipped_items) < self.MAX_LISTED:
            self.skipped_items.append(SkippedItem(item, reason))

    def add_remark(self, text: str, item: str) -> None:
        """Count an item that was done with this remark."""
        for remark in self.remarks:
            if remark.text == text:
                remark.items += 1
                return
        if len(self.remarks) < self.MAX_REMARKS:
            self.remarks.append(Remark(text, 1, item))
        else:  # every file says something else: the last line stands for the rest
            self.remarks[-1].text = "other remarks"
            self.remarks[-1].items += 1

    def as_json(self) -> dict[str, Any]:
        """Plain data for `--json`; the ledger's counts stand at the top level as well known names."""
        data = asdict(self)
        return {**data.pop("ledger"), **data, "exit_code": int(self.exit_code)}


@dataclass(frozen=True, slots=True)
class Progress:
    """A look at a run while it goes: what the progress display draws.

    total: items found by the counting thread, None until it is through. groups: figures so far.
    waiting: frames waiting before each group. capacity: the most that may wait there.
    """

    ledger: Ledger
    total: int | None
    seconds: float
    frames: int
    groups: tuple[GroupReport, ...]
    waiting: tuple[int, ...]
    capacity: tuple[int, ...]
    bottleneck: str
    state: str = "running"
