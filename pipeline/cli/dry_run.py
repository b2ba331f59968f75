"""`--dry-run`: what a run would do with each input, and why; nothing is read, written or locked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import click

from ..errors import Exit, UsageError
from . import text

if TYPE_CHECKING:
    from ..journal import Options
    from ..journal.asking import Asking
    from ..plan.model import Plan
    from ..supervisor.intake import Found


def dry_run(plan: Plan, limit: int | None, options: Options, only: str, *, as_json: bool) -> Exit:
    """`source -> destination` of each input that would be done, as it is found; what a run would end with."""
    from ..journal.asking import Asking
    from ..journal.preflight import refuse_standing
    from ..supervisor.intake import Intake

    counted = Counted()
    with Asking(plan, options) if plan.state_dir is not None else nullcontext() as asking:
        if asking is not None and asking.new and plan.overwrite == "own" and not options.adopt:
            refuse_standing(plan, plan.reader.build())
        if asking is not None and options.prune:
            counted.removed = _pruned(plan, asking, options)
        entries = Intake(plan, limit=limit, probe=False, asking=asking, only=only).entries()
        first = list(islice(entries, 1))  # an input that cannot be listed is refused before anything is printed
        for line in counted.lines(plan, chain(first, entries), as_json=as_json):
            click.echo(line)
    for path in counted.removed if not as_json else ():
        click.echo(text.shown(f"{path}: would be removed"))
    code = Exit.USAGE if not first else Exit.SOME_FAILED if counted.lost else Exit.OK
    if as_json:
        click.echo(f'], {json.dumps(counted.as_data())[1:-1]}, "exit_code": {int(code)}}}')
    elif not first:
        text.say("no input: nothing matched what the reader looks for")
    else:
        for line in counted.summary():
            text.say(line)
    return code


class Counted:
    """Counts what was told of the inputs."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.removed: list[str] = []

    @property
    def lost(self) -> int:
        return self.outcomes["failed"] + self.outcomes["quarantined"]

    def lines(self, plan: Plan, entries: Iterator[Found], *, as_json: bool) -> Iterator[str]:
        """A line for each input; those that are up to date are counted only, unless it is for a program."""
        comma = ""
        if as_json:
            yield '{"entries": ['
        for found in entries:
            self._count(found)
            if as_json:
                yield comma + json.dumps(_as_data(found))
                comma = ","
            elif found.outcome != "up_to_date":
                yield text.shown(_line(plan, found))

    def _count(self, found: Found) -> None:
        if found.outcome:
            self.outcomes[found.outcome] += 1
        else:
            self.reasons[found.reason or "new"] += 1

    def summary(self) -> Iterator[str]:
        """How many would be done, for each reason, and how the rest would end."""
        for reason, number in self.reasons.most_common():
            yield f"{text.plural(number, 'file')} would be done: {reason}"
        for outcome, number in self.outcomes.most_common():
            yield f"{text.plural(number, 'file')} {outcome.replace('_', ' ')}"
        if self.removed:
            yield f"{text.plural(len(self.removed), 'output')} would be removed: their inputs are gone"

    def as_data(self) -> dict[str, Any]:
        """The same for a program."""
        return {"reasons": dict(self.reasons), "outcomes": dict(self.outcomes), "removed": self.removed}


def _pruned(plan: Plan, asking: Asking, options: Options) -> list[str]:
    """The outputs that `--prune` would remove, also where a run would refuse to remove so many; then that is said."""
    from ..journal.prune import gone, refuse_too_many
    from ..journal.store import refusals

    assert plan.output_root is not None
    with refusals(asking.path):
        found = gone(asking.db, asking.job, plan.reader.build(), plan.output_root, force=options.force)
        try:
            refuse_too_many(asking.db, asking.job, found)
        except UsageError as error:
            text.say(f"a run needs --force for this: {error.what}")
    return [asking.lookup.path_of(output) for one in found if not one.away for output, _ in one.outputs]


def _as_data(found: Found) -> dict[str, str]:
    refused = found.outcome in ("failed", "quarantined")
    cause = found.cause.reason if found.cause is not None else ""
    return {
        "source": found.item.source, "destination": found.target, "outcome": found.outcome, "reason": found.reason,
        "refused": cause if refused else "", "skipped": cause if found.outcome == "skipped" else "",
    }  # fmt: skip


def _line(plan: Plan, found: Found) -> str:
    if found.outcome:
        word = "refused" if found.outcome == "failed" else found.outcome
        return f"{found.item.source}: {word}: {found.cause.reason if found.cause else ''}"
    if plan.archives is not None and found.target:
        return f"{found.item.source} -> {plan.archives}: {found.target}"
    return f"{found.item.source} -> {found.target or plan.outputs or 'nothing'}"
