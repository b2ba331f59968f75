"""The reports of all shards of a job as one: counts, failures, figures added up; the exit code of a plain run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from ..config.key_types import MaxFailures
from ..contracts.ledger import Ledger
from ..errors import Exit, UsageError
from ..scheduler.budget import exceeded
from ..supervisor.keeping import AFTER_SHARDS
from ..supervisor.report import Failure, GroupReport, Printed, Remark, Report, SkippedItem

WORST = (Exit.INTERNAL, Exit.ENVIRONMENT, Exit.TERMINATED, Exit.INTERRUPTED, Exit.STOPPED, Exit.USAGE)
NAMED = 10  # shards that a message names
SUMMED = ("frames", "cpu_s", "busy_s", "starved_s", "blocked_s", "restarts", "workers")
Data = Mapping[str, Any]


class ShardReport(NamedTuple):
    """The report of one shard, as `run --shard K/N --report FILE` wrote it.

    Attributes:
        path: the file. told: what is in it. shard: what it says of its shard.
    """

    path: str
    told: Data
    shard: Data

    @property
    def name(self) -> str:
        return f"{self.shard['number']}/{self.shard['of']}"

    @property
    def ended_well(self) -> bool:
        """Whether it looked at all of its items."""
        return self.told["exit_code"] in (Exit.OK, Exit.SOME_FAILED) and not self.shard["limited"]


def read(path: str) -> ShardReport:
    """The report in a file. Raises UsageError for a file that is none."""
    try:
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
        shard = told["shard"]
        report = ShardReport(path, told, shard)
        if shard:
            _ = (
                report.ended_well,
                Ledger(**{name: told[name] for name in _COUNTS}),
                shard["same"],
                shard["max_failures"],
            )
    except OSError as error:
        raise UsageError(f"the report cannot be read: {error.strerror}", where=path) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "this is not the report of a run", where=path, remedy="`run --report FILE` writes one"
        ) from error
    if not shard:
        raise UsageError("this is the report of a whole run, not of a shard", where=path, remedy="leave it out")
    return report


def ordered(reports: Sequence[ShardReport]) -> list[ShardReport]:
    """The reports by the number of their shard, which are of one job.

    Raises:
        UsageError: they are of different jobs, or two are of one shard.
    """
    first, *others = reports
    for other in others:
        if other.shard["of"] != first.shard["of"]:
            what = f"it is of one of {other.shard['of']} shards, and {first.path!r} of one of {first.shard['of']}"
            raise UsageError(what, where=other.path, remedy="merge the reports of one job")
        unequal = [key for key, value in first.shard["same"].items() if other.shard["same"].get(key) != value]
        if unequal:
            what = f"it is of another job than {first.path!r}: another {', another '.join(unequal)}"
            raise UsageError(what, where=other.path, remedy="run all shards with one config and one version")
    by_number: dict[int, ShardReport] = {}
    for each in reports:
        twin = by_number.setdefault(each.shard["number"], each)
        if twin is not each:
            raise UsageError(
                f"it is of shard {each.name}, as {twin.path!r} is", where=each.path, remedy="merge the later one only"
            )
    return [by_number[number] for number in sorted(by_number)]


def missing(reports: Sequence[ShardReport]) -> list[int]:
    """The shards that no report is of."""
    have = {report.shard["number"] for report in reports}
    return [number for number in range(1, reports[0].shard["of"] + 1) if number not in have]


def merged(reports: Sequence[ShardReport]) -> Report:
    """One report of shards that `ordered` gave. It has no results: they are made afterwards."""
    report = Report(ledger=_added(reports), destination=reports[0].told["destination"])
    for name in ("frames", "bytes_in", "bytes_out", "failures_left_out"):
        setattr(report, name, sum(each.told[name] for each in reports))
    report.seconds = max(each.told["seconds"] for each in reports)
    lost = [Failure(**failure) for each in reports for failure in each.told["failures"]]
    for failure in sorted(lost, key=lambda failure: failure.item):
        report.add_failure(failure)
    for each in reports:
        _add_words(report, each)
    report.skipped_items = report.skipped_items[: Report.MAX_LISTED]
    report.groups = _groups(reports)
    report.bottleneck = _slowest(reports)
    report.peak_memory = {
        name: max(each.told["peak_memory"].get(name, 0) for each in reports) for name in report.peak_memory
    }
    absent = missing(reports)
    report.shard = {"of": reports[0].shard["of"], "merged": len(reports), "missing": absent}
    report.exit_code, report.stopped = _ending(reports, report.ledger, absent)
    return report


_COUNTS = [each.name for each in fields(Ledger)]


def _added(reports: Iterable[ShardReport]) -> Ledger:
    ledger = Ledger()
    for each in reports:
        for name in _COUNTS:
            setattr(ledger, name, getattr(ledger, name) + each.told[name])
    return ledger


def _add_words(report: Report, each: ShardReport) -> None:
    told = each.told
    for totals, name in ((report.skips, "skips"), (report.reasons, "reasons")):
        for reason, count in told[name].items():
            totals[reason] = totals.get(reason, 0) + count
    report.skipped_items += [SkippedItem(**item) for item in told["skipped_items"]]
    for remark in told["remarks"]:
        known = next((other for other in report.remarks if other.text == remark["text"]), None)
        if known is not None:
            known.items += remark["items"]
        else:
            report.remarks.append(Remark(**remark))
    for printed in told["printed"]:
        here = next((o for o in report.printed if (o.group, o.stage) == (printed["group"], printed["stage"])), None)
        if here is None:
            report.printed.append(Printed(**printed))
        else:
            here.lines, here.shown = here.lines + printed["lines"], here.shown + printed["shown"]
    for note in told["notes"]:
        if note not in report.notes and note != AFTER_SHARDS:
            report.notes.append(note)
    for name, version in told["versions"].items():
        before = report.versions.setdefault(name, version)
        if before != version:
            report.notes.append(f"shard {each.name} ran with {name} {version}, others with {before}")
    for name, what in told["sandbox"].items():
        report.sandbox.setdefault(name, what)


def _groups(reports: Iterable[ShardReport]) -> list[GroupReport]:
    """Figures of each group over all shards; `workers` counts those of all of them."""
    groups: dict[str, GroupReport] = {}
    for each in reports:
        for told in each.told["groups"]:
            group = groups.setdefault(told["name"], GroupReport(told["name"], 0))
            for name in SUMMED:
                setattr(group, name, getattr(group, name) + told[name])
            group.rss_nbytes = max(group.rss_nbytes, told["rss_nbytes"])
    return list(groups.values())


def _slowest(reports: Sequence[ShardReport]) -> str:
    slowest = max(reports, key=lambda each: each.told["seconds"])
    words = slowest.told["bottleneck"]
    return f"shard {slowest.name} took longest" + (f"; {words}" if words else "")


def _ending(reports: Sequence[ShardReport], ledger: Ledger, absent: Sequence[int]) -> tuple[Exit, str]:
    """The exit code of a plain run that had come to the same, and why where that is not 0 or 1."""
    for code in WORST:
        ended = [each for each in reports if each.told["exit_code"] == code]
        if ended:
            words = "; ".join(f"shard {each.name}: {each.told['stopped']}" for each in ended[:NAMED])
            return code, words + _more(len(ended))
    if absent:
        names = ", ".join(map(str, absent[:NAMED])) + _more(len(absent))
        count = "shards have" if len(absent) > 1 else "shard has"
        return Exit.STOPPED, f"{len(absent)} of {reports[0].shard['of']} {count} no report: {names}"
    if partial := [each.name for each in reports if each.shard["limited"]]:
        return (
            Exit.STOPPED,
            f"shards that looked at a part of their items: {', '.join(partial[:NAMED])}{_more(len(partial))}",
        )
    if (unequal := _unequal(reports)) is not None:
        return Exit.STOPPED, unequal
    if not ledger.found:
        return Exit.USAGE, "no input: nothing matched what the reader looks for"
    most = MaxFailures(**reports[0].shard["max_failures"])
    if too_many := exceeded(most, ledger):
        return Exit.STOPPED, too_many
    return (Exit.SOME_FAILED if ledger.lost else Exit.OK), ""


def _unequal(reports: Sequence[ShardReport]) -> str | None:
    """Why items may have been left out: not all shards saw the same input."""
    looked = [each for each in reports if each.ended_well]
    if len({each.shard["met"] for each in looked}) < 2:
        return None
    met = {each.name: each.told["found"] + each.shard["passed"] for each in looked}
    most, least = max(met, key=met.__getitem__), min(met, key=met.__getitem__)
    if met[most] == met[least]:
        return "not all shards saw the same input: as many items, with other names; run all of them again"
    return (
        f"not all shards saw the same input: shard {most} met {met[most]:,} items and shard {least} {met[least]:,};"
        " run those again that saw less"
    )


def _more(count: int) -> str:
    return f" and {count - NAMED} more" if count > NAMED else ""
