"""`pipeline run`: carry a config out, show how it goes, and say at the end what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import click

from ..errors import Exit
from . import options, text
from .log import ItemLog

if TYPE_CHECKING:
    from ..plan.model import Plan
    from ..supervisor.fork_server import ForkServer
    from ..supervisor.report import Report

MAX_SHOWN = 10


@click.command(short_help="Run a config.")
@options.configured
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Take the first N inputs only.")
@click.option("--dry-run", is_flag=True, help="Print source -> destination; read and write nothing.")
@click.option("--fresh", is_flag=True, help="Do everything again. (Every run does, until there is a journal.)")
@click.option("--serial", is_flag=True, help="Run in this one process; slow, for finding faults.")
@click.option("-v", "--verbose", is_flag=True, help="Figures of each group, skips and versions at the end.")
@click.option("--log", metavar="FILE", help="Append one line of JSON for each input as it ends.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary; failures only.")
@click.pass_context
def command(
    context: click.Context, config: str, overrides: tuple[str, ...], workers: tuple[str, ...], allow_code: bool,
    as_json: bool, limit: int | None, dry_run: bool, fresh: bool, serial: bool, verbose: bool, quiet: bool,
    log: str | None,
) -> None:  # fmt: skip
    """Run CONFIG. Exit code 0: all done; 1: some inputs failed; 2: bad config; 3: stopped; 4: the machine refuses."""
    del fresh  # accepted already, so that scripts written today keep their meaning when the journal comes
    form = options.loaded(config, overrides, workers)
    with _fork_server(wanted=not (dry_run or serial)) as fork_server:
        from ..plan import planning

        plan = planning.build(form, allow_code=allow_code)
        if dry_run:
            context.exit(int(_dry_run(plan, limit, as_json=as_json)))
        with ItemLog(log) if log else nullcontext() as items:
            report = _carry_out(plan, limit, fork_server, items, serial=serial, quiet=quiet)
            if items is not None:
                items.end(report)
    if as_json:
        text.print_json(report.as_json())
    summary = _failures(report) if quiet else _summary(plan, report, verbose=verbose)
    for line in summary:
        text.say(line)
    context.exit(int(report.exit_code))


@contextmanager
def _fork_server(*, wanted: bool) -> Iterator[ForkServer | None]:
    """The process that workers are forked from, started as soon as a run is likely: it gets ready while we plan."""
    if not wanted:
        yield None
        return
    from ..supervisor.fork_server import ForkServer

    fork_server = ForkServer()
    try:
        yield fork_server
    finally:
        fork_server.close()


def _carry_out(
    plan: Plan, limit: int | None, fork_server: ForkServer | None, log: ItemLog | None, *, serial: bool, quiet: bool
) -> Report:
    from .progress import silent, watch

    look = silent if quiet else watch
    if serial:
        from ..supervisor.execution import check_output
        from ..supervisor.serial import run as run_here

        check_output(plan)
        return run_here(plan, limit=limit, watch=look, log=log)
    from ..supervisor.execution import run

    return run(plan, limit=limit, watch=look, fork_server=fork_server, log=log)


def _dry_run(plan: Plan, limit: int | None, *, as_json: bool) -> Exit:
    """`source -> destination` of each input, as it is found: never a list of them all. What a run would end with."""
    from itertools import chain, islice

    from ..supervisor.intake import Intake

    entries = Intake(plan, limit=limit, probe=False).entries()
    first = list(islice(entries, 1))  # an input that cannot be listed is refused before anything is printed
    refused = 0
    if as_json:
        click.echo('{"entries": [')
    comma = ""
    for found in chain(first, entries):
        refused += bool(found.refused)
        reason = found.refused or found.skipped
        if as_json:
            entry = {
                "source": found.item.source,
                "destination": found.target,
                "refused": found.refused,
                "skipped": found.skipped,
            }
            click.echo(comma + json.dumps(entry), nl=False)
            comma = ",\n"
        elif reason:
            click.echo(text.shown(f"{found.item.source}: {'refused' if found.refused else 'skipped'}: {reason}"))
        else:
            click.echo(text.shown(f"{found.item.source} -> {found.target or plan.destination or 'nothing'}"))
    code = Exit.USAGE if not first else Exit.SOME_FAILED if refused else Exit.OK
    if as_json:
        click.echo(f'\n], "exit_code": {int(code)}}}')
    elif not first:
        text.say("no input: nothing matched what the reader looks for")
    return code


def _summary(plan: Plan, report: Report, *, verbose: bool) -> list[str]:
    ledger = report.ledger
    counts = [f"{text.plural(ledger.done, 'file')} done"]
    counts += [
        f"{number:,} {name}"
        for name, number in (
            ("up to date", ledger.up_to_date), ("skipped", ledger.skipped), ("failed", ledger.failed),
            ("quarantined", ledger.quarantined), ("cancelled", ledger.cancelled),
        )
        if number
    ]  # fmt: skip
    rate = ledger.done / report.seconds if report.seconds else 0.0
    pace = f"{rate:,.1f} files/s"
    if plan.streams or plan.many:
        pace = f"{text.plural(report.frames, 'frame')}, {report.frames / (report.seconds or 1):,.1f} frames/s"
    lines = [f"{', '.join(counts)} in {text.span(report.seconds)}, {pace}"]
    moved = f"{text.size(report.bytes_in)} in, {text.size(report.bytes_out)} out"
    where = _where(plan, report)
    lines.append(f"{moved}; outputs are in {where}" if where else moved)
    lines += _failures(report)
    lines += [
        f"note: {text.plural(remark.items, 'file')} of which the first is {remark.first}: {remark.text}"
        if remark.items > 1 else f"note: {remark.first}: {remark.text}"
        for remark in report.remarks[:MAX_SHOWN]
    ]  # fmt: skip
    if report.bottleneck:
        lines.append(report.bottleneck)
    if verbose:
        lines += _details(report)
    return lines


def _where(plan: Plan, report: Report) -> str:
    from ..contracts.template import Template

    return Template(plan.destination).root if plan.destination else report.destination


def _failures(report: Report) -> list[str]:
    """The first failures with their reasons, and why the run stopped early."""
    early = report.ledger.cancelled or report.exit_code >= Exit.ENVIRONMENT
    lines = [f"stopped: {report.stopped}" if early else report.stopped] if report.stopped else []
    for failure in report.failures[:MAX_SHOWN]:
        stage = f" ({failure.stage})" if failure.stage else ""
        lines.append(f"{failure.kind}: {failure.item}{stage}: {failure.reason}")
    more = report.ledger.lost - min(len(report.failures), MAX_SHOWN)
    if more > 0:
        lines.append(f"and {more:,} more; --json lists them")
    return lines


def _details(report: Report) -> list[str]:
    lines = [f"skipped: {number:,} {reason}" for reason, number in report.skips.items()]
    lines += [
        f"{group.name}: {text.plural(group.workers, 'worker')}, {group.frames:,} frames, busy {group.busy_s:.1f} s,"
        f" starved {group.starved_s:.1f} s, blocked {group.blocked_s:.1f} s, cpu {group.cpu_s:.1f} s,"
        f" {text.size(group.rss_nbytes)} resident, {text.plural(group.restarts, 'restart')}"
        for group in report.groups
    ]
    lines.append(f"arena: {text.size(report.peak_memory.get('arena_nbytes', 0))} at most")
    lines += [f"{name} {version}" for name, version in report.versions.items()]
    return [*lines, *(f"note: {note}" for note in report.notes)]
