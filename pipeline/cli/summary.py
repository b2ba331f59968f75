"""The end of a run in words: what was done, what failed and why, what limited it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import Exit
from . import text

if TYPE_CHECKING:
    from ..contracts.ledger import Ledger
    from ..plan.model import Plan
    from ..supervisor.report import Report

MAX_SHOWN = 10
RESULTS_SHOWN = 4


def summary(plan: Plan, report: Report, *, verbose: bool) -> list[str]:
    """What came of a run, in lines; `verbose` adds figures of each group, what was skipped, tracebacks and versions."""
    ledger = report.ledger
    counts = [f"{text.plural(ledger.done, 'file')} done"] if ledger.done or not ledger.up_to_date else []
    counts += [
        f"{number:,} {name}"
        for name, number in (
            ("up to date", ledger.up_to_date), ("skipped", ledger.skipped), ("failed", ledger.failed),
            ("quarantined", ledger.quarantined), ("cancelled", ledger.cancelled),
        )
        if number
    ]  # fmt: skip
    rate = ledger.done / report.seconds if report.seconds else 0.0
    pace = f"{rate:,.1f} files/s"
    if plan.streams or plan.many:
        pace = f"{text.plural(report.frames, 'frame')}, {report.frames / (report.seconds or 1):,.1f} frames/s"
    where = _where(plan, report)
    outputs = f"outputs are in {where}" if where else ""
    if not ledger.found and not report.exit_code:
        return [report.stopped or f"none of {text.plural(report.shard['passed'], 'input')} is of this shard"]
    if ledger.up_to_date == ledger.found > 0 and not report.stopped:
        lines = [
            f"{text.plural(ledger.found, 'file')} up to date, nothing to do ({text.span(report.seconds)})",
            *([outputs] if outputs else []),
        ]
        return [*lines, *_results(report), *report.pruned, *(_details(report) if verbose else [])]
    if not ledger.done:  # a pace of what was not done says nothing
        lines = [f"{', '.join(counts)} in {text.span(report.seconds)}"]
        lines += [outputs] if outputs and ledger.up_to_date else []
    else:
        lines = [f"{', '.join(counts)} in {text.span(report.seconds)}, {pace}"]
        moved = f"{text.size(report.bytes_in)} in, {text.size(report.bytes_out)} out"
        lines.append(f"{moved}; {outputs}" if where else moved)
    lines += _results(report)
    lines += _again(report)
    lines += report.pruned
    lines += failures(report, verbose=verbose)
    lines += _skips(report)
    lines += [
        f"note: {text.plural(remark.items, 'file')} of which the first is {remark.first}: {remark.text}"
        if remark.items > 1 else f"note: {remark.first}: {remark.text}"
        for remark in report.remarks[:MAX_SHOWN]
    ]  # fmt: skip
    lines += [
        f"{told.group}/{told.stage} printed {text.plural(told.lines - told.shown, 'more line')}; --log FILE keeps all"
        for told in report.printed
        if told.lines > told.shown
    ]
    if report.bottleneck:
        lines.append(report.bottleneck)
    if verbose:
        lines += _details(report)
    return lines


def shards_summary(report: Report) -> list[str]:
    """What came of all shards of a job, in lines."""
    ledger, shard = report.ledger, report.shard
    counts = [f"{number:,} {name}" for name, number in _counts(ledger)] or ["nothing found"]
    lines = [f"{shard['merged']} of {shard['of']} shards: {', '.join(counts)}"]
    moved = f"{text.size(report.bytes_in)} in, {text.size(report.bytes_out)} out"
    folder = os.path.dirname(report.destination.partition("{")[0]) or "."
    lines.append(f"{moved}; outputs are in {folder}" if report.destination else moved)
    lines += _results(report) + _again(report) + failures(report) + _skips(report)
    return [*lines, report.bottleneck, *(f"note: {note}" for note in report.notes)]


def _counts(ledger: Ledger) -> list[tuple[str, int]]:
    named = ("done", "up_to_date", "skipped", "failed", "quarantined", "cancelled")
    return [(name.replace("_", " "), number) for name in named if (number := getattr(ledger, name))]


def _results(report: Report) -> list[str]:
    """The files that reducers made."""
    paths = report.results
    shown = ", ".join(paths[:RESULTS_SHOWN]) + (
        f" and {len(paths) - RESULTS_SHOWN} more" * (len(paths) > RESULTS_SHOWN)
    )
    return [f"results: {shown}"] if paths else []


def _skips(report: Report) -> list[str]:
    """What was left out, by reason."""
    ranked = sorted(report.skips.items(), key=lambda each: -each[1])
    lines = [f"skipped: {text.plural(number, 'file')}: {reason}" for reason, number in ranked[:MAX_SHOWN]]
    return lines if len(ranked) <= MAX_SHOWN else [*lines, f"and {len(ranked) - MAX_SHOWN} other reasons; -v lists all"]


def _again(report: Report) -> list[str]:
    """Why files that the journal knows were not up to date."""
    return [
        f"not up to date: {text.plural(number, 'file')}: {reason}"
        for reason, number in sorted(report.reasons.items(), key=lambda each: -each[1])[:MAX_SHOWN]
        if reason != "new"
    ]


def _where(plan: Plan, report: Report) -> str:
    return (plan.output_root or "") if plan.destination else report.destination


def failures(report: Report, *, verbose: bool = False) -> list[str]:
    """The first failures with their reasons, and why the run stopped early."""
    early = report.ledger.cancelled or report.exit_code >= Exit.ENVIRONMENT
    lines = (f"stopped: {report.stopped}" if early else report.stopped).split("\n") if report.stopped else []
    lines += report.traceback.splitlines()
    for failure in report.failures[:MAX_SHOWN]:
        stage = f" ({failure.stage})" if failure.stage else ""
        lines.append(f"{failure.kind}: {failure.item}{stage}: {failure.reason}")
        lines += [f"    {line}" for line in failure.traceback.splitlines()] if verbose else []
    more = report.ledger.lost - min(len(report.failures), MAX_SHOWN)
    if more > 0:
        lines.append(f"and {more:,} more; --json lists them")
    return lines


def _details(report: Report) -> list[str]:
    lines = [f"skipped: {each.item}: {each.reason}" for each in report.skipped_items]
    lines += [
        f"{group.name}: {text.plural(group.workers, 'worker')}, {group.frames:,} frames, busy {group.busy_s:.1f} s,"
        f" starved {group.starved_s:.1f} s, blocked {group.blocked_s:.1f} s, cpu {group.cpu_s:.1f} s,"
        f" {text.size(group.rss_nbytes)} resident, {text.plural(group.restarts, 'restart')}"
        for group in report.groups
    ]
    lines.append(f"arena: {text.size(report.peak_memory.get('arena_nbytes', 0))} at most")
    lines += [f"sandbox of {name}: {what}" for name, what in report.sandbox.items()]
    lines += [f"{name} {version}" for name, version in report.versions.items()]
    return [*lines, *(f"note: {note}" for note in report.notes)]
