"""The numbers under which a journal knows a run, its job, its chain and the folder of its inputs."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from .. import __version__
from ..contracts.template import Template
from ..errors import EnvironmentRefusal
from ..plan.model import Plan
from .fingerprint import Step, hash_of
from .lock import holder
from .run_options import Told


class Numbers(NamedTuple):
    """`root` is 0 where the inputs have no folder."""

    job: int
    chain: int
    root: int
    run: int


def register(
    db: sqlite3.Connection, plan: Plan, root: str | None, steps: Sequence[Step], told: Told, token: str, retry: int = 0
) -> Numbers:
    """Write down a run that begins, and forget the oldest ones, but not the one that is tried again (`retry`).

    Raises:
        EnvironmentRefusal: the folder of the inputs cannot be looked at, or the journal is that of other outputs.
    """
    assert plan.job is not None
    who = holder()
    db.execute("BEGIN IMMEDIATE")
    try:
        _same_outputs(db, plan)
        job = _number(db, "jobs", "template", job_name(plan.job))
        chain = _number(db, "chains", "hash", hash_of(steps), steps=json.dumps(steps))
        folder = 0 if root is None else _root(db, root)
        run = db.execute(
            "INSERT INTO runs (job, chain, token, began_ns, pid, host, command, config, versions)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                job, chain, token, time.time_ns(), who["pid"], who["host"], json.dumps(dict(told.command)),
                told.config, json.dumps({"pipeline": __version__}),
            ),
        ).lastrowid  # fmt: skip
        assert run is not None
        oldest = run - plan.settings.keep_runs
        db.execute("DELETE FROM failures WHERE run <= ? AND run != ?", (oldest, retry))
        db.execute("DELETE FROM runs WHERE id <= ? AND id != ?", (oldest, retry))
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
    return Numbers(job, chain, folder, run)


def job_name(destination: str) -> str:
    """What makes two runs one job: where their outputs go, below the output folder."""
    root = Template(destination).root
    return destination if root == "." else destination.removeprefix(root).lstrip("/")


def _same_outputs(db: sqlite3.Connection, plan: Plan) -> None:
    """A state folder apart from the outputs is of one output folder: names in it are relative to that.

    One that was moved is known by its inode, or because nothing is left where it was; a state folder within the
    outputs moves with them.
    """
    assert plan.output_root is not None
    assert plan.state_dir is not None
    root, state = os.path.realpath(plan.output_root), os.path.realpath(plan.state_dir)
    if state.startswith(root.rstrip("/") + "/"):
        return
    status = os.stat(root)
    known = db.execute("SELECT path, device, inode FROM outputs").fetchone()
    if known is not None and os.fsencode(root) != known[0] and known[1:] != (status.st_dev, status.st_ino):
        before = os.fsdecode(known[0])
        if os.path.isdir(before):
            raise EnvironmentRefusal(
                f"the journal is that of the outputs in {before!r}", where=state,
                limit=f"this run writes to {root!r}", remedy="give each output folder a `state_dir` of its own",
            )  # fmt: skip
    db.execute("DELETE FROM outputs")
    db.execute("INSERT INTO outputs VALUES (?, ?, ?)", (os.fsencode(root), status.st_dev, status.st_ino))


def never_began(db: sqlite3.Connection, run: int) -> None:
    """The last run is the last one that did something: one that was refused leaves no row."""
    with suppress(sqlite3.Error):  # why it was refused is what the user is told
        db.execute("DELETE FROM runs WHERE id = ?", (run,))


def end_run(db: sqlite3.Connection, run: int, exit_code: int, report: Mapping[str, Any]) -> None:
    """The run's row says how it ended."""
    told = (time.time_ns(), exit_code, json.dumps(dict(report), default=str), run)
    db.execute("UPDATE runs SET ended_ns = ?, exit_code = ?, report = ? WHERE id = ?", told)


def seen(db: sqlite3.Connection, number: int, root: str | None) -> None:
    """Inputs were met again: their folder is what it was, also where it lies on another device now."""
    if root is not None:
        db.execute("UPDATE roots SET device = ? WHERE id = ?", (os.stat(root).st_dev, number))


def _number(db: sqlite3.Connection, table: str, column: str, value: str, **more: str) -> int:
    names = ", ".join((column, *more))
    marks = ", ".join("?" * (1 + len(more)))
    insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names of ours
    db.execute(insert, (value, *more.values()))
    select = f"SELECT id FROM {table} WHERE {column} = ?"  # noqa: S608 - names of ours
    return int(db.execute(select, (value,)).fetchone()[0])


def _root(db: sqlite3.Connection, root: str) -> int:
    path = os.fsencode(os.path.realpath(root))
    try:
        device = os.stat(root).st_dev
    except OSError as error:
        raise EnvironmentRefusal(f"the input folder cannot be looked at: {error.strerror}", where=root) from error
    db.execute("INSERT INTO roots (path, device) VALUES (?, ?) ON CONFLICT (path) DO NOTHING", (path, device))
    return int(db.execute("SELECT id FROM roots WHERE path = ?", (path,)).fetchone()[0])
