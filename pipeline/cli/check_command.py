"""`pipeline check`: lint a config; nothing is started and no picture is read."""

from __future__ import annotations

import click

from . import options, text


@click.command(short_help="Check a config; list all its problems with line and column.")
@options.configured
def command(config: str, overrides: tuple[str, ...], workers: tuple[str, ...], allow_code: bool, as_json: bool) -> None:
    """Check CONFIG and list every problem with its line and column. Exit code 0: it can run; 2: it cannot."""
    _, plan = options.planned(config, overrides, workers, allow_code=allow_code)
    if as_json:
        text.print_json({"ok": True, "notes": list(plan.notes), "exit_code": 0})
        return
    for note in plan.notes:
        text.say(f"note: {note}")
    click.echo(f"{text.shown(config)}: ok")
