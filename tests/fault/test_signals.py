"""Ctrl-C, SIGTERM and the end of the parent, on a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from harness import FILES, GATE, NUMBERED, command, environment, listed, plan_of, stage, until, write_config


def start(folder: Path) -> subprocess.Popen[str]:
    """A run that has begun, and waits in its transform until the file `go` is there."""
    gate = stage(GATE, began=str(folder / "began"), go=str(folder / "go"))
    path = write_config(
        folder, {"use": NUMBERED, "items": 400}, [[gate]], {"use": FILES, "path": f"{folder}/out/{{stem}}.png"}
    )
    process = subprocess.Popen(
        command("run", str(path), "--allow-code", "--json", "-q"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True,
    )  # fmt: skip
    until(lambda: (folder / "began.0").exists() or process.poll() is not None, "the run has begun")
    assert process.poll() is None, process.communicate()
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_drains(number: int, code: int, tmp_path: Path) -> None:
    """What has begun is finished, the rest is cancelled, the ledger balances, and nothing is half written."""
    process = start(tmp_path)
    os.killpg(process.pid, number)  # the whole group, as a terminal does: workers must not mind
    (tmp_path / "go").touch()
    out, err = process.communicate(timeout=30)
    report = json.loads(out)
    assert process.returncode == report["exit_code"] == code
    assert report["found"] == report["done"] + report["cancelled"]
    assert report["done"] == len(listed(tmp_path / "out")) > 0
    assert report["cancelled"] > 0
    assert "Traceback" not in err


def test_two_signals_end_it_at_once(tmp_path: Path) -> None:
    """The second Ctrl-C does not wait for a stage that hangs."""
    process = start(tmp_path)
    for _ in range(20):  # signals that come together count as one
        process.send_signal(signal.SIGINT)
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            continue
        break
    out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert json.loads(out)["exit_code"] == 130
    assert "Traceback" not in err


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.15, 0.3])
def test_a_signal_while_it_starts(tmp_path: Path, after_s: float) -> None:
    """At whatever moment Ctrl-C comes once our code runs and has a child: exit 130, no traceback, no process left."""
    plan_of(
        tmp_path, {"use": "synthetic", "height": 8, "width": 8, "frames": 100_000_000}, [["identity"]], {"use": "null"}
    )  # fmt: skip
    process = subprocess.Popen(
        command("run", str(tmp_path / "config.yaml"), "-q"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(), start_new_session=True,
    )  # fmt: skip
    until(lambda: Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(), "it starts the fork server")
    with suppress(subprocess.TimeoutExpired):
        process.wait(after_s)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert "Traceback" not in err
    assert process.returncode == 130


def test_no_child_outlives_a_killed_parent(tmp_path: Path) -> None:
    """kill -9 of the parent: its workers end, also the one that is busy, and no file is half written."""
    process = start(tmp_path)
    process.kill()
    process.communicate()
    until(lambda: not members(process.pid), "all processes of the group are gone")
    left = list(listed(tmp_path / "out")) if (tmp_path / "out").exists() else []
    assert not [name for name in left if name.endswith(".tmp")]


def members(group: int) -> list[int]:
    """Live processes of a process group; zombies that nobody reaps do not count."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.append(int(pid))
    return found


def test_a_run_that_was_suspended_goes_on(tmp_path: Path) -> None:
    """Ctrl-Z for longer than `timeout`, then `fg`: nothing is lost, and no worker is blamed for the pause."""
    pause = stage("stages_for_tests.steps:Pause", ms=20)
    path = write_config(
        tmp_path, {"use": NUMBERED, "items": 100}, [[pause]], {"use": FILES, "path": f"{tmp_path}/out/{{stem}}.png"},
        timeout="1s",
    )  # fmt: skip
    process = subprocess.Popen(
        command("run", str(path), "--json", "-q", "--allow-code"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=environment(), start_new_session=True,
    )  # fmt: skip
    until(lambda: len(listed(tmp_path / "out")) > 5 if (tmp_path / "out").exists() else False, "some are done")
    for number in (signal.SIGTSTP, signal.SIGSTOP):  # a group without a terminal is not stopped by the first
        os.killpg(process.pid, number)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3.0)
    os.killpg(process.pid, signal.SIGCONT)
    out, err = process.communicate(timeout=30)
    report = json.loads(out)
    assert (process.returncode, report["done"]) == (0, 100), err
    assert sum(group["restarts"] for group in report["groups"]) == 0
