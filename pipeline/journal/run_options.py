"""What a user asks of a journal, and what it writes down of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Options(NamedTuple):
    """What the user asked of this run.

    Attributes:
        fresh: do everything again. adopt: take outputs that are there as ours.
        checksum: an input is the same where its bytes are.
        prune: remove outputs of ours whose input is gone, once the run is through. force: also more than half of them.
        retry: number of a run: only items that were not done in it, whatever is remembered of them; 0 takes all.
    """

    fresh: bool = False
    adopt: bool = False
    checksum: bool = False
    prune: bool = False
    force: bool = False
    retry: int = 0


class Told(NamedTuple):
    """What is written down of a run when it begins: the command that repeats it, and the text of its config."""

    command: Mapping[str, Any] = {}
    config: str = ""


def told_of(
    config: str, overrides: Sequence[str], workers: Sequence[str], *, allow_code: bool, shard: str = ""
) -> Told:
    """What is written down of the run of this config file, so that it can be looked at, and repeated."""
    command = {
        "config": os.path.abspath(config), "set": list(overrides), "workers": list(workers), "allow_code": allow_code,
        "folder": os.getcwd(), **({"shard": shard} if shard else {}),
    }  # fmt: skip
    with open(config, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return Told(command, file.read())


USUAL = Options()
NOTHING = Told()
