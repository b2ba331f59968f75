"""What past runs did, read from a journal: for `report`, `retry` and `repro`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from ..contracts.cause import Cause
from ..errors import UsageError
from .store import path_in, refusals
from .tables import FOLDER, OUTCOMES
from .taking_in import is_kept, open_past


class PastRun(NamedTuple):
    """One run of the journal.

    Attributes:
        began_ns, ended_ns: nanoseconds since 1970; `ended_ns` is None while it goes on, 0 where it was killed.
        command: what repeats it: config, set, workers, allow_code, folder. config: the text of its config.
        exit_code: None where it has none. report: as `--json` printed it; empty where it has none.
    """

    number: int
    job: int
    began_ns: int
    ended_ns: int | None
    pid: int
    host: str
    command: Mapping[str, Any]
    config: str
    exit_code: int | None
    report: Mapping[str, Any]

    @property
    def state(self) -> str:
        """How it ended, in words."""
        if self.ended_ns is None:
            return "going on, or killed"
        return "killed" if self.ended_ns == 0 else f"exit {self.exit_code}"


class NotDone(NamedTuple):
    """An item that failed in a run, was quarantined in it or refused."""

    item: str
    source: str
    outcome: str
    cause: Cause


class PastItem(NamedTuple):
    """An item whose last end is in a run; paths are below the input's root and the output folder."""

    item: str
    outcome: str
    output: str
    nbytes: int
    busy_s: float
    reason: str


def state_in(address: str) -> str | None:
    """The state folder of a folder that is one, or that holds outputs; None for anything else."""
    for folder in (address, os.path.join(address, FOLDER)):
        if is_kept(folder):
            return folder
    return None


class History:
    """A journal whose past is looked at; a context manager.

    Raises:
        UsageError: there is none.
        EnvironmentRefusal: it cannot be read.
    """

    def __init__(self, state_dir: str) -> None:
        self.path = path_in(state_dir)
        self._db = open_past(state_dir)

    def runs(self, last: int = 20) -> list[PastRun]:
        """The last runs, the newest first, without their reports and configs."""
        return [self._run(row) for row in self._query(_RUNS + " ORDER BY id DESC LIMIT ?", last)]

    def run(self, number: int | None = None, job: str | None = None) -> PastRun:
        """This run, or the last one, of this job where one is named. Raises UsageError where there is none."""
        rows = self._query(_ONE_RUN, number, job, job)
        if rows:
            return self._run(rows[0])
        if number is None and self.runs(1):
            raise UsageError(
                f"the journal has no run that wrote {job!r}", where=self.path,
                remedy="name one with --run N; `pipeline report` of the output folder lists them",
            )  # fmt: skip
        known = [str(row[0]) for row in self._query("SELECT id FROM runs ORDER BY id")]
        limit = f"it has {known[0]} to {known[-1]}" if known else "it has none yet"
        raise UsageError(
            "the journal does not have " + (f"run {number}" if number else "a run"), where=self.path, limit=limit
        )

    def not_done(self, run: int) -> Iterator[NotDone]:
        """Items that failed in a run, were quarantined in it or refused."""
        for item, source, outcome, cause in self._query(
            "SELECT item, source, outcome, cause FROM failures WHERE run = ? ORDER BY item", run
        ):
            yield NotDone(os.fsdecode(item), os.fsdecode(source), OUTCOMES[outcome], _cause(cause))

    def items(self, run: int, *, slowest: int | None = None) -> Iterator[PastItem]:
        """Items whose last end is in a run; only so many of them that took longest, where that is asked."""
        query = "SELECT item, outcome, output, output_size, busy_us, cause FROM items WHERE run = ?"
        query += " ORDER BY item" if slowest is None else " ORDER BY busy_us DESC LIMIT ?"
        values = (run,) if slowest is None else (run, slowest)
        for item, outcome, output, nbytes, busy_us, cause in self._query(query, *values):
            name = os.fsdecode(output) if output is not None else ""
            yield PastItem(os.fsdecode(item), OUTCOMES[outcome], name, nbytes, busy_us / 1e6, _cause(cause).reason)

    def _query(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with refusals(self.path):
            return self._db.execute(query, values).fetchall()

    def _run(self, row: tuple[Any, ...]) -> PastRun:
        number, job, began, ended, pid, host, command, config, code, report = row
        return PastRun(
            number, job, began, ended, pid, host, json.loads(command), config, code, json.loads(report or "{}")
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()


_RUNS = "SELECT id, job, began_ns, ended_ns, pid, host, command, config, exit_code, report FROM runs"

_LAST = "SELECT max(r.id) FROM runs AS r JOIN jobs AS j ON j.id = r.job WHERE ? IS NULL OR j.template = ?"
_ONE_RUN = _RUNS + f" WHERE id = coalesce(?, ({_LAST}))"


def _cause(told: str | None) -> Cause:
    return Cause.of_parts(json.loads(told)["cause"]) if told else Cause("", "", "")
