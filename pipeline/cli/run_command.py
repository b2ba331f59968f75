"""`pipeline run`: carry a config out, show how it goes, and say at the end what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import click

from ..errors import Exit, UsageError
from . import options, text
from .log import ItemLog
from .summary import failures, summary

if TYPE_CHECKING:
    from ..plan.model import Plan
    from ..supervisor.fork_server import ForkServer
    from ..supervisor.report import Report


@click.command(short_help="Run a config.")
@options.configured
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Take the first N inputs only.")
@click.option("--dry-run", is_flag=True, help="Print source -> destination; read and write nothing.")
@click.option("--fresh", is_flag=True, help="Do everything again. (Every run does, until there is a journal.)")
@click.option("--serial", is_flag=True, help="Run in this one process; slow, for finding faults.")
@click.option("--pdb", "debugger", is_flag=True, help="With --serial: stop in the debugger where a stage raises.")
@click.option("-v", "--verbose", is_flag=True, help="Figures of each group, skips, tracebacks and versions at the end.")
@click.option("--log", metavar="FILE", help="Append one line of JSON for each input as it ends.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary; failures only.")
@click.pass_context
def command(
    context: click.Context, config: str, overrides: tuple[str, ...], workers: tuple[str, ...], allow_code: bool,
    as_json: bool, limit: int | None, dry_run: bool, fresh: bool, serial: bool, verbose: bool, quiet: bool,
    log: str | None, debugger: bool,
) -> None:  # fmt: skip
    """Run CONFIG. Exit code 0: all done; 1: some inputs failed; 2: bad config; 3: stopped; 4: the machine refuses."""
    del fresh  # accepted already, so that scripts written today keep their meaning when the journal comes
    if debugger and not serial:
        raise UsageError("--pdb debugs one process", remedy="add --serial")
    form = options.loaded(config, overrides, workers)
    with _fork_server(wanted=not (dry_run or serial)) as fork_server:
        plan = options.built(form, allow_code=allow_code)
        if dry_run:
            context.exit(int(_dry_run(plan, limit, as_json=as_json)))
        with ItemLog(log) if log else nullcontext() as items:
            report = _carry_out(plan, limit, fork_server, items, serial=serial, quiet=quiet, debugger=debugger)
            if items is not None:
                items.end(report)
    if as_json:
        text.print_json(report.as_json())
    lines = failures(report, verbose=verbose) if quiet else summary(plan, report, verbose=verbose)
    for line in lines:
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
    plan: Plan, limit: int | None, fork_server: ForkServer | None, log: ItemLog | None, *, serial: bool, quiet: bool,
    debugger: bool,
) -> Report:  # fmt: skip
    from .progress import silent, watch

    look = silent if quiet or debugger else watch
    if serial:
        from ..supervisor.execution import check_output
        from ..supervisor.serial import run as run_here

        check_output(plan)
        on_bug = _debugger(plan) if debugger else None
        with text.own_stderr():
            return run_here(plan, limit=limit, watch=look, log=log, show=_show, on_bug=on_bug)
    from ..supervisor.execution import run

    return run(plan, limit=limit, watch=look, fork_server=fork_server, log=log, show=_show)


def _show(group: str, stage: str, line: str) -> None:
    """A line that a stage printed."""
    text.say(f"{group}/{stage}: {line}")


def _debugger(plan: Plan) -> Callable[[BaseException], None]:
    """What stops in the debugger at the line of a stage that raised."""
    import pdb  # noqa: T100 - it was asked for

    from ..worker.causes import faulting

    def stop(error: BaseException) -> None:
        trace = faulting(error, plan)
        if trace is not None:
            trace.tb_next = None  # what a library did below it is not where the reader looks first
        text.say(f"{type(error).__name__}: {error}")
        pdb.post_mortem(error.__traceback__)

    return stop


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
