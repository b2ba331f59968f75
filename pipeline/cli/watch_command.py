"""`pipeline watch`: the same job for ever: what is there, then what appears."""

from __future__ import annotations

import click

from ..errors import UsageError
from . import options
from .log import logging_to
from .run_command import conclude, early_fork_server
from .stage_lines import stage_lines


@click.command(short_help="Do what is in a folder, then what appears in it.")
@options.configured
@click.option("--poll", is_flag=True, help="Look again and again; do not rely on events of the file system.")
@click.option("--adopt", is_flag=True, help="Take outputs that are there, and no journal knows, as ours.")
@options.telling
@click.pass_context
def command(
    context: click.Context, config: str, overrides: tuple[str, ...], workers: tuple[str, ...], allow_code: bool,
    as_json: bool, poll: bool, adopt: bool, verbose: bool, log: str | None, quiet: bool,
) -> None:  # fmt: skip
    """Carry CONFIG out for ever. Ctrl-C and SIGTERM end it when what has begun is finished.

    A file is taken when it was left alone for `settle` (2 s). One that fails is tried again after a pause that doubles.
    """
    from ..journal.run_options import Options, told_of
    from ..supervisor.for_ever import watch
    from ..supervisor.notifying import FIELD
    from .progress import silent
    from .progress import watch as draw

    form = options.loaded(config, overrides, workers)
    with early_fork_server() as fork_server:
        plan = options.built(form, allow_code=allow_code)
        notify = plan.settings.notify
        if (notify.command or notify.url) and not allow_code:
            raise UsageError(
                "`notify` of the config reaches out of this program", where=str(form.at("notify")),
                remedy="a config that does so is a program: --allow-code lets it",
            )  # fmt: skip
        if notify.per == "batch" and any(FIELD.search(part) for part in notify.command):
            raise UsageError(
                "`notify.command` names one item, and a notification tells of a batch", where=str(form.at("notify")),
                remedy="say `per: item`, or read the batch from standard input",
            )  # fmt: skip
        if notify.url and not notify.url.startswith(("http://", "https://")):
            raise UsageError(f"notify.url {notify.url!r} is not an address", limit="want http:// or https://")
        told = told_of(config, overrides, workers, allow_code=allow_code)
        with logging_to(log) as items, stage_lines() as show:
            report = watch(
                plan, keep=Options(adopt=adopt), told=told, look=silent if quiet else draw, log=items, show=show,
                fork_server=fork_server, polling=True if poll else None,
            )  # fmt: skip
            if items is not None:
                items.end(report)
    context.exit(conclude(plan, report, as_json=as_json, quiet=quiet, verbose=verbose))
