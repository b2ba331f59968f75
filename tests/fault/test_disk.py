"""Disks that are full, folders that cannot be written to, runs that stand still."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import FILES, HARM, NUMBERED, cli, counts, fused, plan_of, stage, tree, write_config
from PIL import Image

from pipeline.errors import EnvironmentRefusal, Exit
from pipeline.supervisor import execution
from pipeline.supervisor.deadlines import Deadlines

NOISE = {"use": "synthetic", "height": 40, "width": 40, "frames": 60}


def whole(folder: Path) -> int:
    """How many pictures lie in a folder; each can be decoded to its end, and nothing else is there."""
    names = os.listdir(folder)
    for name in names:
        assert name.endswith(".png")
        with Image.open(io.BytesIO((folder / name).read_bytes())) as picture:
            picture.load()
    return len(names)


@pytest.mark.parametrize("together", [False, True], ids=["staged", "fused"])
def test_a_file_that_cannot_grow_stops_the_run(tmp_path: Path, together: bool) -> None:
    """A limit on the size of files, met in the middle of a write: exit 4, and not even a part of a file is left."""
    writer = {"use": FILES, "path": f"{tmp_path}/out/{{stem}}.png", "file_nbytes": 2000}
    plan = plan_of(tmp_path, NOISE, [], writer)
    report = execution.run(fused(plan, 1) if together else plan)
    assert report.exit_code == Exit.ENVIRONMENT
    assert "file too large; free space and run again" in report.stopped
    assert report.ledger.balances
    assert not report.ledger.done
    assert tree(tmp_path / "out") == {}


def test_a_file_that_cannot_grow_stops_a_serial_run(tmp_path: Path) -> None:
    """The same in one process."""
    writer = {"use": FILES, "path": f"{tmp_path}/out/{{stem}}.png", "file_nbytes": 2000}
    done = cli("run", str(write_config(tmp_path, NOISE, [], writer)), "--allow-code", "--serial", "-q")
    assert done.returncode == Exit.ENVIRONMENT
    assert "free space and run again" in done.stderr
    assert tree(tmp_path / "out") == {}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting needs privileges; the size limit above tests the same path")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_stops_the_run(tmp_path: Path, small_disk: Path, workers: int) -> None:
    """What was written before is whole, the rest is accounted for, and no temporary file takes up the space."""
    writer = {"use": "files", "path": f"{small_disk}/{{stem}}.png", "workers": workers}
    report = execution.run(plan_of(tmp_path, NOISE, [], writer))
    assert report.exit_code == Exit.ENVIRONMENT
    assert "no space left on device" in report.stopped
    assert report.ledger.balances
    assert 0 < report.ledger.done <= whole(small_disk) < 60
    assert report.ledger.cancelled


@pytest.mark.parametrize("command", [[], ["--serial"]], ids=["workers", "serial"])
def test_an_output_folder_that_cannot_be_made_is_refused_before_the_start(tmp_path: Path, command: list[str]) -> None:
    """A file where the folder should be: exit 4 with its name, and nothing is started."""
    (tmp_path / "file").write_bytes(b"")
    path = write_config(tmp_path, NOISE, [], {"use": "files", "path": f"{tmp_path}/file/out/{{stem}}.png"})
    done = cli("run", str(path), *command, "-q")
    assert done.returncode == Exit.ENVIRONMENT, done.stderr
    assert f"{tmp_path}/file" in done.stderr
    assert "Traceback" not in done.stderr


def test_shared_memory_that_cannot_be_had_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No memory for the arena at all: nothing is started, and nothing is left."""

    def none(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", none)
    with pytest.raises(EnvironmentRefusal, match="shared memory"):
        execution.run(plan_of(tmp_path, NOISE, [], {"use": "null"}))


def test_shared_memory_that_runs_out_in_mid_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on with what there is and says so; what does not fit any more fails with the arithmetic."""
    real, most = os.posix_fallocate, 33 << 20

    def little(fd: int, offset: int, length: int) -> None:
        if offset + length > most:
            raise OSError(28, "No space left on device")
        real(fd, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", little)
    reader = {"use": "synthetic", "height": 3600, "width": 3600, "random_sizes": True, "frames": 30, "fill": "none"}
    plan = plan_of(tmp_path, reader, [["identity"]], {"use": "null", "touch": "page"}, queues={"memory": "200MiB"})
    report = execution.run(plan)
    assert report.ledger.balances
    assert report.ledger.done + report.ledger.failed == 30
    assert report.ledger.done
    assert any("shared memory ran out" in note for note in report.notes)
    assert report.peak_memory["arena_nbytes"] <= most
    assert all("the arena holds" in failure.reason for failure in report.failures)


# ---- standing still ----------------------------------------------------------------------------------------------


def test_a_run_in_which_no_frame_moves_ends_loudly(tmp_path: Path) -> None:
    """Exit 70 with the stack of every worker: the one that sleeps shows where."""
    harm = stage(HARM, how="sleep", at=[2], marker=str(tmp_path / "mark"))
    plan = plan_of(tmp_path, {"use": NUMBERED}, [[harm]], {"use": "null"}, stall_timeout="2s")
    report = execution.run(plan)
    text = report.stopped
    assert report.exit_code == Exit.INTERNAL
    assert report.ledger.balances
    assert "`stall_timeout`" in text
    assert "in strike" in text
    assert all(f"{group} {number}:" in text for number, group in enumerate(("reader", "step1", "writer")))


def test_the_command_ends_a_stall_with_seventy(tmp_path: Path) -> None:
    """The message reaches the shell, and no traceback of ours."""
    harm = stage(HARM, how="sleep", at=[2], marker=str(tmp_path / "mark"))
    path = write_config(tmp_path, {"use": NUMBERED}, [[harm]], {"use": "null"}, stall_timeout="2s")
    done = cli("run", str(path), "--allow-code", "-q")
    assert done.returncode == Exit.INTERNAL
    assert "in flight" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_source_that_waits_is_no_stall(tmp_path: Path) -> None:
    """Three times the stall timeout without an item, and nothing in flight: the run waits for its input."""
    reader = {"use": NUMBERED, "items": 4, "pause_s": 1.2}
    plan = plan_of(tmp_path, reader, [["identity"]], {"use": "null"}, stall_timeout="400ms", timeout="400ms")
    assert counts(execution.run(plan)) == {"done": 4}


def test_waiting_for_memory_is_no_hang(tmp_path: Path) -> None:
    """Readers that wait for memory longer than `timeout` are not killed for it, nor is the run called a stall."""
    reader = {**NOISE, "height": 100, "width": 100, "frames": 14, "random_sizes": True, "fill": "none", "workers": 2}
    plan = plan_of(
        tmp_path,
        reader,
        [],
        {"use": "null", "delay_us": 200_000},
        queues={"memory": "64KiB", "credit": 4},
        timeout="1s",
        stall_timeout="1s",
    )
    report = execution.run(plan)
    assert counts(report) == {"done": 14}
    assert not any(group.restarts for group in report.groups)


def test_a_late_answer_of_a_worker_that_was_given_up_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that answers just when its time is up: what it said before the fence counts, and each item once."""
    check = Deadlines._check_worker

    def impatient(self: Deadlines, handle: Any) -> None:
        check(self, handle)
        if handle.worker.group.name == "step1" and handle.worker.load and handle.process and self.core.moved % 5 == 0:
            self.workers.end(handle, "timed out (a test)")

    monkeypatch.setattr(Deadlines, "_check_worker", impatient)
    monkeypatch.setattr("pipeline.scheduler.recovery.backoff_s", lambda _, **__: 0.0)
    plan = plan_of(
        tmp_path,
        {"use": "synthetic", "height": 300, "width": 300, "frames": 30},
        [["identity"]],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}.png", "workers": 2},
        on_error={"retries": 10},
    )
    report = execution.run(plan)
    assert report.ledger.balances
    assert report.ledger.done + report.ledger.quarantined == 30
    assert whole(tmp_path / "out") == report.ledger.done
