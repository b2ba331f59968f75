"""`pipeline tune` on the real engine: trials leave nothing behind, and the numbers go into the file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from harness import ROOT, cli, command, environment, until

from pipeline.api import planned
from pipeline.errors import EnvironmentRefusal, Exit, StopRun, UsageError
from pipeline.tune import Trial, tune
from pipeline.tune.trial import SAMPLE, Scene, sample

SLOW = """
import time

def pause(pixels):
    time.sleep(0.02)
    return pixels
"""
CONFIG = """version: 1   # ours
reader: {{use: folder, path: {photos}}}
transforms:
  - name: shrink    # waits
    workers: 1      # too few
    stages:
      - resize: {{width: 32, height: 32}}
      - {{use: {code}}}
writer:
  use: files
  path: {out}/small/{{dir}}/{{stem}}.png
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Thumbnails with a stage that waits, in one worker; one of the pictures is broken."""
    photos = tmp_path / "photos"
    shutil.copytree(ROOT / "samples/photos", photos)
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    (tmp_path / "slow.py").write_text(SLOW)
    path = tmp_path / "config.yaml"
    (tmp_path / "out").mkdir()
    path.write_text(CONFIG.format(photos=photos, code=tmp_path / "slow.py", out=tmp_path / "out"))
    return path


@pytest.mark.alone
def test_the_command_finds_what_a_waiting_stage_wants(config: Path, tmp_path: Path) -> None:
    """More workers for it, written into the file with all comments; the outputs are untouched, the scratch is gone."""
    before = config.read_text()
    done = cli("tune", str(config), "--allow-code", "--seconds", "26", "--write", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["changed"], done.stdout + done.stderr
    assert found["written"]
    assert found["recommended"]["shrink"] >= 4
    assert found["failing"] == 1
    assert [group["name"] for group in found["groups"]] == ["reader", "shrink", "writer"]
    assert "tried reader" in done.stderr
    assert os.listdir(tmp_path / "out") == []  # no journal either
    after = config.read_text()
    assert f"workers: {found['recommended']['shrink']}      # too few\n" in after
    assert [line for line in before.splitlines() if "#" in line and "workers" not in line] == [
        line for line in after.splitlines() if "#" in line and "workers" not in line
    ]
    again = planned(config, None, None, allow_code=True)
    assert {group.name: group.workers for group in again.groups} == found["recommended"]


@pytest.mark.alone
def test_trials_tell_where_the_time_went(config: Path, tmp_path: Path) -> None:
    """Units, CPU and waiting of each group; twice as many workers for a stage that waits are twice as fast."""
    plan = planned(config, None, None, allow_code=True)
    with Scene(plan) as scene:
        assert os.listdir(tmp_path / "out") == [os.path.basename(scene.folder)]
        one, two = scene.run((1, 1, 1), 1.0), scene.run((1, 2, 1), 1.0)
        assert os.listdir(scene.folder) == []
    assert os.listdir(tmp_path / "out") == []
    assert 1.6 < two.rate / one.rate < 2.4
    waits = one.groups[1]
    assert waits.busy_s / one.seconds > 0.8
    assert waits.cpu_s < 0.5 * waits.busy_s
    assert one.failing <= 1
    assert one.groups[0].blocked > 0.5 > one.groups[2].blocked


def test_a_config_without_files() -> None:
    """Frames of streams are counted one by one, and `null` needs no scratch folder."""
    sets = {"reader.frames": 1_000_000, "reader.height": 64, "reader.width": 64}
    plan = planned(ROOT / "bench/configs/hop.yaml", sets, None, allow_code=False)
    with Scene(plan) as scene:
        assert scene.folder == ""
        trial = scene.run(tuple(group.workers for group in plan.groups), 0.5)
    assert trial.units > 20
    assert trial.seconds < 5


@pytest.mark.parametrize("more", [("--workers", "shrink=2"), ("--set", "fuse=all"), ("--set", "reader.workers=2")])
def test_what_is_written_is_what_was_judged(config: Path, more: tuple[str, str]) -> None:
    """Other numbers than those of the file, and `--write`: refused before anything runs."""
    done = cli("tune", str(config), "--allow-code", "--write", *more)
    assert done.returncode == Exit.USAGE
    assert f"--write with {more[0]}" in done.stderr


def test_a_config_that_cannot_be_written_is_known_at_once(config: Path) -> None:
    """Not after a minute."""
    text = config.read_text().replace("reader: {use", "reader: &r {workers: &n 2, use")
    config.write_text(text.replace("workers: 1 ", "workers: *n "))
    done = cli("tune", str(config), "--allow-code", "--write", "-q")
    assert done.returncode == Exit.USAGE
    assert "by hand" in done.stderr


CLOSES = """
import os, tempfile
from pipeline import Transform

class Tidy(Transform):
    def open(self):
        self.folder = tempfile.mkdtemp(prefix="tidy-", dir=os.environ["TIDY"])

    def process(self, frame, out):
        out[...] = frame.pixels

    def close(self):
        os.rmdir(self.folder)
"""


def test_stages_of_a_trial_are_closed(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a stage of one's own opens, it puts away: a trial ends as a run does."""
    (tmp_path / "tidy").mkdir()
    (tmp_path / "tidy.py").write_text(CLOSES)
    monkeypatch.setenv("TIDY", str(tmp_path / "tidy"))
    config.write_text(config.read_text().replace("slow.py", "tidy.py"))
    with Scene(planned(config, None, None, allow_code=True)) as scene:
        scene.run((2, 2, 1), 0.5)
    assert os.listdir(tmp_path / "tidy") == []


def test_a_stale_scratch_folder_is_swept(config: Path, tmp_path: Path) -> None:
    """One that a killed `tune` left long ago; not that of a process that lives, nor a fresh one."""
    out = tmp_path / "out"
    for name in ("4194305-old", "4194305-new", f"{os.getpid()}-mine"):
        (out / f".pipeline-tune-{name}").mkdir()
    for name in ("4194305-old", f"{os.getpid()}-mine"):
        os.utime(out / f".pipeline-tune-{name}", (0, 0))
    with Scene(planned(config, None, None, allow_code=True)) as scene:
        assert os.path.isdir(scene.folder)
    assert set(os.listdir(out)) == {".pipeline-tune-4194305-new", f".pipeline-tune-{os.getpid()}-mine"}


def test_what_cannot_be_tuned_is_refused(config: Path, tmp_path: Path) -> None:
    """No input; nothing but broken input; no room for a scratch folder."""
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing = planned(config, {"reader.path": str(empty)}, None, allow_code=True)
    with pytest.raises(UsageError, match="no input"):
        tune(nothing)
    (empty / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    with pytest.raises(StopRun, match=r"no input could be done; .*`pipeline run`"):
        tune(planned(config, {"reader.path": str(empty)}, None, allow_code=True))
    assert os.listdir(tmp_path / "out") == []


def test_a_writer_that_cannot_be_led_elsewhere(config: Path) -> None:
    """It might do anything with the frames of a trial, so there is none."""
    text = config.read_text().partition("writer:")[0]
    config.write_text(text + "writer: {use: 'stages_for_tests.ends:Log', log: log}\n")
    with pytest.raises(UsageError, match=r"scratch folder; tune the rest: --set writer\.use=null"):
        tune(planned(config, None, None, allow_code=True))


def test_a_scratch_folder_that_cannot_be_made(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is named."""

    def none(**_: str) -> str:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkdtemp", none)
    with pytest.raises(EnvironmentRefusal, match=r"/out: cannot make a scratch folder: Read-only"):
        tune(planned(config, None, None, allow_code=True))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)])
def test_interrupted(config: Path, tmp_path: Path, number: int, code: int) -> None:
    """In the middle of a trial: the exit code of a signal, one line, and the scratch folder is gone."""
    process = subprocess.Popen(
        command("tune", str(config), "--allow-code", "-q"), env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: list((tmp_path / "out").glob(".pipeline-tune-*/*")), "an output of a trial")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert out == ""
    assert len(err.splitlines()) == 1
    assert os.listdir(tmp_path / "out") == []


def test_a_working_directory_with_braces(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths of the config are relative to it, and no field of a template is read into its name."""
    here = tmp_path / "{odd}"
    here.mkdir()
    monkeypatch.chdir(here)
    plan = planned(config, {"writer.path": "out/{stem}.png"}, None, allow_code=True)
    with Scene(plan) as scene:
        assert scene.run((1, 2, 1), 0.5).units > 0
    assert os.listdir(here) == []


def test_the_sample_is_spread_and_always_the_same() -> None:
    """Of a folder with more files than it takes: from all that it looked at, and never in blocks."""
    plan = planned(
        ROOT / "bench/configs/hop_check.yaml", {"reader.frames": 3 * SAMPLE, "reader.height": 8}, None, allow_code=False
    )
    from pipeline.supervisor.intake import Intake

    first, second = sample(Intake(plan).entries()), sample(Intake(plan).entries())
    assert first == second
    assert len(first) == len(set(first)) == SAMPLE
    assert [item.number for item in first] != sorted(item.number for item in first)
    assert max(item.number for item in first) > 2 * SAMPLE


def test_the_watcher_hears_of_each_trial(config: Path) -> None:
    """As the command prints them; of one group, where everything is fused, one number is tried."""
    heard: list[Trial] = []
    plan = planned(config, {"fuse": "all"}, {"reader": 1}, allow_code=True)
    result = tune(plan, 7.0, watch=heard.append)
    assert result.trials == len(heard) > 0
    assert all(len(trial.vector) == 1 for trial in heard)
