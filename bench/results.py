"""Full results, kept a work at a time in results.json: a quiet hour is rare, and the pages are made from this file.

`python -m bench --keep` measures works and keeps them; `python -m bench.results` makes the pages again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench import picture, table
from bench.pixels import Likeness
from bench.process import Sample
from bench.rows import Outcome, Row
from bench.settings import ROOT

FILE = ROOT / "bench" / "results.json"
BENCH_PAGE = ROOT / "bench" / "README.md"
FRONT_PAGE = ROOT / "README.md"
PICTURE = ROOT / "docs" / "speed.svg"


@dataclass(frozen=True, slots=True)
class Kept:
    """One work as it was measured: when, on what, in how many rounds."""

    outcome: Outcome
    date: str
    rounds: int
    machine: Mapping[str, str | int]


def load(path: Path = FILE) -> dict[str, Kept]:
    """What is kept, by work."""
    data = json.loads(path.read_text()) if path.exists() else {}
    return {name: _kept(work) for name, work in data.items()}


def keep(
    outcomes: Mapping[str, Outcome], facts: Mapping[str, str | int], *, date: str, rounds: int, order: Sequence[str]
) -> None:
    """Put works beside, or in the place of, what is kept, in the order of the works; make the pages again."""
    kept = load()
    for name, outcome in outcomes.items():
        kept[name] = Kept(replace(outcome, samples=[_short(s) for s in outcome.samples]), date, rounds, dict(facts))
    kept = {name: kept[name] for name in order if name in kept}
    FILE.write_text(json.dumps({name: asdict(work) for name, work in kept.items()}, indent=1) + "\n")
    write_pages(kept)


def is_whole(outcome: Outcome) -> bool:
    """Whether everything in it was measured: what was not must not take the place of what was."""
    return not any(row.measured.startswith(("failed", "not measured")) for row in outcome.rows)


def write_pages(kept: Mapping[str, Kept]) -> None:
    """The tables of both pages and the picture."""
    for path, text in pages(kept).items():
        path.write_text(text)


def pages(kept: Mapping[str, Kept]) -> dict[Path, str]:
    """What the pages and the picture should hold."""
    speeds = picture.speeds({name: work.outcome for name, work in kept.items()})
    return {
        BENCH_PAGE: table.between(BENCH_PAGE.read_text(), "results", text(kept)),
        FRONT_PAGE: table.between(FRONT_PAGE.read_text(), "speed", picture.markdown(speeds)),
        PICTURE: picture.svg(speeds),
    }


def text(kept: Mapping[str, Kept]) -> str:
    """The tables, as markdown."""
    outcomes = {name: work.outcome for name, work in kept.items()}
    machines: dict[str, list[str]] = {}
    for name, work in kept.items():
        about = ", ".join(f"{fact} {value}" for fact, value in work.machine.items() if fact != "load_before")
        machines.setdefault(about, []).append(name)
    parts = [f"Machine of {', '.join(names)}: {about}." for about, names in machines.items()]
    parts += [table.rows_table([row for o in outcomes.values() for row in o.rows])]
    parts += table.reasons(outcomes)
    for name, work in kept.items():
        when = f"{work.date}, {work.rounds} rounds, load before {work.machine.get('load_before', '?')}"
        parts += table.details(f"{name}` ({when})", work.outcome)
    return table.joined(parts)


def _short(sample: Sample) -> Sample:
    """Without the whole report that a run printed."""
    return replace(sample, printed={})


def _kept(work: Mapping[str, Any]) -> Kept:
    data = work["outcome"]
    outcome = Outcome(
        [Row(**row) for row in data["rows"]], [Sample(**sample) for sample in data["samples"]],
        [Likeness(**likeness) for likeness in data["likeness"]], list(data["notes"]),
    )  # fmt: skip
    return Kept(outcome, work["date"], work["rounds"], work["machine"])


if __name__ == "__main__":
    write_pages(load())
