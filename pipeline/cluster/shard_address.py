"""Which shard a command is asked for: in numbers, or by the array or job that it is a task of."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import UsageError
from ..plan.shard import Shard

MOST = 99_999
WANT = "want K/N with 1 <= K <= N, `auto` in a Slurm array, or `auto/N` in an indexed job of Kubernetes"
SLURM = "SLURM_ARRAY_TASK_"


def shard_of(text: str, environment: Mapping[str, str]) -> Shard:
    """The shard that a text names: "3/16", "auto" or "auto/16".

    Only `auto` looks at the environment: Slurm tells id, first id, step and count of an array's tasks, Kubernetes the
    index of a completion, from 0, and not how many there are.

    Raises:
        UsageError: the text names none, or the environment does not tell.
    """
    number, slash, of = text.strip().partition("/")
    if number != "auto":
        return _checked(text, _whole(number), _whole(of))
    if not slash:
        return _of_array(environment)
    index = _whole(environment.get("JOB_COMPLETION_INDEX", ""))
    if index is None:
        raise UsageError(
            f"--shard {text} is for an indexed job of Kubernetes, and this is none",
            limit="JOB_COMPLETION_INDEX is not set", remedy="say the number: --shard K/N",
        )  # fmt: skip
    return _checked(text, index + 1, _whole(of))


def _of_array(environment: Mapping[str, str]) -> Shard:
    told = {name: _whole(environment.get(SLURM + name, "")) for name in ("ID", "MIN", "STEP", "COUNT")}
    place, first, count = told["ID"], told["MIN"], told["COUNT"]
    if place is None or first is None or count is None:
        missing = ", ".join(SLURM + name for name in ("ID", "MIN", "COUNT") if told[name] is None)
        raise UsageError(
            "--shard auto is for a task of a Slurm array, and this is none", limit=f"not set: {missing}",
            remedy="say the number: --shard K/N; in Kubernetes --shard auto/N",
        )  # fmt: skip
    number, rest = divmod(place - first, told["STEP"] or 1)
    if rest or not 0 <= number < count:
        raise UsageError(
            "the tasks of this array are not a range, so their numbers do not say which shard is whose",
            limit=f"task {place} of {count} from {first} in steps of {told['STEP'] or 1}",
            remedy="give the array a range, as --array=1-16, or say the number: --shard K/N",
        )  # fmt: skip
    return Shard(number + 1, count)


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


def _checked(text: str, number: int | None, of: int | None) -> Shard:
    if number is None or of is None or not 1 <= number <= of:
        raise UsageError(f"--shard {text!r} names no shard", limit=WANT)
    if of > MOST:
        raise UsageError(f"--shard {text!r} is of too many", limit=f"at most {MOST:,} shards")
    return Shard(number, of)
