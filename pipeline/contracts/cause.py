"""Cause: why an item was not done, with its parts kept apart from where they arise to the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

ONE_LINE = 2000  # characters of a reason


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an item was not done (or, of kind "skip", left out on purpose).

    Attributes:
        stage: label of the stage that raised, crashed or timed out; "" where none is to blame.
        kind: in one word: input, format, spec, io, memory, permission, vanished, collision, exists, refused, crash,
            timeout, skip, or error for a bug.
        what: what happened, in one sentence without a full stop.
        where: for a bug in a stage the place in its file, `file.py:12 in process`.
        limit: the bound that was met, with its unit.
        remedy: what the reader of the message can do.
        traceback: of a bug, whole, in several lines.
    """

    stage: str
    kind: str
    what: str
    where: str = ""
    limit: str = ""
    remedy: str = ""
    traceback: str = ""

    @property
    def reason(self) -> str:
        """All but the traceback in one line, as the summary shows it."""
        head = f"{self.what} ({self.where})" if self.where else self.what
        return " ".join("; ".join(part for part in (head, self.limit, self.remedy) if part).split())[:ONE_LINE]

    def as_parts(self) -> tuple[str, ...]:
        """What `of_parts` takes: the texts of its fields in turn."""
        return (self.stage, self.kind, self.what, self.where, self.limit, self.remedy, self.traceback)

    @classmethod
    def of_parts(cls, parts: Sequence[str]) -> Cause:
        """A cause that travelled as texts; what was cut off at the end is missing."""
        return cls(*[*parts, "", "", ""][: max(3, len(parts))])

    def after(self, attempts: int) -> Cause:
        """The same, with the number of attempts it was met in."""
        return replace(self, what=f"{self.what} ({attempts} attempts)")
