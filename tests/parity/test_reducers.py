"""The same results, byte for byte: with any workers, fused, serial, killed and gone on with, limited and finished."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import profiles
import pytest
from harness import ROOT, STATE, cli, command, counts, environment, plan_of, stage, tree, until, write_config
from pictures import ramp
from PIL import Image

from pipeline import ConfigError
from pipeline.journal import Options
from pipeline.plan.model import Plan
from pipeline.supervisor import execution, serial

OWN = '''
from dataclasses import dataclass
from pipeline import Reducer

@dataclass(frozen=True)
class Joined(Reducer):
    """Names in item order, and much of each."""

    path: str
    much: int = 10

    def map(self, frame):
        return [f"{frame.item.name} {frame.index} {frame.pixels.sum()} " + "x" * self.much]

    def merge(self, total, partial):
        return total + partial

    def finish(self, total):
        yield "joined/all.txt", "\\n".join(total).encode()
'''
FILES = 30


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for number in range(FILES):
        path = ramp(tmp_path / "in" / f"{number % 3}" / f"{number:03d}.png", 40 + number, 30)
        os.utime(path, ns=(1_700_000_000_123_456_789,) * 2)
    (tmp_path / "joined.py").write_text(OWN)
    return tmp_path


def job(home: Path, out: str, *, much: int = 10, writes: bool = True, workers: int = 1, **keys: Any) -> Plan:
    """Three reducers beside a writer, or alone."""
    reducers = [
        {"statistics": {"path": f"{home}/{out}"}},
        {"checksums": {"path": f"{home}/{out}"}},
        {"use": f"{home}/joined.py", "with": {"path": f"{home}/{out}", "much": much}},
    ]
    writer = {"use": "files", "path": f"{home}/{out}/{{dir}}/{{stem}}.jpg"} if writes else {"use": "null"}
    resize = {"resize": {"width": 16, "height": 16, "fit": "inside"}}
    groups = [{"workers": workers, "stages": [resize]}]
    reader = {"use": "folder", "path": str(home / "in"), "workers": workers}
    return plan_of(home, reader, groups, {**writer, "workers": workers}, reducers=reducers, **keys)


def results(home: Path, out: str) -> dict[str, str]:
    return {name: made for name, made in tree(home / out).items() if not name.endswith(".jpg")}


def test_any_workers_fused_or_not_and_serial(home: Path) -> None:
    """Six ways, one result; it holds every item in order."""
    ways: dict[str, dict[str, Any]] = {
        "one": {}, "four": {"workers": 4}, "fused": {"fuse": "all"}, "fused4": {"fuse": "all", "workers": 4},
        "alone": {"writes": False},
    }  # fmt: skip
    for out, keys in ways.items():
        assert counts(execution.run(job(home, out, **keys), keep=Options())) == {"done": FILES}
    assert counts(serial.run(job(home, "serial"), keep=Options())) == {"done": FILES}
    wanted = results(home, "one")
    assert set(wanted) == {"SHA256SUMS", "joined/all.txt", "statistics.csv", "statistics.html", "statistics.json"}
    for out in (*ways, "serial"):
        assert results(home, out) == wanted
    lines = (home / "one/joined/all.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == sorted(
        (line.split()[0] for line in lines), key=lambda n: (int(n[:3]) % 3, n)
    )
    assert len(lines) == FILES


def test_a_run_that_was_limited_is_gone_on_with(home: Path) -> None:
    """Nothing is mapped twice, and the end is as if it had been one run; again, and nothing is done at all."""
    execution.run(job(home, "whole"), keep=Options())
    execution.run(job(home, "out"), keep=Options(), limit=11)
    report = execution.run(job(home, "out"), keep=Options())
    assert counts(report) == {"done": FILES - 11, "up_to_date": 11}
    assert results(home, "out") == results(home, "whole")
    before = {path: path.stat().st_mtime_ns for path in (home / "out").rglob("*.txt")}
    assert counts(execution.run(job(home, "out"), keep=Options())) == {"up_to_date": FILES}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_what_is_gone_or_failed_does_not_count(home: Path) -> None:
    """An input that went, one that changed and one that broke: the result is that of what is there."""
    execution.run(job(home, "out"), keep=Options())
    (home / "in/0/000.png").unlink()
    (home / "in/1/001.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    ramp(home / "in/2/002.png", 99, 30)
    report = execution.run(job(home, "out", on_error={"max_failures": "none"}), keep=Options())
    assert counts(report) == {"done": 1, "up_to_date": FILES - 3, "failed": 1}
    fresh = execution.run(job(home, "fresh", on_error={"max_failures": "none"}), keep=Options())
    assert counts(fresh) == {"done": FILES - 2, "failed": 1}
    assert results(home, "out") == results(home, "fresh")


def test_what_is_long_comes_too(home: Path) -> None:
    """A partial of more than a control block has room for goes through a file, and none is left."""
    execution.run(job(home, "out", much=200_000), keep=Options())
    assert (home / "out/joined/all.txt").stat().st_size > FILES * 200_000
    assert os.listdir(home / "out" / STATE / "partials") == []


def test_a_run_that_was_killed_goes_on(home: Path) -> None:
    """kill -9 of all its processes in the midst of it."""
    execution.run(job(home, "whole"), keep=Options())
    text = {
        "use": "files", "path": f"{home}/out/{{dir}}/{{stem}}.jpg",
    }  # fmt: skip
    reducers = [
        {"statistics": {"path": f"{home}/out"}}, {"checksums": {"path": f"{home}/out"}},
        {"use": f"{home}/joined.py", "with": {"path": f"{home}/out"}},
    ]  # fmt: skip
    resize = {"resize": {"width": 16, "height": 16, "fit": "inside"}}
    slow = [resize, stage("stages_for_tests.steps:Pause", ms=100)]
    config = write_config(home, {"use": "folder", "path": str(home / "in")}, [slow], text, reducers=reducers)
    path = home / "out" / STATE / "journal.sqlite"

    def some_done() -> bool:
        if not path.exists():
            return False
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            try:
                return bool(db.execute("SELECT count(*) FROM items").fetchone()[0] >= 3)
            except sqlite3.Error:
                return False

    args = command("run", str(config), "--allow-code", "-q")
    with subprocess.Popen(args, env=environment(), start_new_session=True) as process:
        until(some_done, "some items are in the journal")
        os.killpg(process.pid, signal.SIGKILL)
    assert not results(home, "out")
    again = cli("run", str(config), "--allow-code", "-q")
    assert again.returncode == 0, again.stderr
    assert results(home, "out") == results(home, "whole")


def test_films_are_looked_at_as_pixels(tmp_path: Path) -> None:
    """Every frame counts; and a writer that wants planes has no reducers beside it."""
    reader = {"use": "video", "path": str(ROOT / "samples/clips/walk.mp4")}
    reducers = [{"statistics": {"path": f"{tmp_path}/out"}}]
    assert (
        execution.run(plan_of(tmp_path, reader, [], {"use": "null"}, reducers=reducers), keep=Options()).ledger.done
        == 1
    )
    told = json.loads((tmp_path / "out/statistics.json").read_text())
    assert (told["files"], told["frames"]) == (1, 60)
    assert min(told["mean"]) > 0.1
    writer = {"use": "video", "path": f"{tmp_path}/film/{{stem}}.mkv"}
    with pytest.raises(ConfigError, match="looks at pixels, and video is given YUV in planes"):
        plan_of(tmp_path, reader, [], writer, reducers=reducers)


def test_colours_are_those_of_srgb(tmp_path: Path) -> None:
    """A picture with a profile counts as what it looks like, with a writer and without."""
    (tmp_path / "in").mkdir()
    tagged = Image.new("RGB", (40, 30), (200, 40, 90))
    tagged.save(tmp_path / "in/a.png", icc_profile=profiles.rgb(profiles.P3, 2.2))
    plan = plan_of(
        tmp_path, {"use": "folder", "path": str(tmp_path / "in")}, [], {"use": "null"},
        reducers=[{"statistics": {"path": f"{tmp_path}/out"}}],
    )  # fmt: skip
    execution.run(plan, keep=Options())
    red, green, _ = json.loads((tmp_path / "out/statistics.json").read_text())["mean"]
    assert red > 205 / 255
    assert green < 30 / 255


def test_a_result_whose_row_was_lost_is_ours(home: Path) -> None:
    """Killed between a rename and the row: the claim was committed before, so the next run goes on."""
    execution.run(job(home, "out", writes=False), keep=Options())
    with closing(sqlite3.connect(home / "out" / STATE / "journal.sqlite")) as db:
        db.execute("UPDATE results SET digest = x'', size = -1, mtime_ns = 0")
        db.commit()
    (home / "out/SHA256SUMS").write_text("half")
    assert execution.run(job(home, "out", writes=False), keep=Options()).exit_code == 0
    execution.run(job(home, "whole", writes=False), keep=Options())
    assert results(home, "out") == results(home, "whole")


def test_commands_find_a_job_without_outputs(home: Path) -> None:
    """`report` and `why` by its config; `plan` names the folder of the results."""
    config = write_config(
        home, {"use": "folder", "path": str(home / "in")}, [["identity"]], {"use": "null"},
        reducers=[{"checksums": {"path": f"{home}/out"}}],
    )  # fmt: skip
    assert cli("run", str(config), "-q").returncode == 0
    report = cli("report", str(config))
    assert report.returncode == 0, report.stderr
    assert f"{FILES} done" in report.stdout.replace(f"{FILES} files done", f"{FILES} done")
    assert "up to date" in cli("why", str(config), str(home / "in/0/000.png")).stdout
    assert f"results   {home}/out" in cli("plan", str(config)).stdout


def test_a_foreign_file_is_left_alone(home: Path) -> None:
    """Nothing of it is lost, and the message says what to do; the items are done all the same."""
    (home / "out").mkdir()
    (home / "out/SHA256SUMS").write_text("mine")
    report = execution.run(job(home, "out", writes=False), keep=Options(adopt=True))
    assert report.exit_code == 4
    assert "not ours" in report.stopped
    assert counts(report) == {"done": FILES}
    assert (home / "out/SHA256SUMS").read_text() == "mine"


def test_a_reducer_that_raises_is_named(home: Path) -> None:
    """In the process that merges: exit 3 and its words; in `map` the item fails."""
    (home / "joined.py").write_text(OWN.replace('yield "joined/all.txt"', 'raise ValueError("no room"); yield "a"'))
    report = execution.run(job(home, "out"), keep=Options())
    assert report.exit_code == 3
    assert "no room" in report.stopped
    (home / "joined.py").write_text(
        OWN.replace("return [f", "return [{1, 2}] and [f").replace(
            "def map(self, frame):\n", "def map(self, frame):\n        return {1}\n"
        )
    )
    report = execution.run(job(home, "sets", on_error={"max_failures": "none"}), keep=Options())
    assert counts(report) == {"failed": FILES}
    assert "not set" in report.failures[0].reason
    assert report.failures[0].stage == "joined"
