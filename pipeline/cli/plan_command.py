"""`pipeline plan`: what a run would do and what it would take, before it does."""

from __future__ import annotations

from contextlib import closing, redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from . import options, text

if TYPE_CHECKING:
    from ..plan.explain import Explanation, Way


@click.command(short_help="Show the chain, groups and memory of a run before it runs.")
@options.configured
def command(config: str, overrides: tuple[str, ...], workers: tuple[str, ...], allow_code: bool, as_json: bool) -> None:
    """Show how CONFIG would run: the chain before and after, workers, cores, queues and memory.

    Reads the headers of the first 64 inputs; decodes nothing and writes nothing.
    """
    from ..plan.explain import explain
    from ..worker.loading import Loading

    loaded, plan = options.planned(config, overrides, workers, allow_code=allow_code)
    with closing(Loading(plan, lambda spec, _: spec)) as files, redirect_stdout(text.people()):
        told = explain(plan, loaded, files)
    if as_json:
        text.print_json({**asdict(told), "predicted_nbytes": told.predicted_nbytes, "exit_code": 0})
        return
    for line in [*_chain(told), "", *_ways(told), "", *_groups(told), "", *_memory(told)]:
        click.echo(text.shown(line))
    for note in told.notes:
        click.echo(text.shown(f"note      {note}"))


def _chain(told: Explanation) -> list[str]:
    apart = " | ".join(" + ".join(group) for group in told.run)
    lines = [f"plan of {told.source}", f"written   {' -> '.join(told.written)}"]
    lines.append(f"run as    {apart}   (| is a queue between processes)")
    lines.append(f"outputs   {told.destination or 'none'}")
    return [*lines, *(f"results   {folder}" for folder in dict.fromkeys(told.results))]


def _ways(told: Explanation) -> list[str]:
    if told.known_beforehand:
        lines = ["sizes     known beforehand"]
    elif not told.sampled:
        lines = ["sizes     unknown: no input was found"]
    else:
        unread = f", {told.unread} of them not readable" if told.unread else ""
        lines = [f"sizes     sampled from the first {text.plural(told.sampled, 'header')}{unread}"]
    for way in told.ways[:4]:
        lines += _way(way)
    if len(told.ways) > 4:
        lines.append(f"  and {len(told.ways) - 4} other sizes")
    return lines


def _way(way: Way) -> list[str]:
    lines = [f"  {way.full}" + (f", {way.codec}, {text.plural(way.count, 'file')}" if way.codec else "")]
    if way.refused:
        return [*lines, f"    refused: {way.refused}"]
    lines.append(f"    {'read':10} {way.decode}" + (f"   {way.why}" if way.why else ""))
    lines += [f"    {label:10} {after}" for label, after in way.steps]
    return [*lines, f"    {'memory':10} {text.size(way.nbytes)} a frame"]


def _groups(told: Explanation) -> list[str]:
    rows = [("group", "workers", "cores", "queue before it")]
    for group in told.groups:
        workers = f"{group.workers}" + (" (auto)" if "workers" in group.chosen else "")
        cores = group.cores + (" (auto)" if "cores" in group.chosen else "")
        rows.append((group.name, workers, cores, group.queue))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows]


def _memory(told: Explanation) -> list[str]:
    chosen = " (auto)" if told.memory_chosen else ""
    lines = [f"memory    at most {text.size(told.memory_nbytes)}{chosen} of shared memory"]
    if told.frame_nbytes:
        most = f"{told.in_flight} frames under way of at most {text.size(told.frame_nbytes)}"
        lines.append(f"          {text.size(told.predicted_nbytes)} expected: {most}")
    return lines
