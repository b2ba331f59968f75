"""`pipeline retry`: once more what a run did not do, with the config of that run."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from . import options, text
from .address import addressed, state_of
from .log import logging_to
from .run_command import How, conclude, early_fork_server

if TYPE_CHECKING:
    from ..journal.history import PastRun
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
    --set here comes on top. A share in `max_failures` does not count here: all of these have failed before.
    """
    from ..journal.history import History
    from ..journal.run_options import Options, Told

    with early_fork_server() as fork_server:
        with History(state_of(address, () if config is None else overrides)) as history:
            run = history.run(number)
        plan, told = _planned(run, config, overrides, allow_code=allow_code)
        with logging_to(log) as items:
            how = How.of(plan, None, items, Options(retry=run.number), Told(told, run.config), quiet=quiet)
            report = how.run(fork_server)
            if items is not None:
                items.end(report)
    context.exit(conclude(plan, report, as_json=as_json, quiet=quiet, verbose=verbose))


def _planned(
    run: PastRun, config: str | None, overrides: tuple[str, ...], *, allow_code: bool
) -> tuple[Plan, dict[str, object]]:
    """The plan of that run with what is said now on top, in the folder where it ran."""
    from .. import config as configs
    from ..config.key_types import MaxFailures

    before = dict(run.command)
    folder = str(before.get("folder", "."))
    if config is None and os.path.isdir(folder):
        os.chdir(folder)  # relative paths of a config are relative to where the command was given
    sets = [*before.get("set", []), *overrides]
    name = config or str(before.get("config", ""))
    if config is None and not run.config:
        raise UsageError(f"run {run.number} kept no config", remedy="give one: --config FILE")
    form = configs.load(name, sets, before.get("workers", []), text=None if config is not None else run.config)
    plan = options.built(form, allow_code=allow_code)
    policy = plan.settings.on_error
    if policy.max_failures.share is not None:
        policy = replace(policy, max_failures=MaxFailures())
        text.say("max_failures is a share, which a retry does not judge; a number it does: on_error.max_failures=N")
    told: dict[str, object] = before | {"set": sets, "config": os.path.abspath(name), "retry_of": run.number}
    return replace(plan, settings=replace(plan.settings, on_error=policy)), told
