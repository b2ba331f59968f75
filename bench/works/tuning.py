"""`pipeline tune` against all vectors of workers up to MOST a group, each tried with whole runs.

The best of many noisy figures is flattered by its noise. So one set of runs picks the leaders, and a second set,
interleaved, compares them with the recommended numbers and the present ones.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from random import Random
from statistics import median

from bench import corpus
from bench.process import Job, Sample, interleave, run
from bench.rows import Outcome, Row, at_least, at_most, named, ratios
from bench.settings import CONFIGS, ROOT, Settings, environment
from bench.works.thumbs import FULL, QUICK, note, warm

MOST = (4, 2)  # workers a group: full, quick
LEADERS = 5
SCREENINGS = (2, 1)
FINALS = (9, 3)
SECONDS = 60.0
Vector = tuple[int, ...]
GROUPS = ("reader", "shrink", "writer")


@dataclass(frozen=True, slots=True)
class Case:
    """A config to tune. screened, compared: files of one run in either set."""

    name: str
    config: Path
    screened: int
    compared: int


CASES = (
    Case("thumbnails", ROOT / "configs" / "thumbnail.yaml", 1500, 3000),
    Case("a stage that sleeps 20 ms", CONFIGS / "slow_stage.yaml", 100, 500),
)


def measure(settings: Settings) -> Outcome:
    """Bars: 95 % of the best of all vectors, in 60 s."""
    if not settings.pipeline:
        return Outcome([Row("tune", "within 5 % of the best", "not measured")])
    source = corpus.subset(settings.cache, "small", settings.scaled(FULL["small"], QUICK["small"]))
    warm([source])
    outcome = Outcome()
    for case in CASES:
        _one(case, source, settings, outcome)
    return outcome


def _one(case: Case, source: Path, settings: Settings, outcome: Outcome) -> None:
    work = f"tune, {case.name}"
    tuned = run(_tune(case, source, settings))
    present, chosen = (tuple(tuned.printed[key].values()) for key in ("present", "recommended"))
    print(f"  {case.name}: present {present}, recommended {chosen}, {tuned.wall_s:.1f} s", file=sys.stderr, flush=True)
    vectors = list(product(range(1, settings.scaled(*MOST) + 1), repeat=len(GROUPS)))
    leaders = _screen(case, vectors, settings)
    jobs = [_job(case, vector, case.compared, settings) for vector in dict.fromkeys((chosen, present, *leaders))]
    samples = interleave(jobs, rounds=settings.scaled(*FINALS))
    best = max(leaders, key=lambda vector: median(_rates(samples, vector)))
    values = ratios(samples, _name(chosen), _name(best), lambda sample: sample.steady)
    gains = ratios(samples, _name(chosen), _name(present), lambda sample: sample.steady)
    bar = f"recommended {_name(chosen)} / best of {len(vectors)} vectors ({_name(best)}), steady"
    outcome.rows += [
        at_least(work, what=bar, bar=0.95, values=values),
        note(work, f"recommended / present {_name(present)}, steady", gains),
        at_most(work, what="whole command", bar=SECONDS, values=[tuned.wall_s], form=".1f"),
    ]
    outcome.samples += [replace(sample, job=f"{case.name} {sample.job}") for sample in samples]
    told = " ".join(
        f"{_name(tuple(line['vector'].values()))} {line['rate']:.0f}/s" for line in tuned.printed["lines"][:6]
    )
    outcome.notes.append(f"{work}: it tried {tuned.printed['trials']} runs; {told}")


def _screen(case: Case, vectors: Sequence[Vector], settings: Settings) -> list[Vector]:
    """The leaders of all vectors, by short runs in changing order."""
    rates: dict[Vector, list[float]] = {vector: [] for vector in vectors}
    for number in range(settings.scaled(*SCREENINGS)):
        order = list(vectors)
        Random(number).shuffle(order)
        for vector in order:
            rates[vector].append(run(_job(case, vector, case.screened, settings)).steady or 0.0)
    return sorted(vectors, key=lambda vector: median(rates[vector]), reverse=True)[:LEADERS]


def _rates(samples: Sequence[Sample], vector: Vector) -> list[float]:
    return [sample.steady or 0.0 for sample in named(samples, _name(vector))]


def _name(vector: Vector) -> str:
    return "-".join(map(str, vector))


def _sets(source: Path, out: Path) -> list[str]:
    return ["--set", f"reader.path={source}", "--set", f"writer.path={out}/{{stem}}.jpg", "--allow-code", "--json"]


def _tune(case: Case, source: Path, settings: Settings) -> Job:
    assert settings.pipeline is not None
    sets = _sets(source, settings.scratch / "tune")
    argv = (settings.pipeline, "tune", str(case.config), *sets, "-q", "--seconds", f"{SECONDS:g}")
    return Job(f"tune {case.name}", argv, environment())


def _job(case: Case, vector: Vector, files: int, settings: Settings) -> Job:
    assert settings.pipeline is not None
    out = settings.scratch / "out"
    source = corpus.subset(settings.cache, "small", files)
    counts = [f"--workers={group}={workers}" for group, workers in zip(GROUPS, vector, strict=True)]
    argv = (settings.pipeline, "run", str(case.config), *_sets(source, out), "-q", *counts)
    return Job(_name(vector), argv, environment(), out=out, expected=files)
