"""The lines of the result: a bar, what was measured against it, and medians with their spread."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.pixels import Likeness
from bench.process import Sample


@dataclass(frozen=True, slots=True)
class Row:
    """One figure beside its bar. `met` is None for a figure without a bar, or one that could not be measured."""

    work: str
    bar: str
    measured: str
    met: bool | None = None


@dataclass
class Outcome:
    """What one work hands back: its rows, the runs they come from, the check of the pixels, remarks for the reader."""

    rows: list[Row] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    likeness: list[Likeness] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, smallest and largest of one figure over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def text(self, form: str = ".3f") -> str:
        return f"{self.median:{form}} ({self.low:{form}}-{self.high:{form}})"


def named(samples: Sequence[Sample], job: str) -> list[Sample]:
    """The runs of one contender, by round."""
    return sorted((sample for sample in samples if sample.job == job), key=lambda sample: sample.round)


def ratios(samples: Sequence[Sample], over: str, under: str, figure: Callable[[Sample], float | None]) -> list[float]:
    """`figure` of one contender over that of another, round by round: both met the same state of the machine."""
    pairs = zip(named(samples, over), named(samples, under), strict=True)
    return [(figure(a) or float("nan")) / (figure(b) or float("nan")) for a, b in pairs]


def at_least(work: str, *, what: str, bar: float, values: Sequence[float], unit: str = "x", form: str = ".3f") -> Row:
    """A row whose median must reach `bar`; not measured where there are no values."""
    text = f"{what} >= {bar:,g}{unit}"
    if not values:
        return Row(work, text, "not measured")
    spread = Spread.of(values)
    return Row(work, text, spread.text(form) + unit, spread.median >= bar)


def at_most(work: str, *, what: str, bar: float, values: Sequence[float], unit: str = "s", form: str = ".3f") -> Row:
    """A row whose median must not pass `bar`; not measured where there are no values."""
    text = f"{what} <= {bar:,g} {unit}"
    if not values:
        return Row(work, text, "not measured")
    spread = Spread.of(values)
    return Row(work, text, f"{spread.text(form)} {unit}", spread.median <= bar)
