"""What `why`, `report`, `retry`, `repro` and the options of `run` say of the journal, as a user meets them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
from contextlib import chdir
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from harness import DEADLINE_S, HARM, STATE, command, config, environment, plan_of, stage, until
from kept_jobs import RESIZE, WAYS, Run, again, edited, job, removed
from pictures import ramp

from pipeline.cli.app import main
from pipeline.errors import EnvironmentRefusal, Exit
from pipeline.journal import Options
from pipeline.plan import planning


class Said(NamedTuple):
    """What a command ended with."""

    returncode: int
    stdout: str
    stderr: str


def cli(*args: str, cwd: Path | None = None) -> Said:
    """The command in this process, which takes half as long; in a folder that it may leave."""
    with chdir(cwd or os.getcwd()):
        done = CliRunner().invoke(main, list(args))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Said(done.exit_code, done.stdout, done.stderr)


def test_why_tells_what_differs(home: Path) -> None:
    """Exit 0 with the reasons, on stdout; 2 for what is no input."""
    job(home)
    args = (str(home / "config.yaml"),)
    assert "would be done\n  new" in cli("why", *args, "a.png").stdout
    cli("run", *args, "-q")
    assert "up to date" in cli("why", *args, str(home / "in/a.png")).stdout
    edited(home)
    told = json.loads(cli("why", *args, "a.png", "--json", "--set", "transforms.step1.resize.width=9").stdout)
    assert told["outcome"] == "redo"
    assert [each["reason"] for each in told["reasons"]] == ["the input changed", "the chain changed"]
    assert told["reasons"][1]["detail"] == "resize.width: 8 -> 9"
    assert told["last"]["outcome"] == "done"
    done = cli("why", *args, "nothing.png")
    assert (done.returncode, "no input of the job" in done.stderr) == (2, True)


def test_a_dry_run_counts_the_reasons_and_writes_nothing(home: Path) -> None:
    """Per reason; the journal is not touched either."""
    job(home)
    cli("run", str(home / "config.yaml"), "-q")
    removed(home)
    before = {path: path.stat().st_mtime_ns for path in (home / "out").rglob("*")}
    told = json.loads(cli("run", str(home / "config.yaml"), "--dry-run", "--json").stdout)
    assert told["reasons"] == {"the output is missing": 1}
    assert told["outcomes"] == {"up_to_date": 2}
    after = {path: path.stat().st_mtime_ns for path in (home / "out").rglob("*")}
    assert {path: time for path, time in after.items() if path in before and path.is_file()} == {
        path: time for path, time in before.items() if path.is_file()
    }


def test_a_run_is_looked_at_tried_again_and_reproduced(home: Path) -> None:
    """By its config, its outputs or its state folder."""
    (home / "in/b.png").write_bytes(b"no picture")
    job(home)
    path = str(home / "config.yaml")
    cli("run", path, "-q")
    for address in (path, str(home / "out"), str(home / "out" / STATE)):
        told = json.loads(cli("report", address, "--json").stdout)
        assert told["run"]["counts"] == {"done": 2, "up_to_date": 0, "skipped": 0, "failed": 1, "quarantined": 0,
                                         "cancelled": 0}  # fmt: skip
        assert [lost["item"] for lost in told["not_done"]] == ["b.png"]
    rows = [json.loads(line) for line in cli("report", path, "--format", "jsonl").stdout.splitlines()]
    assert {row["item"]: row["outcome"] for row in rows} == {"a.png": "done", "b.png": "failed", "sub/c.png": "done"}
    assert cli("report", path, "--format", "csv").stdout.count("\n") == 4
    assert "run 1 " in cli("report", path, "--run", "1").stdout
    assert cli("report", path, "--run", "9").returncode == 2
    pack = home / "pack.tar.gz"
    done = cli("repro", path, "b.png", "--with-input", "--output", str(pack))
    assert done.returncode == 1
    assert "not a picture" in done.stdout
    shutil.unpack_archive(pack, home / "pack")
    assert (home / "pack/input/b.png").read_bytes() == b"no picture"
    assert {"config.yaml", "command.json", "versions.json", "report.json", "stderr.txt", "log.jsonl"} <= set(
        os.listdir(home / "pack")
    )
    ramp(home / "in/b.png", 40, 30)
    again_ = json.loads(cli("retry", str(home / "out"), "--json", "-q").stdout)
    assert (again_["found"], again_["done"]) == (1, 1)
    assert json.loads(cli("run", path, "--json", "-q").stdout)["up_to_date"] == 3


def test_the_plan_of_a_config_is_that_of_the_journal(home: Path) -> None:
    """`--fresh`, `--adopt` and `--checksum` of the command reach the run."""
    job(home)
    path = str(home / "config.yaml")
    for more, name in (([], "done"), ([], "up_to_date"), (["--fresh"], "done"), (["--checksum"], "up_to_date")):
        assert json.loads(cli("run", path, "--json", "-q", *more).stdout)[name] == 3
    shutil.rmtree(home / "out" / STATE)
    assert cli("run", path, "-q").returncode == 2
    assert json.loads(cli("run", path, "--json", "-q", "--adopt").stdout)["up_to_date"] == 3
    assert planning.build(config.load(path)).state_dir == f"{home}/out/{STATE}"


def test_a_retry_with_nothing_to_do_is_no_error(home: Path) -> None:
    """Exit 0, and what there is to say."""
    job(home)
    path = str(home / "config.yaml")
    cli("run", path, "-q")
    done = cli("retry", path)
    assert (done.returncode, "nothing failed, was quarantined or refused in run 1" in done.stderr) == (0, True)


def test_one_input_alone(home: Path) -> None:
    """By path or name; one that is no input is named; also where no journal is kept; a share is not judged."""
    job(home)
    path = str(home / "config.yaml")
    assert json.loads(cli("run", path, "--only", "sub/c.png", "--json", "-q").stdout)["done"] == 1
    done = cli("run", path, "--only", "nothing.png")
    assert (done.returncode, "'nothing.png' is no input of the job" in done.stderr) == (Exit.USAGE, True)
    (home / "in/b.png").write_bytes(b"no picture")
    assert cli("run", path, "--only", "b.png", "--set", "on_error.max_failures=1%").returncode == Exit.SOME_FAILED
    looked = json.loads(cli("run", path, "--only", "a.png", "--set", "writer={use: 'null'}", "--json", "-q").stdout)
    assert (looked["found"], looked["done"]) == (1, 1)
    done = cli("run", path, "--fresh", "--set", "writer={use: 'null'}")
    assert (done.returncode, "keeps no journal" in done.stderr) == (Exit.USAGE, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fresh", "--adopt"], "choose one"),
        (["--force"], "belongs to --prune"),
        (["--serial", "--set", "sandbox=require"], "cannot be confined"),
    ],
)
def test_what_does_not_go_together_is_refused(home: Path, options: list[str], words: str) -> None:
    """Exit 2, before anything is started."""
    job(home)
    done = cli("run", str(home / "config.yaml"), *options)
    assert (done.returncode, words in done.stderr) == (Exit.USAGE, True)
    assert not (home / "out").exists() or os.listdir(home / "out") in ([], [STATE])


def test_two_forms_of_a_report_at_once(home: Path) -> None:
    """One answer has one form."""
    job(home)
    cli("run", str(home / "config.yaml"), "-q")
    assert cli("report", str(home / "out"), "--json", "--format", "csv").returncode == Exit.USAGE


def test_the_last_run_is_that_of_the_config(home: Path) -> None:
    """Two configs into one folder: each address finds its own runs."""
    configs = {}
    for name, target in (("first", "out/{stem}.jpg"), ("second", "out/{stem}.png")):
        job(home, target)
        configs[name] = str((home / "config.yaml").rename(home / f"{name}.yaml"))
    (home / "in/b.png").write_bytes(b"no picture")
    for name in configs:
        cli("run", configs[name], "-q")
    told = {name: json.loads(cli("report", path, "--json").stdout)["run"]["number"] for name, path in configs.items()}
    assert told == {"first": 1, "second": 2}
    assert json.loads(cli("report", str(home / "out"), "--json").stdout)["run"]["number"] == 2
    ramp(home / "in/b.png", 40, 30)
    assert json.loads(cli("retry", configs["first"], "--json", "-q").stdout)["done"] == 1
    assert (home / "out/b.jpg").exists()
    assert not (home / "out/b.png").exists()


def test_a_retry_stays_with_its_journal(home: Path) -> None:
    """Outputs that were moved: the config of the run leads elsewhere, which is said and not done."""
    (home / "in/b.png").write_bytes(b"no picture")
    job(home)
    cli("run", str(home / "config.yaml"), "-q")
    (home / "out").rename(home / "moved")
    done = cli("retry", str(home / "moved"))
    assert (done.returncode, "leads to another journal" in done.stderr) == (Exit.USAGE, True)
    assert not (home / "out").exists()
    ramp(home / "in/b.png", 40, 30)
    there = f"writer.path={home}/moved/{{dir}}/{{stem}}.jpg"
    assert json.loads(cli("retry", str(home / "moved"), "--set", there, "--json", "-q").stdout)["done"] == 1


def test_a_retry_writes_down_the_config_that_it_used(home: Path) -> None:
    """With --config that is the new one, alone; a --log is where it was asked for."""
    (home / "in/b.png").write_bytes(b"no picture")
    job(home)
    path = str(home / "config.yaml")
    cli("run", path, "-q", "--set", "transforms.step1.resize.width=16")
    other = home / "other.yaml"
    other.write_text((home / "config.yaml").read_text().replace('"version": 1', '"version": 1, "fuse": "none"'))
    (home / "elsewhere").mkdir()
    args = ("retry", path, "--config", str(other), "--json", "-q", "--log", "log.jsonl")
    cli(*args, cwd=home / "elsewhere")
    assert (home / "elsewhere/log.jsonl").exists()
    told = json.loads(cli("report", path, "--json").stdout)["run"]
    assert (told["command"]["config"], told["command"]["set"]) == (str(other), [])
    assert "fuse" in told["config"]


def spoil(home: Path, table: str) -> None:
    """Write over the first page of a table, as a disk that fails does; and an output is missing."""
    file = home / "out" / STATE / "journal.sqlite"
    db = sqlite3.connect(file)
    page = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
    size = db.execute("PRAGMA page_size").fetchone()[0]
    db.close()
    data = bytearray(file.read_bytes())
    data[(page - 1) * size : page * size] = b"\xa5" * size
    file.write_bytes(data)
    (home / "out/a.jpg").unlink()


@WAYS
@pytest.mark.parametrize("table", ["items", "claims", "runs", "chains", "roots", "jobs"])
def test_a_damaged_page(home: Path, run: Run, table: str) -> None:
    """Whichever table it is of: refused with what to do, or the right result; never a wrong one."""
    again(job(home))
    spoil(home, table)
    try:
        report = run(job(home), keep=Options())
    except EnvironmentRefusal as error:
        assert "--adopt" in str(error)
    else:
        assert (report.exit_code == Exit.ENVIRONMENT and "--adopt" in report.stopped) or (home / "out/a.jpg").exists()


@pytest.mark.parametrize("args", [["run", "--dry-run"], ["why"]], ids=" ".join)
def test_a_damaged_page_where_it_is_looked_at(home: Path, args: list[str]) -> None:
    """Exit 4 with what to do, and no traceback."""
    again(job(home))
    spoil(home, "items")
    done = cli(args[0], str(home / "config.yaml"), *args[1:], *(["a.png"] if args == ["why"] else []))
    assert (done.returncode, "--adopt" in done.stderr, "Traceback" in done.stderr) == (Exit.ENVIRONMENT, True, False)


def test_a_dry_run_says_what_a_run_says_of_outputs_without_a_journal(home: Path) -> None:
    """Once, with the remedy; not once for each file."""
    job(home)
    path = str(home / "config.yaml")
    cli("run", path, "-q")
    shutil.rmtree(home / "out" / STATE)
    done = cli("run", path, "--dry-run")
    assert (done.returncode, done.stdout, "--adopt" in done.stderr) == (Exit.USAGE, "", True)


def test_why_tells_of_a_link(home: Path) -> None:
    """It would be skipped; that is an answer."""
    (home / "in/link.png").symlink_to("a.png")
    job(home)
    told = cli("why", str(home / "config.yaml"), "link.png")
    assert (told.returncode, "would be skipped" in told.stdout, "symbolic link" in told.stdout) == (0, True, True)


def test_an_input_that_ends_its_process_is_packed(home: Path) -> None:
    """Also when `repro` is called from another folder, with the name that the report gives."""
    (home / "ender.py").write_text("import os\n\ndef ender(pixels):\n    os.kill(os.getpid(), 9)\n")
    ender = [RESIZE, {"use": f"{home}/ender.py:ender"}]
    job(home, stages=ender, on_error={"retries": 0}, reader={"include": ["a.png"]})
    path = str(home / "config.yaml")
    cli("run", path, "-q", "--allow-code")
    (home / "elsewhere").mkdir()
    (home / "elsewhere/pipeline").mkdir()  # what lies in a folder is not taken for the program
    (home / "elsewhere/pipeline/__init__.py").write_text("raise SystemExit('shadowed')")
    args = ("repro", path, "a.png", "--with-input", "--allow-code", "--output", "pack.tar.gz")
    env = {**environment(), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        command(*args), capture_output=True, text=True, check=False, cwd=home / "elsewhere", env=env
    )  # fmt: skip
    assert "ended by signal 9" in done.stdout, done.stderr
    shutil.unpack_archive(home / "elsewhere/pack.tar.gz", home / "pack")
    assert (home / "pack/input/a.png").read_bytes() == (home / "in/a.png").read_bytes()
    done = cli("repro", path, "nothing.png", "--with-input")
    assert (done.returncode, "was not found" in done.stderr) == (Exit.USAGE, True)


@pytest.mark.parametrize("way", [[], ["--serial"]], ids=["workers", "serial"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_an_interrupted_run_says_how_it_goes_on(home: Path, way: list[str], number: int) -> None:
    """With its report and its exit code, with workers and without."""
    harm = stage(HARM, how="spin", at=[1], marker=str(home / "mark"))
    reader = {"use": "stages_for_tests.numbered:Numbered", "items": 4}
    writer = {"use": "files", "path": f"{home}/out/{{stem}}.png"}
    plan_of(home, reader, [[harm]], writer, timeout="500ms", on_error={"retries": 0})
    args = command("run", str(home / "config.yaml"), "--json", "-q", "--allow-code", *way)
    run = subprocess.Popen(args, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: list(home.glob("mark.*")), "the stage hangs")
    run.send_signal(number)
    out, err = run.communicate(timeout=DEADLINE_S)
    assert run.returncode == 128 + number, err
    assert "run again to go on" in json.loads(out)["stopped"]
