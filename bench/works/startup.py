"""How long a person waits: for the first thumbnail, for the help, for the check of a config."""

from __future__ import annotations

from bench.process import Job, interleave
from bench.rows import Outcome, Row, at_most, named
from bench.settings import Settings, environment

FIRST, HELP, CHECK = "pipeline run", "pipeline --help", "pipeline check"
LEAST_ROUNDS = 9
CONFIG = "configs/thumbnail.yaml"


def measure(settings: Settings) -> Outcome:
    """Wall time from spawn; for `run` to the modification time of its first finished output."""
    if not settings.pipeline:
        return Outcome([Row("start-up", "first output, --help, check", "not measured")])
    out = settings.scratch / "out"
    target = ("--set", f"writer.path={out}/{{stem}}-{{ext}}.jpg")
    first = (settings.pipeline, "run", CONFIG, *target, "--json")
    jobs = [
        Job(FIRST, first, environment(), out=out),
        Job(HELP, (settings.pipeline, "--help"), environment()),
        Job(CHECK, (settings.pipeline, "check", CONFIG), environment()),
    ]
    samples = interleave(jobs, rounds=max(LEAST_ROUNDS, settings.rounds))
    outputs = [sample.first_output_s or float("nan") for sample in named(samples, FIRST)]
    rows = [
        at_most("start-up", what="`pipeline run` to its first finished output", bar=1.0, values=outputs),
        at_most("start-up", what="`pipeline --help`", bar=0.25, values=[s.wall_s for s in named(samples, HELP)]),
        at_most("start-up", what="`pipeline check`", bar=0.5, values=[s.wall_s for s in named(samples, CHECK)]),
    ]
    return Outcome(rows, samples)
