"""A finding about a config as data: where it stands, what is wrong, what is wanted, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UsageError


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a config: file name, 1-based line and column; line 0 is the command line."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One finding. `note` findings inform (a parameter without effect); the others refuse the config."""

    mark: Mark
    what: str
    want: str = ""
    remedy: str = ""
    note: bool = False

    def __str__(self) -> str:
        return "; ".join(part for part in (f"{self.mark}: {self.what}", self.want, self.remedy) if part)


class ConfigError(UsageError):
    """A config with one or more problems; all of them are listed, sorted by place."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[object, ...]:
        return (ConfigError, (self.problems,))


def near(name: str, known: Sequence[str]) -> str:
    """The question "did you mean" for a misspelt name, or the list of what there is."""
    from difflib import get_close_matches  # 4 ms that a worker need not pay

    found = [word for word in known if word.casefold() == name.casefold()]
    found = found or get_close_matches(name, known, n=1, cutoff=0.6)
    if found:
        return f"did you mean '{found[0]}'?"
    return f"known are {', '.join(known)}" if known else ""
