"""Options that several commands share, and the config and plan that they lead to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from . import text

if TYPE_CHECKING:
    from ..config.form import Config
    from ..plan.model import Plan

Command = Callable[..., Any]


def remember_json(context: click.Context, _: click.Parameter, value: bool) -> bool:
    """Keep `--json` where a refusal finds it."""
    context.find_root().meta["pipeline.json"] = value
    return value


JSON = click.option(
    "--json", "as_json", is_flag=True, callback=remember_json, is_eager=True, help="One JSON object on stdout."
)


def configured(command: Command) -> Command:
    """CONFIG and the options that change it."""
    for option in reversed(
        (
            click.argument("config", type=click.Path()),
            click.option(
                "--set", "overrides", multiple=True, metavar="KEY=VALUE",
                help="Override a key: fuse=all, reader.path=DIR, transforms.GROUP.STAGE.PARAMETER=VALUE.",
            ),
            click.option("--workers", multiple=True, metavar="GROUP=N", help="Workers of a group, or of all."),
            click.option("--allow-code", is_flag=True, help="Run stages that the config names as code of yours."),
            JSON,
        )
    ):  # fmt: skip
        command = option(command)
    return command


def telling(command: Command) -> Command:
    """How much a command that runs a config says, and where it keeps the rest."""
    for option in reversed(
        (
            click.option(
                "-v", "--verbose", is_flag=True,
                help="Figures of each group, skips, tracebacks and versions at the end.",
            ),
            click.option("--log", metavar="FILE", help="Append one line of JSON for each input as it ends."),
            click.option("-q", "--quiet", is_flag=True, help="No progress and no summary; failures only."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def loaded(config: str, overrides: tuple[str, ...], workers: tuple[str, ...]) -> Config:
    """The config with its overrides; ConfigError lists everything that is wrong with its form."""
    from .. import config as configs

    return configs.load(config, overrides, workers)


def planned(
    config: str, overrides: tuple[str, ...], workers: tuple[str, ...], *, allow_code: bool
) -> tuple[Config, Plan]:
    """The config and its plan; ConfigError lists everything that is wrong."""
    form = loaded(config, overrides, workers)
    return form, built(form, allow_code=allow_code)


def built(form: Config, *, allow_code: bool) -> Plan:
    """The plan of a config; ConfigError lists everything that is wrong.

    What code of the user prints while it is imported and asked goes to stderr: stdout is the command's own.
    """
    from ..plan import planning

    with redirect_stdout(text.people()):
        return planning.build(form, allow_code=allow_code)
