"""What stages print reaches the user, line by line, and the run does not care whether anyone reads it."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from harness import DEADLINE_S, NUMBERED, cli, command, environment, plan_of, stage, until, write_config

from pipeline.errors import Exit
from pipeline.supervisor import execution, serial

WAYS = pytest.mark.parametrize("way", [[], ["--serial"]], ids=["workers", "serial"])
FRAMES = 30


def config_of(folder: Path, *, lines: int = 1, loud: bool = False) -> str:
    talks = stage("stages_for_tests.talk:Talks", lines=lines, loud=loud)
    return str(write_config(folder, {"use": NUMBERED, "items": FRAMES}, [[talks]], {"use": "null"}))


@WAYS
def test_the_first_lines_are_shown_and_all_are_logged(tmp_path: Path, way: list[str]) -> None:
    """Group and stage before each of the first 20 lines, then how many more there were; stdout is the report's."""
    log = tmp_path / "log.json"
    done = cli("run", config_of(tmp_path, loud=True), "--allow-code", "--json", "--log", str(log), *way)
    assert done.returncode == Exit.OK
    group = "serial" if way else "step1"
    shown = [line for line in done.stderr.splitlines() if line.startswith(f"{group}/Talks: ")]
    assert len(shown) == 20
    assert f"{group}/Talks: frame 0 line 0" in shown
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    printed = [each["printed"] for each in entries if (each.get("group"), each.get("stage")) == (group, "Talks")]
    assert {f"frame {number} line 0" for number in range(FRAMES)} <= set(printed)
    assert any("UserWarning: take care" in line for line in printed)
    everyone = [(each.get("group"), each.get("printed")) for each in entries]
    assert (group, "a library says this") in everyone
    assert f"{group}/Talks printed {len(printed) - 20} more lines; --log FILE keeps all" in done.stderr
    (told,) = json.loads(done.stdout)["printed"]
    assert told == {"group": group, "stage": "Talks", "lines": len(printed), "shown": 20}


@pytest.mark.parametrize("run", [execution.run, serial.run], ids=["workers", "serial"])
def test_lines_come_with_the_stage_that_printed_them(tmp_path: Path, run: object) -> None:
    """Two stages of one group are told apart."""
    stages = [stage("stages_for_tests.talk:Talks") | {"name": name} for name in ("one", "two")]
    plan = plan_of(tmp_path, {"use": NUMBERED, "items": 3}, [stages], {"use": "null"})
    said: list[tuple[str, str]] = []
    run(plan, show=lambda _, stage, line: said.append((stage, line)))  # type: ignore[operator]
    for name in ("one", "two"):
        assert [line for stage, line in said if stage == name and line.startswith("frame")] == [
            f"frame {number} line 0" for number in range(3)
        ]


@WAYS
@pytest.mark.parametrize("closed", ["stdout", "stderr", "both"])
def test_a_pipe_that_its_reader_closed_fails_no_item(tmp_path: Path, way: list[str], closed: str) -> None:
    """`pipeline run ... | head`: stages may print thousands of lines into it, and every item is done."""
    log = tmp_path / "log.json"
    read, write = os.pipe()
    os.close(read)
    with open(os.devnull, "wb") as nowhere:
        done = subprocess.run(
            command("run", config_of(tmp_path, lines=300, loud=True), "--allow-code", "--log", str(log), *way),
            stdout=write if closed != "stderr" else nowhere, stderr=write if closed != "stdout" else nowhere,
            check=False, timeout=DEADLINE_S, env=environment(),
        )  # fmt: skip
    os.close(write)
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum(each.get("outcome") == "done" for each in entries) == FRAMES
    assert entries[-1]["run"]["failed"] == 0
    assert done.returncode == Exit.OK


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path: Path, closed: str) -> None:
    """A service manager that gives no streams: every item is done, and no output goes into a stream's number."""
    log = tmp_path / "log.json"
    args = command("run", config_of(tmp_path, lines=3, loud=True), "--allow-code", "--log", str(log))
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *args], check=False, timeout=DEADLINE_S, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum(each.get("outcome") == "done" for each in entries) == FRAMES
    assert done.returncode == Exit.OK


def test_prints_while_the_config_is_planned_leave_stdout_alone(tmp_path: Path) -> None:
    """A function is imported and tried in the command's own process too: `--json` still prints one object."""
    (tmp_path / "loud.py").write_text("print('imported')\ndef loud(pixels):\n    print('called')\n    return pixels\n")
    reader = {"use": "synthetic", "height": 4, "width": 4, "frames": 2}
    config = str(write_config(tmp_path, reader, [[{"use": f"{tmp_path}/loud.py"}]], {"use": "null"}))
    for command_ in ("check", "plan", "run"):
        done = cli(command_, config, "--allow-code", "--json")
        assert json.loads(done.stdout)["exit_code"] == 0
        assert "imported" in done.stderr


@WAYS
def test_a_reader_that_stops_holds_nothing_up(tmp_path: Path, way: list[str]) -> None:
    """stderr is a pipe that is full, and nobody reads: every item is done meanwhile, and the end is told afterwards."""
    log = tmp_path / "log.json"
    read, write = os.pipe()
    os.set_blocking(write, False)
    with suppress(BlockingIOError):
        while True:
            os.write(write, b"." * 4096)
    os.set_blocking(write, True)
    process = subprocess.Popen(
        command("run", config_of(tmp_path, lines=300, loud=True), "--allow-code", "--log", str(log), *way),
        stderr=write, stdout=subprocess.DEVNULL, env=environment(),
    )  # fmt: skip
    os.close(write)
    until(lambda: log.exists() and log.read_text().count('"outcome": "done"') == FRAMES, "every item done")
    told = b""
    while block := os.read(read, 1 << 16):
        told += block
    os.close(read)
    assert process.wait(DEADLINE_S) == Exit.OK
    assert f"{FRAMES} files done".encode() in told
