"""`pipeline tune`: find the number of workers of each group by short real runs, and put it into the config."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..errors import Exit, UsageError
from . import options, text

if TYPE_CHECKING:
    from ..plan.model import Plan
    from ..tune import Result, Row, Trial, Vector


@click.command(short_help="Find the number of workers of each group.")
@options.configured
@click.option(
    "--seconds", type=click.FloatRange(min=10), default=60.0, show_default=True, metavar="S",
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
    from ..tune import check, rewrite, tune

    _, plan = options.planned(config, overrides, workers, allow_code=allow_code)
    names = [group.name for group in plan.groups]
    if write:
        _refuse_elsewhere(overrides, workers)
        check(config, names)
    with _terminable():
        result = tune(plan, seconds, watch=None if quiet else _told)
    if not as_json:
        for line in [*_table(plan, result), "", *_groups(result), "", *_advice(plan, result)]:
            click.echo(text.shown(line))
    written = write and result.changed and rewrite(config, dict(zip(names, result.recommended, strict=True)))
    if as_json:
        text.print_json(_as_data(result, names, written=written))
    elif written:
        click.echo(text.shown(f"             written into {config}"))
    elif result.changed:
        again = _again(config, names, result, overrides, allow_code=allow_code)
        click.echo(text.shown(f"             --write puts them into the config; to try them: {again}"))


def _refuse_elsewhere(overrides: tuple[str, ...], workers: tuple[str, ...]) -> None:
    """`--write` with numbers that are not those of the file: what would be compared is not what would be changed."""
    keys = [text.partition("=")[0] for text in overrides]
    given = [f"--set {key}" for key in keys if key == "fuse" or key.endswith(".workers")]
    given += [f"--workers {count}" for count in workers]
    if given:
        raise UsageError(
            f"--write with {given[0]}: the numbers would be judged against others than those of the file",
            remedy="leave one of the two out",
        )


def _again(
    config: str, names: list[str], result: Result, overrides: tuple[str, ...], *, allow_code: bool
) -> str:  # fmt: skip
    """The command that runs the config with the recommended numbers."""
    counts = [f"{name}={workers}" for name, workers in zip(names, result.recommended, strict=True)]
    words = ["pipeline", "run", config, *(word for each in overrides for word in ("--set", each))]
    words += [word for each in counts for word in ("--workers", "all=" + each[4:] if names == ["all"] else each)]
    return shlex.join([*words, *(["--allow-code"] if allow_code else [])])


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM between two trials, or a terminal that is closed, ends as an error does: the scratch folder goes."""
    from ..tune import Interrupted

    def end(*_: object) -> None:
        raise Interrupted(Exit.TERMINATED)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _told(trial: Trial) -> None:
    counts = ", ".join(f"{group.name} {group.workers}" for group in trial.groups)
    text.say(f"tried {counts}: {_rate(trial.rate)}/s")


def _table(plan: Plan, result: Result) -> list[str]:
    """A line a vector, the best first; ± is one standard error."""
    unit = "frames" if plan.streams or plan.many else "files"
    heads = [group.name for group in plan.groups]
    rows = [[*heads, f"{unit}/s", "spread", "gain", "±", "runs", ""]]
    rows += [_row(line, result) for line in result.lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=False)) for row in rows]
    return [f"{line}  {row[-1]}".rstrip() for line, row in zip(lines, rows, strict=True)]


def _row(line: Row, result: Result) -> list[str]:
    marks = [
        word
        for vector, word in ((result.present, "present"), (result.recommended, "recommended"))
        if vector == line.vector and (word == "present" or result.changed)
    ]
    if not line.final and line.vector != result.present:
        marks.append("not in the final")
    gain = "" if line.gain is None else f"{line.gain:+.1%}"
    error = "" if line.error is None else f"{line.error:.1%}"
    return [
        *map(str, line.vector), _rate(line.rate), f"{line.spread:.1%}", gain, error, str(line.rounds),
        ", ".join(marks),
    ]  # fmt: skip


def _groups(result: Result) -> list[str]:
    """Where the workers of the recommended numbers spent the time, in shares of it."""
    width = max(5, *(len(group.name) for group in result.groups))
    lines = [f"{'group':{width}}  workers   busy  starved  blocked"]
    for group in result.groups:
        busy = min(1.0, group.busy_s / (group.workers * result.window_s))
        starved, blocked = ((1 - busy) * share for share in (group.starved, group.blocked))
        lines.append(f"{group.name:{width}}  {group.workers:7}  {busy:5.0%}  {starved:7.0%}  {blocked:7.0%}")
    return lines


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _advice(plan: Plan, result: Result) -> list[str]:
    from ..tune import bound

    names = [group.name for group in plan.groups]
    lines = [f"limit        {result.limit}"] if result.limit else []
    capped = next((group for group in plan.groups if group.name == result.capped), None)
    if capped is not None:
        most = bound(capped)
        allowed = most is not None and most <= result.recommended[names.index(capped.name)]
        why = f"the stages of {capped.name} run in at most {most}" if allowed else "more were not tried and may help"
        lines.append(f"             {why}")
    if result.failing:
        lines.append(f"failures     {text.plural(result.failing, 'input')} of the sample failed: {result.reason}")
    present = _counts(names, result.present)
    if result.changed:
        gain = result.line(result.recommended)
        error = f" (±{gain.error:.1%})" if gain.error is not None else ""
        lines.append(f"recommended  {_counts(names, result.recommended)}: {gain.gain:+.1%}{error} against {present}")
        return lines
    lines.append(f"recommended  the present numbers: {present}")
    if result.too_few:
        lines.append("             too few runs to tell more: give it more time with --seconds")
    elif len(result.lines) > 1:
        lines.append("             nothing that was tried is better beyond the noise")
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
