"""The numbers under which a journal knows a run, its job, its chain and the folder of its inputs."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

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


class Began(NamedTuple):
    """What is written down of a run when it begins, with nothing that means something in one database alone.

    Attributes:
        chain: hash of its steps. root: folder of the inputs, None where they have none; device: where that lies.
        command, versions, steps: in JSON.
    """

    job: str
    chain: str
    steps: str
    root: bytes | None
    device: int
    token: str
    began_ns: int
    pid: int
    host: str
    command: str
    config: str
    versions: str


def begun(plan: Plan, root: str | None, steps: Sequence[Step], told: Told, token: str) -> Began:
    """What is written down of a run that begins now.

    Raises:
        EnvironmentRefusal: the folder of the inputs cannot be looked at.
    """
    assert plan.job is not None
    who = holder()
    return Began(
        job_name(plan.job), hash_of(steps), json.dumps(steps), None if root is None else _spelled(root),
        0 if root is None else _device(root), token, time.time_ns(), os.getpid(), str(who["host"]),
        json.dumps(dict(told.command)), told.config, json.dumps({"pipeline": __version__}),
    )  # fmt: skip


def register(db: sqlite3.Connection, plan: Plan, began: Began, retry: int = 0) -> Numbers:
    """Write down a run that begins, and forget the oldest ones: not the one that is tried again (`retry`),
    nor the last one of each shard.

    Raises:
        EnvironmentRefusal: the journal is that of other outputs.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        _same_outputs(db, plan)
        numbers = enter(db, began)
        oldest = db.execute("SELECT id FROM runs WHERE id <= ?", (numbers.run - plan.settings.keep_runs,)).fetchall()
        kept = {retry, *(run for (run,) in db.execute(_LAST_OF_EACH_SHARD))}
        forgotten = [(run,) for (run,) in oldest if run not in kept]
        db.executemany("DELETE FROM failures WHERE run = ?", forgotten)
        db.executemany("DELETE FROM runs WHERE id = ?", forgotten)
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
    return numbers


def enter(db: sqlite3.Connection, began: Began) -> Numbers:
    """The numbers of a run in this database; within a transaction of the caller."""
    job = _number(db, "jobs", "template", began.job)
    chain = _number(db, "chains", "hash", began.chain, steps=began.steps)
    root = 0
    if began.root is not None:
        known = "INSERT INTO roots (path, device) VALUES (?, ?) ON CONFLICT (path) DO NOTHING"
        db.execute(known, (began.root, began.device))
        root = int(db.execute("SELECT id FROM roots WHERE path = ?", (began.root,)).fetchone()[0])
    run = db.execute(
        "INSERT INTO runs (job, chain, token, began_ns, pid, host, command, config, versions)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (job, chain, *began[began._fields.index("token") :]),
    ).lastrowid
    assert run is not None
    return Numbers(job, chain, root, run)


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


_LAST_OF_EACH_SHARD = (
    "SELECT max(id) FROM runs WHERE json_extract(command, '$.shard') IS NOT NULL"
    " GROUP BY job, json_extract(command, '$.shard')"
)


def shards_of(db: sqlite3.Connection, run: int) -> list[int]:
    """The last run of each shard of the job that this run did one shard of; a plain run stands for itself."""
    told = db.execute("SELECT job, json_extract(command, '$.shard') FROM runs WHERE id = ?", (run,)).fetchone()
    if told is None or told[1] is None:
        return [run]
    job, shard = told
    return last_of_shards(db, job, int(shard.partition("/")[2]))


def last_of_shards(db: sqlite3.Connection, job: int, of: int) -> list[int]:
    """The last run of each shard of a job, of so many."""
    query = (
        "SELECT max(id) FROM runs WHERE job = ? AND json_extract(command, '$.shard') LIKE ?"
        " GROUP BY json_extract(command, '$.shard')"
    )
    return [number for (number,) in db.execute(query, (job, f"%/{of}"))]


def never_began(db: sqlite3.Connection, run: int) -> None:
    """The last run is the last one that did something: one that was refused leaves no row."""
    with suppress(sqlite3.Error):  # why it was refused is what the user is told
        db.execute("DELETE FROM runs WHERE id = ?", (run,))


def end_run(db: sqlite3.Connection, run: int, ended_ns: int, exit_code: int, report: str) -> None:
    """The run's row says how it ended; its report in JSON."""
    db.execute("UPDATE runs SET ended_ns = ?, exit_code = ?, report = ? WHERE id = ?",
               (ended_ns, exit_code, report, run))  # fmt: skip


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


def _spelled(root: str) -> bytes:
    return os.fsencode(os.path.realpath(root))


def _device(root: str) -> int:
    try:
        return os.stat(root).st_dev
    except OSError as error:
        raise EnvironmentRefusal(f"the input folder cannot be looked at: {error.strerror}", where=root) from error
