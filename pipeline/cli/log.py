"""`--log FILE`: one line of JSON for each item as it ends, and one for the run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..errors import UsageError

if TYPE_CHECKING:
    from ..contracts.cause import Cause
    from ..contracts.frame import Item
    from ..supervisor.report import Report


@contextmanager
def logging_to(path: str | None) -> Iterator[ItemLog | None]:
    """The log of this path, open while the block lasts; None where none is wanted."""
    if not path:
        yield None
        return
    with ItemLog(path) as log:
        yield log


class ItemLog:
    """Appends to a file; lines are whole, and so is what a run that was killed left behind.

    Raises:
        UsageError: the file cannot be opened.
    """

    def __init__(self, path: str) -> None:
        try:
            self._file = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - closed by __exit__
        except OSError as error:
            raise UsageError(
                f"cannot open the log {path!r}: {error.strerror}", remedy="name another with --log"
            ) from error
        self._began = time.monotonic()

    def item(self, item: Item, outcome: str, target: str, cause: Cause | None, remarks: tuple[str, ...]) -> None:
        """An item has ended; called in the loop of the run."""
        told: dict[str, object] = {"item": item.source, "outcome": outcome, "output": target}
        if cause is not None:
            told |= {
                "stage": cause.stage, "kind": cause.kind, "reason": cause.reason, "where": cause.where,
                "limit": cause.limit, "remedy": cause.remedy, "traceback": cause.traceback,
            }  # fmt: skip
        self._write(told | {"remarks": list(remarks)})

    def printed(self, group: str, stage: str, line: str) -> None:
        """A stage printed a line; called in the loop of the run."""
        self._write({"group": group, "stage": stage, "printed": line or " "})

    def _write(self, told: dict[str, object]) -> None:
        """One line, with the seconds since the log was opened, without what is empty."""
        entry: dict[str, object] = {"s": round(time.monotonic() - self._began, 3)}
        self._file.write(json.dumps(entry | {name: value for name, value in told.items() if value}) + "\n")

    def end(self, report: Report) -> None:
        """The last line: the report without its lists of items."""
        data = {name: value for name, value in report.as_json().items() if name not in ("failures", "remarks")}
        self._file.write(json.dumps({"run": data}) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
