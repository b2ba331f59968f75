"""`pipeline merge-reports`: the reports of all shards of a job as one, and the results of all of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from ..errors import Exit
from . import options, text
from .summary import shards_summary

if TYPE_CHECKING:
    from ..cluster.merged_reports import ShardReport
    from ..journal.run_options import Told
    from ..plan.model import Plan


@click.command(short_help="Add up the reports of all shards; pack archives and make results.")
@click.argument("reports", nargs=-1, required=True, type=click.Path(), metavar="REPORT...")
@click.option("--allow-code", is_flag=True, help="Load stages that the config names as code of yours.")
@options.JSON
@click.pass_context
def command(context: click.Context, reports: tuple[str, ...], allow_code: bool, as_json: bool) -> None:
    """Add up what `run --shard K/N --report REPORT` wrote, and make archives and reducers' files of all shards.

    Exit code: that of a run without shards that had come to the same; 3 where shards have no report, which are named.
    """
    from ..cluster.merged_reports import merged, ordered, read
    from ..cluster.merged_results import make_results

    shards = ordered([read(path) for path in reports])
    report = merged(shards)
    if shards[0].shard["results"] and report.exit_code in (Exit.OK, Exit.SOME_FAILED):
        planned = _planned(shards[0], allow_code=allow_code)
        chain = shards[0].shard["same"]["chain"]
        make_results(*planned, report, [shard.shard["token"] for shard in shards], chain)
    if as_json:
        text.print_json(report.as_json())
    for line in shards_summary(report):
        text.say(line)
    context.exit(int(report.exit_code))


def _planned(shard: ShardReport, *, allow_code: bool) -> tuple[Plan, Told]:
    """The plan that the shards had, in the folder where they ran."""
    from .. import config as configs
    from ..journal.run_options import Told

    command = dict(shard.shard["command"])
    folder = str(command.get("folder", "."))
    if os.path.isdir(folder):
        os.chdir(folder)
    sets, counts = command.get("set", []), command.get("workers", [])
    form = configs.load(str(command.get("config", "")), sets, counts, text=shard.shard["config"])
    command.pop("shard", None)
    told = Told(command | {"merges": shard.shard["of"]}, shard.shard["config"])
    return options.built(form, allow_code=allow_code), told
