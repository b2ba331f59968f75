"""The commands: what they print, where, and their exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import pipeline
from pipeline.cli import text
from pipeline.cli.app import main
from pipeline.contracts.ledger import Ledger
from pipeline.errors import EnvironmentRefusal, Exit, StopRun
from pipeline.supervisor.report import Failure, GroupReport, Report

CONFIG = "version: 1\nreader: {use: synthetic, height: 9, width: 8, frames: 3}\nwriter: {use: null}\n"
HOSTILE = "a\x1b[31mred\x07\n\udce9\u202e.jpg"
FIRST = Failure(f"in/{HOSTILE}", "jpeg", "input", "is cut short")


def pipe(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


def shell(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A real process, as a user would start it."""
    command = [sys.executable, "-m", "pipeline.cli", *args]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **environ}
    )


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    return str(path)


@pytest.fixture
def pictures(tmp_path: Path) -> str:
    """A config that reads three files, one with a hostile name, and would write two of them to one name."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (b"a.jpg", b"a.png", os.fsencode(HOSTILE)):
        (folder / os.fsdecode(name)).write_bytes(b"no picture")
    path = tmp_path / "p.yaml"
    path.write_text(
        f"version: 1\nreader: {{use: folder, path: {folder}}}\n"
        f'writer: {{use: files, path: "{tmp_path}/out/{{dir}}/{{stem}}.jpg"}}\n'
    )
    return str(path)


def report(**changes: Any) -> Report:
    return Report(
        ledger=Ledger(found=15, done=2, failed=12, skipped=1), exit_code=Exit.SOME_FAILED, seconds=4.0,
        bytes_in=24_100_000, bytes_out=300_000,
        failures=[FIRST, *(Failure(f"{number}.jpg", "", "io", "x") for number in range(11))],
        groups=[GroupReport("reader", 2, frames=3)], bottleneck="reader is busy 97%", skips={"too small": 1},
        versions={"numpy": "2"}, notes=["a note"], **changes,
    )  # fmt: skip


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The engine replaced by a list: its first entry is the report it gives, or the error it raises."""
    outcome: list[Any] = [report()]

    def run(plan: object, *, limit: int | None = None, **_: Any) -> Report:
        outcome.append(limit)
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        found: Report = outcome[0]
        return found

    monkeypatch.setattr("pipeline.supervisor.execution.run", run)
    return outcome


def test_check_says_ok_or_lists_every_problem(config: str) -> None:
    """`check` ends with 0 and ok, or with 2, each problem, its line and a caret below its column."""
    assert pipe("check", config).stdout == f"{config}: ok\n"
    result = pipe("check", config, "--set", "fuse=auto")
    assert (result.exit_code, result.stderr) == (
        0,
        "note: --set fuse: fuse: auto is left to the tuner; until then it means none\n",
    )
    Path(config).write_text(CONFIG.replace("frames: 3", "frmaes: 3") + "fuse: al\n")
    result = pipe("check", config)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"{config}:2:47: unknown parameter 'frmaes' of synthetic; did you mean 'frames'?\n"
        "    reader: {use: synthetic, height: 9, width: 8, frmaes: 3}\n"
        f"{' ' * 50}^\n"
        f"{config}:4:7: fuse is the text 'al'; wants one of none, all, auto; did you mean 'all'?\n"
        "    fuse: al\n"
        "          ^\n"
        "2 problems; nothing was started\n"
    )


def test_every_command_prints_one_object_with_json(config: str) -> None:
    """With --json stdout holds one object, in success and in refusal."""
    assert json.loads(pipe("check", config, "--json").stdout) == {"ok": True, "notes": [], "exit_code": 0}
    result = pipe("check", config, "--json", "--set", "fuse=al")
    refusal = json.loads(result.stdout)
    assert (result.exit_code, refusal["exit_code"]) == (2, 2)
    assert refusal["problems"] == [
        {
            "file": "--set fuse", "line": 0, "column": 0, "what": "fuse is the text 'al'",
            "want": "wants one of none, all, auto", "remedy": "did you mean 'all'?", "note": False,
        }
    ]  # fmt: skip
    assert json.loads(pipe("plan", config, "--json").stdout)["written"] == ["synthetic", "null"]
    assert {each["name"] for each in json.loads(pipe("stages", "--json").stdout)["stages"]} >= {
        "folder",
        "resize",
        "jpeg",
    }
    assert json.loads(pipe("check", "/no/such.yaml", "--json").stdout)["exit_code"] == 2


def test_plan_shows_chain_groups_and_memory(config: str) -> None:
    """`plan` says what will run, where, and what it takes."""
    lines = pipe("plan", config, "--workers", "reader=3").stdout.splitlines()
    assert lines[:4] == [
        f"plan of {config}",
        "written   synthetic -> null",
        "run as    synthetic | null   (| is a queue between processes)",
        "outputs   none",
    ]
    assert "  8x9 rgb uint8" in lines
    assert any(line.split()[:3] == ["reader", "3", "any"] for line in lines)
    assert any("frames under way" in line for line in lines)


def test_stages_lists_by_kind_and_shows_one() -> None:
    """The list has a line each; one component comes with its parameters, ranges and defaults."""
    listed = pipe("stages").stdout
    assert [line for line in listed.splitlines() if line and not line.startswith(" ")][:5] == [
        "readers", "transforms", "reducers", "writers", "codecs",
    ]  # fmt: skip
    shown = pipe("stages", "synthetic").stdout
    assert "  height: a whole number at least 1 px; default 1080\n      rows; at most, with random_sizes\n" in shown
    result = pipe("stages", "sythetic")
    assert (result.exit_code, result.stderr) == (
        2,
        "pipeline: there is no stage 'sythetic'; did you mean 'synthetic'?\n",
    )


def test_run_ends_with_a_summary_and_the_reports_exit_code(config: str, ended: list[Any]) -> None:
    """Counts, rate, bytes, the first ten failures, and what limited the run; all of it on stderr."""
    result = pipe("run", config, "--limit", "7")
    assert (result.exit_code, result.stdout, ended[1]) == (1, "", 7)
    lines = result.stderr.splitlines()
    assert lines[:2] == ["2 files done, 1 skipped, 12 failed in 4.0 s, 0.5 files/s", "24.1 MB in, 300.0 kB out"]
    assert lines[2] == r"input: in/a\x1b[31mred\x07\n\xe9\u202e.jpg (jpeg): is cut short"
    assert lines[12:] == ["and 2 more; --json lists them", "skipped: 1 file: too small", "reader is busy 97%"]
    assert "reader: 2 workers, 3 frames" in pipe("run", config, "-v").stderr
    assert "files done" not in pipe("run", config, "-q").stderr


def test_run_prints_the_report_as_json(config: str, ended: list[Any]) -> None:
    """The object on stdout is the report; names that are not UTF-8 round-trip."""
    result = pipe("run", config, "--json")
    data = json.loads(result.stdout)
    assert (data["found"], data["exit_code"], result.exit_code) == (15, 1, 1)
    assert data["failures"][0]["item"] == f"in/{HOSTILE}"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (EnvironmentRefusal("the disk is full", remedy="free some"), 4, "pipeline: the disk is full; free some\n"),
        (StopRun(f"cannot start: {HOSTILE}"), 3, "pipeline: cannot start: a\\x1b[31mred\\x07\n\\xe9\\u202e.jpg\n"),
        (KeyboardInterrupt(), 130, "pipeline: interrupted\n"),
    ],
)  # fmt: skip
def test_errors_end_in_one_message_and_their_code(
    error: BaseException, code: int, message: str, config: str, ended: list[Any]
) -> None:
    """No traceback, no raw escape sequence, and the exit code of the error."""
    ended[0] = error
    result = pipe("run", config)
    assert (result.exit_code, result.stderr) == (code, message)
    assert json.loads(pipe("run", config, "--json").stdout or "{}").get("exit_code", code) == code


def test_a_dry_run_says_where_everything_would_go(pictures: str, tmp_path: Path) -> None:
    """`source -> destination` of each input, collisions named, names made harmless, nothing written."""
    result = pipe("run", pictures, "--dry-run")
    assert result.exit_code == 1  # what a run would end with: one name is taken twice
    assert result.stdout.splitlines() == [
        f"{tmp_path}/in/a\\x1b[31mred\\x07\\n\\xe9\\u202e.jpg -> {tmp_path}/out/a\\x1b[31mred\\x07\\n\\xe9\\u202e.jpg",
        f"{tmp_path}/in/a.jpg -> {tmp_path}/out/a.jpg",
        f"{tmp_path}/in/a.png: refused: collides with '{tmp_path}/in/a.jpg': both would be '{tmp_path}/out/a.jpg'; they"
        " differ in their endings only, as RAW+JPEG pairs and Live Photos do: put {ext} into the path",
    ]
    entries = json.loads(pipe("run", pictures, "--dry-run", "--json", "--limit", "1").stdout)["entries"]
    assert entries == [
        {
            "source": f"{tmp_path}/in/{HOSTILE}",
            "destination": f"{tmp_path}/out/{HOSTILE}",
            "outcome": "",
            "reason": "new",
            "refused": "",
            "skipped": "",
        }
    ]
    assert not (tmp_path / "out").exists()


def test_code_in_a_config_needs_its_flag(config: str, tmp_path: Path) -> None:
    """Without --allow-code nothing is imported and the message names the flag; exit code 2."""
    (tmp_path / "own.py").write_text("raise SystemExit('imported')\n")
    Path(config).write_text(CONFIG + f"transforms: [{{name: t, stages: ['{tmp_path}/own.py:X']}}]\n")
    result = pipe("run", config)
    assert result.exit_code == 2
    assert "--allow-code runs it" in result.stderr


@pytest.mark.parametrize("args", [["run"], ["run", "x", "--limit", "0"], ["nonsense"], ["check", "--frobnicate", "x"]])
def test_a_wrong_command_line_is_a_usage_error(args: list[str]) -> None:
    """Exit code 2 and the usage."""
    result = pipe(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain é 日本", "plain é 日本"), ("a\tb\n", "a\\tb\\n"), ("\x1b[2J", "\\x1b[2J"), ("\udcff", "\\xff"),
        ("\u202eevil", "\\u202eevil"), ("\x9b", "\\x9b"), ("\U000e0001", "\\U000e0001"), ("\ud800", "\\ud800"),
    ],
)  # fmt: skip
def test_nothing_raw_reaches_the_terminal(raw: str, shown: str) -> None:
    """Control characters, overrides of direction and undecodable bytes become escapes; letters stay."""
    assert text.shown(raw) == shown


@pytest.mark.parametrize(("nbytes", "said"), [(0, "0 B"), (999, "999 B"), (24_100_000, "24.1 MB"), (5e12, "5000.0 GB")])
def test_sizes_for_people(nbytes: float, said: str) -> None:
    """Decimal units, one digit."""
    assert text.size(nbytes) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (99, "99.0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_spans_for_people(seconds: float, said: str) -> None:
    """Seconds, then minutes, then hours."""
    assert text.span(seconds) == said


def test_a_caret_stays_on_screen(tmp_path: Path) -> None:
    """Of a line of thousands of characters the part around the column is shown."""
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG + "queues: {order: '" + "x" * 5000 + "', depth: 0}\n")
    lines = pipe("check", str(path)).stderr.splitlines()
    assert max(len(line) for line in lines if line.startswith("    ")) <= 4 + text.WIDE
    at = next(index for index, line in enumerate(lines) if "depth is 0" in line)
    assert lines[at + 1][lines[at + 2].index("^")] == "0"


def test_the_version_is_the_packages() -> None:
    """`pipeline --version`, in a real process."""
    assert shell("--version").stdout == f"pipeline {pipeline.__version__}\n"


def test_a_run_in_real_processes(config: str) -> None:
    """`run --json` of three synthetic frames, serial and with workers: the same ledger, exit code 0."""
    for more in ([], ["--serial"]):
        done = shell("run", config, "--json", "--workers", "all=1", *more)
        assert done.returncode == 0, done.stderr
        data = json.loads(done.stdout)
        assert (data["found"], data["done"], data["exit_code"]) == (3, 3, 0)
        assert "3 files done" in done.stderr


def test_a_terminal_that_knows_ascii_only_gets_escapes(config: str) -> None:
    """Whatever its encoding, printing never fails."""
    done = shell("check", config + "é\udcff", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert (done.returncode, done.stdout) == (2, "")
    assert r"c.yaml\xc3\xa9\xff: cannot read the config" in done.stderr
