"""`pipeline report`: what a run did, looked at later: runs, what failed and why, what took longest."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from . import text
from .address import addressed, addressed_by, when

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..journal.history import History, PastRun

SHOWN = 20
SLOWEST = 10
FIELDS = ("item", "outcome", "output", "nbytes", "busy_s", "reason")
COUNTS = ("done", "up_to_date", "skipped", "failed", "quarantined", "cancelled")


@click.command(short_help="Show what a run did: failures, slowest items, earlier runs.")
@addressed
@click.option("--format", "form", type=click.Choice(["table", "csv", "jsonl"]), default="table",
              help="csv, jsonl: a line for each item whose last end is in the run.")  # fmt: skip
def command(address: str, number: int | None, overrides: tuple[str, ...], as_json: bool, form: str) -> None:
    """Show what RUN did: a config, its output folder or its state folder; `--run N` names one, else it is the last."""
    from ..journal.history import History

    if as_json and form != "table":
        raise UsageError(f"--json and --format {form} are two forms of one answer", remedy="choose one of them")
    where = addressed_by(address, overrides)
    with History(where.state) as history:
        run = history.run(number, where.job)
        if as_json:
            text.print_json(_as_data(history, run))
        elif form == "csv":
            writer = csv.writer(sys.stdout)
            writer.writerow(FIELDS)
            writer.writerows(_cells(row.values()) for row in _rows(history, run))
        elif form == "jsonl":
            for row in _rows(history, run):
                click.echo(json.dumps(row))
        else:
            for line in _table(history, run):
                click.echo(text.shown(line))


def _cells(values: Any) -> list[str]:
    """Cells of a table; bytes of names that are not UTF-8 become escapes, and on a terminal what it would obey."""
    cells = [str(value).encode("utf-8", "backslashreplace").decode() for value in values]
    return [text.shown(cell) for cell in cells] if sys.stdout.isatty() else cells


def _rows(history: History, run: PastRun) -> Iterator[dict[str, Any]]:
    """Items whose last end is in the run, then those that were refused before they were read."""
    seen = set()
    for item in history.items(run.number):
        seen.add(item.item)
        yield item._asdict()
    for lost in history.not_done(run.number):
        if lost.item not in seen:
            yield dict(zip(FIELDS, (lost.item, lost.outcome, "", 0, 0.0, lost.cause.reason), strict=True))


def _as_data(history: History, run: PastRun) -> dict[str, Any]:
    return {
        "journal": history.path,
        "run": _run_data(run) | {"config": run.config, "report": dict(run.report)},
        "not_done": [
            {"item": lost.item, "source": lost.source, "outcome": lost.outcome, "kind": lost.cause.kind,
             "stage": lost.cause.stage, "reason": lost.cause.reason, "traceback": lost.cause.traceback}
            for lost in history.not_done(run.number)
        ],
        "slowest": [item._asdict() for item in history.items(run.number, slowest=SLOWEST)],
        "runs": [_run_data(each) for each in history.runs()],
    }  # fmt: skip


def _run_data(run: PastRun) -> dict[str, Any]:
    return {
        "number": run.number, "began_ns": run.began_ns, "ended_ns": run.ended_ns, "state": run.state,
        "exit_code": run.exit_code, "pid": run.pid, "host": run.host, "command": dict(run.command),
        "counts": {name: run.report[name] for name in COUNTS if name in run.report},
    }  # fmt: skip


def _table(history: History, run: PastRun) -> Iterator[str]:
    yield f"run {run.number}  {when(run)}, {run.state}"
    yield f"  config   {run.command.get('config', 'unknown')}" + _sets(run)
    yield f"  counts   {_counts(run)}"
    if run.report.get("stopped"):
        yield f"  stopped  {run.report['stopped']}"
    lost = list(history.not_done(run.number))
    if lost:
        yield f"not done ({len(lost):,})"
    for each in lost[:SHOWN]:
        stage = f" ({each.cause.stage})" if each.cause.stage else ""
        yield f"  {each.cause.kind}: {each.source}{stage}: {each.cause.reason}"
    if len(lost) > SHOWN:
        yield f"  and {len(lost) - SHOWN:,} more; --json lists them"
    slowest = list(history.items(run.number, slowest=SLOWEST))
    if slowest:
        yield "slowest"
    for item in slowest:
        yield f"  {item.busy_s:8.3f} s  {item.item}"
    yield "runs"
    for other in history.runs():
        yield f"  {other.number:4}  {when(other):32}  {other.state:10}  {_counts(other)}"


def _sets(run: PastRun) -> str:
    told = "".join(f" --set {each}" for each in run.command.get("set", []))
    return told + (f" --shard {run.command['shard']}" if run.command.get("shard") else "")


def _counts(run: PastRun) -> str:
    told = [f"{run.report[name]:,} {name.replace('_', ' ')}" for name in COUNTS if run.report.get(name)]
    return ", ".join(told) or "no report"
