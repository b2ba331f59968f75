"""From Python: `pipeline.run("thumbnails.yaml", {"reader.path": "photos"})`, and frames in a loop of your own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from . import config as configs
from .journal.run_options import Options, told_of
from .plan import planning
from .plan.model import Plan
from .supervisor import execution
from .supervisor.caller import Frames
from .supervisor.report import Report

Overrides = Mapping[str, Any]


def run(
    config: str | os.PathLike[str], overrides: Overrides | None = None, *, workers: Mapping[str, int] | None = None,
    limit: int | None = None, allow_code: bool = False, fresh: bool = False, adopt: bool = False,
    checksum: bool = False,
) -> Report:  # fmt: skip
    """Carry a config out and wait for its end, as `pipeline run` does.

    Prints nothing of its own; the first 20 lines that each stage prints come out on `sys.stderr`.

    Works from a script without a `__main__` guard: workers never import it. Call it from the main thread; Ctrl-C then
    finishes what has begun, and the report's `exit_code` is 130.

    Args:
        config: path of the YAML file.
        overrides: keys as for `--set`, such as "reader.path" or "transforms.shrink.resize.width", with their values.
        workers: processes by group, or for "all".
        limit: the most inputs taken that are not up to date.
        allow_code: whether stages that the config names as code of yours may be loaded.
        fresh: do everything again. adopt: take outputs that are there, and no journal knows, as ours. checksum: know
            inputs by their content.

    Returns:
        The ledger, the failures and the figures of the groups. Items that failed raise nothing: look at `exit_code`.

    Raises:
        ConfigError: everything that is wrong with the config; a UsageError.
        EnvironmentRefusal: the machine does not allow it.
    """
    sets, counts = _texts(overrides, workers)
    plan = planning.build(configs.load(os.fspath(config), sets, counts), allow_code=allow_code)
    keep = Options(fresh=fresh, adopt=adopt, checksum=checksum)
    told = told_of(os.fspath(config), sets, counts, allow_code=allow_code)
    return execution.run(plan, limit=limit, show=_show, keep=keep, told=told)


def frames(
    config: str | os.PathLike[str], overrides: Overrides | None = None, *, workers: Mapping[str, int] | None = None,
    limit: int | None = None, allow_code: bool = False,
) -> Frames:  # fmt: skip
    """The frames of a config, one after the other; your loop takes the place of its writer.

        with pipeline.frames("dataset.yaml") as frames:
            for frame in frames:
                train(frame.pixels)                    # (H, W, C), a read-only view, valid until the next one
            print(frames.report.ledger)

    Frames come in input order with `queues: {order: input}`, else as they get ready. Reading and transforms run in
    worker processes and stay ahead by as much as the queues hold. Items that fail are in `frames.report`; nothing is
    written. Call it from the main thread. Arguments as for `run`.

    Raises:
        ConfigError: everything that is wrong with the config.
        StopRun, EnvironmentRefusal, UsageError: while iterating: more items failed than `on_error` allows, the
            machine refuses, or there is no input.
    """
    plan = planned(config, {**(overrides or {}), "fuse": "none"}, workers, allow_code=allow_code)
    return Frames(plan, limit, show=_show)


def planned(
    config: str | os.PathLike[str], overrides: Overrides | None, workers: Mapping[str, int] | None, *, allow_code: bool
) -> Plan:
    """The Plan of a config file with keys changed. Raises ConfigError."""
    sets, counts = _texts(overrides, workers)
    return planning.build(configs.load(os.fspath(config), sets, counts), allow_code=allow_code)


def _texts(overrides: Overrides | None, workers: Mapping[str, int] | None) -> tuple[list[str], list[str]]:
    """Overrides and workers as the command line writes them."""
    sets = [
        f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in (overrides or {}).items()
    ]
    return sets, [f"{group}={count}" for group, count in (workers or {}).items()]


def _show(group: str, stage: str, line: str) -> None:
    """A line that a stage printed."""
    if sys.stderr is not None:
        sys.stderr.write(f"{group}/{stage}: {line}\n")
