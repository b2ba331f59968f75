"""`pipeline run`: carry a config out, show how it goes, and say at the end what came of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..journal.run_options import USUAL, Options, told_of
from . import options, text
from .dry_run import dry_run as show_dry_run
from .log import logging_to
from .stage_lines import stage_lines
from .summary import failures, summary

if TYPE_CHECKING:
    from ..journal.run_options import Told
    from ..plan.model import Plan
    from ..supervisor.execution import Watch
    from ..supervisor.fork_server import ForkServer
    from ..supervisor.report import Report
    from .log import ItemLog

ASK_JOURNAL = "--fresh, --adopt, --checksum, --prune"


@click.command(short_help="Run a config; run again: only what is missing or changed.")
@options.configured
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Take N inputs that are not up to date.")
@click.option("--dry-run", is_flag=True, help="Print source -> destination; read and write nothing.")
@click.option("--fresh", is_flag=True, help="Do everything again, also what is up to date.")
@click.option("--adopt", is_flag=True, help="Take outputs that are there, and no journal knows, as ours.")
@click.option("--checksum", is_flag=True, help="Know inputs by their content, not by size and time.")
@click.option("--prune", is_flag=True, help="Remove outputs of ours whose input is gone; with --dry-run list them.")
@click.option("--force", is_flag=True, help="With --prune: also when more than half of the outputs would go.")
@click.option("--only", metavar="FILE", help="Take this one input alone.")
@click.option(
    "--shard", metavar="K/N", help="Do one of N parts of the input; auto in a Slurm array, auto/N in Kubernetes."
)
@click.option("--report", "report_file", metavar="FILE", help="Write the report there too, as --json prints it.")
@click.option("--serial", is_flag=True, help="Run in this one process; slow, for finding faults.")
@click.option("--pdb", "debugger", is_flag=True, help="With --serial: stop in the debugger where a stage raises.")
@options.telling
@click.pass_context
def command(
    context: click.Context, config: str, overrides: tuple[str, ...], workers: tuple[str, ...], allow_code: bool,
    as_json: bool, limit: int | None, dry_run: bool, fresh: bool, adopt: bool, checksum: bool, prune: bool, force: bool,
    only: str | None, shard: str | None, report_file: str | None, serial: bool, verbose: bool, quiet: bool,
    log: str | None, debugger: bool,
) -> None:  # fmt: skip
    """Run CONFIG; run it again and it does only what is missing or changed.

    Exit code 0: all done; 1: some inputs failed; 2: bad config; 3: stopped; 4: the machine refuses.
    """
    wished = Options(fresh=fresh, adopt=adopt, checksum=checksum, prune=prune, force=force)
    refuse_contradictions(wished, debugger=debugger and not serial, shard=bool(shard))
    form = options.loaded(config, overrides, workers)
    with early_fork_server(wanted=not (dry_run or serial)) as fork_server:
        plan = options.built(form, allow_code=allow_code)
        if plan.state_dir is None and wished != USUAL:
            raise UsageError("this job leaves no outputs, so it keeps no journal", remedy=f"leave out {ASK_JOURNAL}")
        if shard is not None:
            plan = of_shard(plan, shard)
        if only:
            plan = without_share(plan)
        if dry_run:
            context.exit(int(show_dry_run(plan, limit, wished, only or "", as_json=as_json)))
        told = told_of(config, overrides, workers, allow_code=allow_code, shard=str(plan.shard or ""))
        with logging_to(log) as items, text.report_in(report_file) as write:
            how = How.of(plan, limit, items, wished, told, quiet=quiet or debugger, only=only or "")
            report = how.serial(debugger=debugger) if serial else how.run(fork_server)
            if items is not None:
                items.end(report)
            write(report.as_json())
    context.exit(conclude(plan, report, as_json=as_json, quiet=quiet, verbose=verbose))


def refuse_contradictions(wished: Options, *, debugger: bool, shard: bool) -> None:
    """Raises UsageError for options that do not go together."""
    if debugger:
        raise UsageError("--pdb debugs one process", remedy="add --serial")
    if wished.fresh and wished.adopt:
        raise UsageError("--fresh does all again, and --adopt takes what is there", remedy="choose one of them")
    if wished.force and not wished.prune:
        raise UsageError("--force belongs to --prune", remedy="leave it out, or add --prune")
    if wished.prune and shard:
        raise UsageError(
            "--prune looks at the inputs of all shards", remedy="run it without --shard, when all are through"
        )


def of_shard(plan: Plan, asked: str) -> Plan:
    """The plan of the shard that was asked for. A share of failures is judged when all shards are merged."""
    from ..cluster.shard_address import shard_of
    from ..supervisor.sharding import sharded

    return sharded(plan, shard_of(asked, os.environ))


def without_share(plan: Plan) -> Plan:
    """The plan without a failure budget that is a share: of a few chosen items it says nothing."""
    from ..config.key_types import MaxFailures

    policy = plan.settings.on_error
    if policy.max_failures.share is None:
        return plan
    policy = replace(policy, max_failures=MaxFailures())
    return replace(plan, settings=replace(plan.settings, on_error=policy))


def conclude(plan: Plan, report: Report, *, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Say what came of a run; its exit code."""
    if as_json:
        text.print_json(report.as_json())
    lines = failures(report, verbose=verbose) if quiet else summary(plan, report, verbose=verbose)
    for line in lines:
        text.say(line)
    return int(report.exit_code)


@contextmanager
def early_fork_server(*, wanted: bool = True) -> Iterator[ForkServer | None]:
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


@dataclass(frozen=True, slots=True)
class How:
    """What a run is told, with workers or in one process."""

    plan: Plan
    limit: int | None
    log: ItemLog | None
    keep: Options
    told: Told
    look: Watch
    only: str = ""

    @classmethod
    def of(
        cls, plan: Plan, limit: int | None, log: ItemLog | None, keep: Options, told: Told, *, quiet: bool,
        only: str = "",
    ) -> How:  # fmt: skip
        """With the drawing that goes with it."""
        from .progress import silent, watch

        return cls(plan, limit, log, keep, told, silent if quiet else watch, only)

    def run(self, fork_server: ForkServer | None) -> Report:
        """On all workers."""
        from ..supervisor.execution import run

        with stage_lines() as show:
            return run(
                self.plan, limit=self.limit, watch=self.look, fork_server=fork_server, log=self.log, show=show,
                keep=self.keep, told=self.told, only=self.only,
            )  # fmt: skip

    def serial(self, *, debugger: bool) -> Report:
        """In this process."""
        from ..supervisor.execution import check_output
        from ..supervisor.serial import run

        check_output(self.plan)
        with text.own_stderr(), stage_lines() as show:
            return run(
                self.plan, limit=self.limit, watch=self.look, log=self.log, show=show, keep=self.keep,
                told=self.told, only=self.only, on_bug=_debugger(self.plan) if debugger else None,
            )  # fmt: skip


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
