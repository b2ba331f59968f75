"""`pipeline why`: what would become of one file in a run now, and what is not as it was the last time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from . import options, text

if TYPE_CHECKING:
    from ..journal.asking import Asking
    from ..journal.lookup import Looked
    from ..journal.tables import ItemRow
    from ..plan.model import Plan
    from ..supervisor.intake import Found

STATES = {
    "up_to_date": "up to date", "skipped": "would be skipped", "failed": "would be refused",
    "quarantined": "quarantined: it would not be tried",
}  # fmt: skip


@click.command(short_help="Say why a file would be done again, or not.")
@options.configured
@click.argument("file", type=click.Path())
@click.option("--checksum", is_flag=True, help="Know inputs by their content, not by size and time.")
def command(
    config: str, overrides: tuple[str, ...], workers: tuple[str, ...], allow_code: bool, as_json: bool, file: str,
    checksum: bool,
) -> None:  # fmt: skip
    """Say whether `run CONFIG` would do FILE, and what differs from the last time, old -> new.

    FILE is a path, or one below the folder of the inputs. Exit code 2: it is no input of the job.
    """
    from ..journal.asking import Asking
    from ..journal.run_options import Options
    from ..journal.store import refusals

    _, plan = options.planned(config, overrides, workers, allow_code=allow_code)
    if plan.state_dir is None:
        raise UsageError("the job writes nothing, so no journal knows its files", where=config)
    with Asking(plan, Options(checksum=checksum)) as asking, refusals(asking.path):
        one = found(plan, file)
        told = _refused(one) if one.outcome else _told(asking, asking.look([(one.item, one.target)])[0])
    if as_json:
        text.print_json(told)
        return
    for line in _lines(told):
        click.echo(text.shown(line))


def found(plan: Plan, file: str) -> Found:
    """The input that a file is, with its output name or why it has none; raises UsageError where it is no input."""
    from ..supervisor.intake import Intake

    intake = Intake(plan, probe=False)
    for item in intake.named(file):
        return intake.admit(item)
    remedy = "`pipeline run --dry-run` lists the inputs" if os.path.lexists(file) else "there is no such file"
    raise UsageError(f"{file!r} is no input of the job", remedy=remedy)


def _refused(one: Found) -> dict[str, Any]:
    """What becomes of an input that has no output name: it never comes to the journal."""
    reason = one.cause.reason if one.cause else ""
    return {
        "file": one.item.source, "output": one.target, "outcome": one.outcome, "state": STATES[one.outcome],
        "reasons": [{"reason": reason, "detail": ""}], "last": None,
    }  # fmt: skip


def _told(asking: Asking, looked: Looked) -> dict[str, Any]:
    row = asking.lookup.row_of(looked.key)
    verdict = looked.verdict
    reasons = [(each.reason, each.detail) for each in asking.lookup.changes(row, looked)] if row is not None else []
    if not reasons and not verdict.outcome:
        reasons = [(verdict.reason, verdict.detail)]
    if looked.cause is not None:
        reasons.append((looked.cause.reason, ""))
    return {
        "file": looked.item.source,
        "output": looked.target,
        "outcome": verdict.outcome or "redo",
        "state": STATES.get(verdict.outcome, "would be done"),
        "reasons": [{"reason": reason, "detail": detail} for reason, detail in reasons],
        "last": _last(row) if row is not None else None,
    }


def _last(row: ItemRow) -> dict[str, Any]:
    from ..journal.lookup import remembered
    from ..journal.tables import OUTCOMES

    cause = remembered(row).reason if row.cause else ""
    output = os.fsdecode(row.output) if row.output is not None else ""
    return {"outcome": OUTCOMES[row.outcome], "run": row.run, "output": output, "reason": cause}


def _lines(told: dict[str, Any]) -> list[str]:
    again = " again" if told["last"] and told["outcome"] == "redo" else ""
    lines = [f"{told['file']}: {told['state']}{again}"]
    lines += [f"  {each['reason']}" + (f": {each['detail']}" if each["detail"] else "") for each in told["reasons"]]
    if told["last"]:
        last = told["last"]
        why = f": {last['reason']}" if last["reason"] and last["outcome"] != "quarantined" else ""
        lines.append(f"  last time: {last['outcome']} in run {last['run']}{why}")
    return lines
