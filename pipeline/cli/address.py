"""The address of a run: a config, the folder of its outputs or its state folder, and `--run N`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import click

from ..errors import UsageError
from ..journal.tables import FOLDER
from . import options, text
from .options import Command

if TYPE_CHECKING:
    from ..config.form import Component
    from ..journal.history import PastRun


def addressed(command: Command) -> Command:
    """RUN and `--run N`."""
    for option in reversed(
        (
            click.argument("address", metavar="RUN", type=click.Path()),
            click.option("--run", "number", type=click.IntRange(min=1), metavar="N", help="Which run; the last one."),
            click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key of it."),
            options.JSON,
        )
    ):
        command = option(command)
    return command


class Where(NamedTuple):
    """Where an address leads: the state folder, and the job in it; None where it names the folder alone."""

    state: str
    job: str | None = None


def addressed_by(address: str, overrides: tuple[str, ...]) -> Where:
    """Where an address leads. Raises UsageError where it leads nowhere."""
    from ..journal.history import state_in

    if os.path.isdir(address):
        state = state_in(address)
        if state is None:
            raise UsageError(
                f"there is no journal in {address!r}", limit="want a config, a folder of outputs or a state folder",
                remedy="a `pipeline run` makes it",
            )  # fmt: skip
        return Where(state)
    return _state_of_config(address, overrides)


def _state_of_config(config: str, overrides: tuple[str, ...]) -> Where:
    """From what the config says itself: no code of the user is loaded for it."""
    from ..config.node import Node
    from ..contracts.template import folder_of
    from ..journal.registering import job_name
    from ..plan.model import job_of_results

    form = options.loaded(config, overrides, ())
    path = form.writer.stages[0].params.value.get("path")
    if path is None and form.reducers and (folder := form.reducers[0].params.value.get("path")) is not None:
        path = Node(folder.mark, job_of_results(str(folder.plain)))
    if path is None or not isinstance(path.plain, str):
        remedy = "a run without outputs has no journal; else give the folder of the outputs"
        raise UsageError(f"the writer of {config!r} names no path", remedy=remedy)
    job = _job_of_archives(form.writer.stages[0], path.plain) or path.plain
    state = form.settings.state_dir or os.path.join(folder_of(job), FOLDER)
    return Where(state, job_name(job))


def _job_of_archives(writer: Component, path: str) -> str:
    """The name of a job whose outputs are members of archives; "" where they are files."""
    from .. import registry
    from ..contracts.archive_writer import ArchiveWriter
    from ..plan.model import job_of_archives

    try:
        cls = registry.load(registry.resolve("writer", writer.use))
    except UsageError:  # code of the user
        return ""
    if not issubclass(cls, ArchiveWriter):
        return ""
    member = writer.params.value.get("member")
    made = cls(**{"path": path} | ({"member": member.plain} if member is not None else {}))
    members = made.destination()
    return job_of_archives(made.archives().text, members.text if members is not None else "")


def when(run: PastRun) -> str:
    """When a run began, and how long it took."""
    from time import localtime, strftime

    began = strftime("%Y-%m-%d %H:%M:%S", localtime(run.began_ns / 1e9))
    return f"{began}, {text.span((run.ended_ns - run.began_ns) / 1e9)}" if run.ended_ns else began
