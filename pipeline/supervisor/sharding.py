"""What a run has to do with shards: the plan of one, and what its report says so that it can be merged with others."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from ..contracts.template import Template
from ..errors import UsageError
from ..journal import Told
from ..journal.fingerprint import hash_of, steps_of
from ..journal.registering import job_name
from ..plan.model import Plan
from ..plan.shard import Shard
from .intake import Intake

TELLING = {"stem", "name", "member"}  # fields of which one tells an item from the others in its folder


def sharded(plan: Plan, shard: Shard) -> Plan:
    """The plan of one shard. What belongs together is of one shard only where the item names its output.

    Raises:
        UsageError: the template of the outputs names no item, so frames of any two could have one name.
    """
    if plan.destination is not None and not TELLING & Template(plan.destination).fields:
        raise UsageError(
            f"outputs {plan.destination!r} do not tell which item they are of, so shards could not share the items out",
            limit="want {stem}, {name} or {member} in the path", remedy="add one of them, or run without --shard",
        )  # fmt: skip
    return replace(plan, shard=shard)


def shard_facts(plan: Plan, intake: Intake, told: Told) -> dict[str, Any]:
    """What a report says of the shard that its run was: {} of a plain run.

    `passed` counts the items of other shards that were met; `limited` says that not all was looked at.
    """
    shard = plan.shard
    if shard is None:
        return {}
    return {
        "number": shard.number, "of": shard.of, "passed": intake.passed, "met": str(intake.met),
        "limited": intake.limited or intake.incomplete,
        "token": intake.journal.token if intake.journal is not None else "",
        "same": {
            "job": job_name(plan.job) if plan.job is not None else "", "chain": hash_of(steps_of(plan)),
            "sample": asdict(plan.sample),
        },
        "max_failures": asdict(plan.settings.on_error.max_failures),
        "results": plan.gives,
        "command": dict(told.command),
        "config": told.config,
    }  # fmt: skip
