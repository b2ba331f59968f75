"""`pipeline tune`: find the number of workers of each group by short real runs, and put it into the config."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pipeline.errors import Exit

from . import options, text

if TYPE_CHECKING:
    from pipeline.plan import Plan
    from pipeline.tune import Line, Result, Trial, Vector


@click.command(short_help="Find the number of workers of each group.")
@options.configured
@click.option(
    "--seconds", type=click.FloatRange(min=20), default=60.0, show_default=True, metavar="S",
    help="For all trial runs together.",
)  # fmt: skip
@click.option("--write", is_flag=True, help="Put the recommended numbers into CONFIG; comments stay.")
@click.option("-q", "--quiet", is_flag=True, help="No line for each trial run.")
def command(
    config: str, overrides: tuple[str, ...], workers: tuple[str, ...], allow_code: bool, as_json: bool,
    seconds: float, write: bool, quiet: bool,
) -> None:  # fmt: skip
    """Find the number of workers of each group with which CONFIG goes fastest.

    Makes short real runs on the real input, one after the other, with outputs in a scratch folder beside the real
    ones; shows what was measured, what limits the job, and which numbers are better than the present ones beyond the
    noise. Do nothing else on the machine meanwhile. Inputs are read again and again, so a job that its disk limits
    when run for the first time looks faster here.
    """
    from pipeline.tune import rewrite, tune

    _, plan = options.planned(config, overrides, workers, allow_code=allow_code)
    names = [group.name for group in plan.groups]
    with _terminable():
        result = tune(plan, seconds, watch=None if quiet else _told)
    written = write and result.changed and rewrite(config, dict(zip(names, result.recommended, strict=True)))
    if as_json:
        text.print_json(_as_data(result, names, written=written))
        return
    for line in [*_table(plan, result), "", *_advice(names, result, config, written=written)]:
        click.echo(text.shown(line))


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM between two trials ends as an error does: the scratch folder goes."""
    from pipeline.tune import Interrupted

    def end(*_: object) -> None:
        raise Interrupted(Exit.TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _told(trial: Trial) -> None:
    counts = ", ".join(f"{group.name} {group.workers}" for group in trial.groups)
    text.say(f"tried {counts}: {_rate(trial.rate)}/s")


def _table(plan: Plan, result: Result) -> list[str]:
    """A line a vector, the fastest first."""
    unit = "frames" if plan.streams or plan.many else "files"
    heads = [group.name for group in plan.groups]
    rows = [[*heads, f"{unit}/s", "spread", "against present", "runs", ""]]
    rows += [_row(line, result) for line in result.lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=False)) for row in rows]
    return [f"{line}  {row[-1]}".rstrip() for line, row in zip(lines, rows, strict=True)]


def _row(line: Line, result: Result) -> list[str]:
    marks = [
        word
        for vector, word in ((result.present, "present"), (result.recommended, "recommended"))
        if vector == line.vector and (word == "present" or result.changed)
    ]
    return [
        *map(str, line.vector), _rate(line.rate), f"±{line.spread:.1%}", _against(line), str(line.rounds),
        ", ".join(marks),
    ]  # fmt: skip


def _against(line: Line) -> str:
    if line.gain is None or line.error is None:
        return ""
    error = f" ±{line.error:.1%}" if line.error < 10 else ""
    return f"{line.gain:+.1%}{error}"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _advice(names: list[str], result: Result, config: str, *, written: bool) -> list[str]:
    lines = [f"limit        {result.limit}"] if result.limit else []
    if result.capped:
        lines.append(f"             tune tries no more workers of {result.capped}; more may help, if memory allows")
    if result.lost:
        lines.append(f"failures     up to {text.plural(result.lost, 'file')} of a trial failed: {result.reason}")
    present = _counts(names, result.present)
    if not result.changed:
        lines.append(f"recommended  the present numbers: {present}")
        best = result.lines[0]
        if result.too_few:
            lines.append("             too few runs to tell more: give it more time with --seconds")
        elif best.vector != result.present:
            lines.append("             nothing that was tried is better beyond the noise")
        return lines
    gain = result.line(result.recommended)
    lines.append(f"recommended  {_counts(names, result.recommended)}: {_against(gain)} against {present}")
    if written:
        lines.append(f"             written into {config}")
    else:
        flags = " ".join(f"--workers {n}={w}" for n, w in zip(names, result.recommended, strict=True))
        lines.append(f"             put them into the config with --write, or try: pipeline run {config} {flags}")
    return lines


def _counts(names: list[str], vector: Vector) -> str:
    return ", ".join(f"{name} {workers}" for name, workers in zip(names, vector, strict=True))


def _as_data(result: Result, names: list[str], *, written: bool) -> dict[str, Any]:
    data = asdict(result)
    for key in ("present", "recommended"):
        data[key] = dict(zip(names, data[key], strict=True))
    for line in data["lines"]:
        line["vector"] = dict(zip(names, line["vector"], strict=True))
    return {**data, "changed": result.changed, "written": written, "exit_code": 0}
