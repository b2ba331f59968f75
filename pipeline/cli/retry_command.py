"""`pipeline retry`: once more what a run did not do, with the config of that run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from . import options, text
from .address import addressed, addressed_by
from .log import logging_to
from .run_command import How, conclude, early_fork_server, without_share

if TYPE_CHECKING:
    from ..journal.history import PastRun
    from ..journal.run_options import Told
    from ..plan.model import Plan


@click.command(short_help="Try again what failed or was quarantined in a run.")
@addressed
@click.option("--config", type=click.Path(), help="Use this config and not that of the run.")
@click.option("--allow-code", is_flag=True, help="Run stages that the config names as code of yours.")
@options.telling
@click.pass_context
def command(
    context: click.Context, address: str, number: int | None, overrides: tuple[str, ...], as_json: bool,
    config: str | None, allow_code: bool, verbose: bool, log: str | None, quiet: bool,
) -> None:  # fmt: skip
    """Do what RUN did not: items that failed, were refused or quarantined in it, and were not done since.

    RUN is a config, its output folder or its state folder. The config is that of the run, with its --set and --workers;
    --set here comes on top. Of another config (--config) nothing but what stands here counts. A share in
    `max_failures` does not count: all of these have failed before.
    """
    from ..journal.history import History
    from ..journal.run_options import Options

    log = None if log is None else os.path.abspath(log)  # before the folder of that run is gone to
    with early_fork_server() as fork_server:
        where = addressed_by(address, overrides)
        state = os.path.realpath(where.state)
        with History(where.state) as history:
            run = history.run(number, where.job)
        plan, told = _planned(run, config, overrides, allow_code=allow_code)
        if plan.state_dir is None or os.path.realpath(plan.state_dir) != state:
            raise UsageError(
                f"the config leads to another journal than that of run {run.number}", where=state,
                limit=f"it keeps its own in {plan.state_dir!r}",
                remedy="where the outputs were moved: --set writer.path=..., --set state_dir=...",
            )  # fmt: skip
        with logging_to(log) as items:
            how = How.of(without_share(plan), None, items, Options(retry=run.number), told, quiet=quiet)
            report = how.run(fork_server)
            if items is not None:
                items.end(report)
    if plan.settings.on_error.max_failures.share is not None and report.ledger.lost:
        text.say("max_failures is a share, which a retry does not judge; a number it does: on_error.max_failures=N")
    context.exit(conclude(plan, report, as_json=as_json, quiet=quiet, verbose=verbose))


def _planned(run: PastRun, config: str | None, overrides: tuple[str, ...], *, allow_code: bool) -> tuple[Plan, Told]:
    """The plan of that run with what is said now on top, in the folder where it ran; and what is written down of it."""
    from .. import config as configs
    from ..journal.run_options import Told, told_of

    if config is not None:
        plan = options.built(configs.load(config, overrides, ()), allow_code=allow_code)
        told = told_of(config, overrides, (), allow_code=allow_code)
    else:
        if not run.config:
            raise UsageError(f"run {run.number} kept no config", remedy="give one: --config FILE")
        before = dict(run.command)
        folder = str(before.get("folder", "."))
        if os.path.isdir(folder):
            os.chdir(folder)  # relative paths of a config are relative to where the command was given
        sets = [*before.get("set", []), *overrides]
        form = configs.load(str(before.get("config", "")), sets, before.get("workers", []), text=run.config)
        plan = options.built(form, allow_code=allow_code)
        told = Told(before | {"set": sets, "allow_code": allow_code}, run.config)
    return plan, told._replace(command={**told.command, "retry_of": run.number})
