"""The order of things, so that a power cut at any moment leaves no row that tells of a file that is not there.

A run in one process is watched: claims committed, files renamed, files brought to the disk, rows committed. Then the
power is cut after each of these events; of what was not brought to the disk by then, nothing at all may be left.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from harness import cli, counts, plan_of
from pictures import ramp

from pipeline.journal import Options, durable
from pipeline.journal.durable import Disk
from pipeline.journal.row_writer import RowWriter
from pipeline.journal.tables import CLAIMS, ITEMS, PARTS, Statement
from pipeline.supervisor import serial
from pipeline.worker import output

FILES = 12
Event = tuple[str, str]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What happens, in its order: claim, rename, disk, row; names of outputs."""
    told: list[Event] = []
    replace, bring, insert, fsync = os.replace, Disk.bring, RowWriter._insert, os.fsync

    def renamed(source: Any, target: Any, **where: Any) -> None:
        replace(source, target, **where)
        told.append(("rename", os.path.basename(target)))

    def brought(disk: Disk, paths: Any) -> None:
        names = list(paths)
        bring(disk, names)
        told.extend(("disk", os.path.basename(name)) for name in names)

    def inserted(put: RowWriter, statement: Statement, rows: Sequence[tuple[Any, ...]]) -> None:
        insert(put, statement, rows)
        where = {CLAIMS: ("claim", 0), ITEMS: ("row", 10), PARTS: ("row", 2)}.get(statement)
        if where is not None:
            told.extend((where[0], os.fsdecode(row[where[1]])) for row in rows if row[where[1]] is not None)

    def synchronized(fd: int) -> None:
        fsync(fd)
        told.append(("fsync", os.path.basename(os.readlink(f"/proc/self/fd/{fd}"))))

    monkeypatch.setattr(output.os, "replace", renamed)
    monkeypatch.setattr(output.os, "fsync", synchronized)
    monkeypatch.setattr(durable.Disk, "bring", brought)
    monkeypatch.setattr(RowWriter, "_insert", inserted)
    return told


def run(folder: Path, durability: str, **target: str) -> Any:
    for number in range(FILES):
        ramp(folder / "in" / f"{number:02d}.png", 40, 30)
    stages = [{"tile": {"width": 20, "height": 20}}] if target else [{"resize": {"width": 8, "height": 8}}]
    path = target.get("path", "{stem}.png")
    plan = plan_of(
        folder, {"use": "folder", "path": str(folder / "in")}, [stages],
        {"use": "files", "path": f"{folder}/out/{path}"}, durability=durability,
    )  # fmt: skip
    return serial.run(plan, keep=Options())


@pytest.mark.parametrize("durability", ["none", "batch", "each"])
@pytest.mark.parametrize("target", [{}, {"path": "{stem}-{row}-{column}.png"}], ids=["an output", "several"])
def test_nothing_is_written_before_it_is_claimed(
    tmp_path: Path, events: list[Event], durability: str, target: dict[str, str]
) -> None:
    """The claim is committed, then the file renamed, then its row committed."""
    report = run(tmp_path, durability, **target)
    assert counts(report) == {"done": FILES}
    names = {name for kind, name in events if kind == "rename"}
    assert len(names) == FILES * (4 if target else 1)
    for name in names:
        order = [kind for kind, other in events if other == name and kind in ("claim", "rename", "row")]
        assert order == ["claim", "rename", "row"], name


def test_a_power_cut_at_any_moment_with_batches(tmp_path: Path, events: list[Event]) -> None:
    """A row is committed once its file, and the file's name, are on the disk."""
    run(tmp_path, "batch")
    for cut in range(len(events) + 1):
        before = events[:cut]
        kept = {name for kind, name in before if kind == "disk"}  # all else may be gone
        assert {name for kind, name in before if kind == "row"} <= kept
    assert {name for kind, name in events if kind == "row"} == {f"{number:02d}.png" for number in range(FILES)}


def test_a_power_cut_at_any_moment_with_each(tmp_path: Path, events: list[Event]) -> None:
    """A file is on the disk before it gets its name, the name before the next file begins, then the row."""
    report = run(tmp_path, "each")
    for number in range(FILES):
        name = f"{number:02d}.png"
        at = events.index(("rename", name))
        assert events[at - 1][0] == "fsync"
        assert events[at - 1][1].startswith(f".{name}.pl-")
        assert events[at + 1] == ("fsync", "out")
        assert events.index(("row", name)) > at + 1
    assert "power cut" in report.journal["promises"]


def test_without_durability_the_report_says_so(tmp_path: Path, events: list[Event]) -> None:
    """It holds for kills only."""
    report = run(tmp_path, "none")
    assert not [kind for kind, _ in events if kind in ("disk", "fsync")]
    assert report.journal["promises"] == "what is told as done outlives a kill, and not a power cut"


@pytest.mark.parametrize(("durability", "level"), [("none", 1), ("batch", 2), ("each", 2)])
def test_claims_are_on_the_disk_too(tmp_path: Path, durability: str, level: int) -> None:
    """Else an output could outlive its claim, and be taken for a foreign one."""
    db, _ = write_thread_store(tmp_path, durability)
    assert db.execute("PRAGMA synchronous").fetchone() == (level,)
    db.close()


def write_thread_store(folder: Path, durability: str) -> Any:
    from pipeline.journal.store import open_to_write

    return open_to_write(str(folder), full=durability != "none")


def test_a_disk_that_takes_nothing_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 4; what could not be brought to the disk is done again."""

    def fails(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(Disk, "bring", fails)
        report = run(tmp_path, "batch")
    assert report.exit_code == 4
    assert "cannot be brought to the disk" in report.stopped
    done = cli("run", str(tmp_path / "config.yaml"), "--json", "-q")
    assert f'"done": {FILES}' in done.stdout
