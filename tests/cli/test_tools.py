"""`schema` and `doctor`: what editors and people with a strange machine are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result
from harness import ROOT
from ruamel.yaml import YAML

from pipeline.cli.app import main

CONFIGS = sorted([*ROOT.glob("configs/*.yaml"), *ROOT.glob("bench/configs/*.yaml")])
WRONG = {
    "an unknown key": ("fuse:", "fues:"),
    "an unknown stage": ("orient", "orientt"),
    "an unknown parameter": ("kernel:", "kernle:"),
    "a wrong type": ("width: 256", "width: '256'"),
    "a value that is not in the list": ("fit: inside", "fit: insid"),
    "out of range": ("quality: 85", "quality: 101"),
    "workers in words": ("workers: auto", "workers: many"),
    "a key of the engine out of range": ("depth: 8", "depth: 0"),
    "a key that the engine has not": ("depth: 8", "deep: 8"),
    "a size without a unit": ("memory: 512MB", "memory: 512MX"),
    "a time without a unit": ("timeout: 60s", "timeout: 60x"),
    "no share": ("max_failures: 5%", "max_failures: 5x"),
    "cores in words": ('cores: "0-1"', "cores: many"),
    "a name that cannot be addressed": ("name: shrink", "name: a.b"),
    "another version": ("version: 1", "version: 2"),
}
GOOD = """
version: 1
reader: {use: folder, path: in, workers: auto}
transforms:
  - name: shrink
    cores: "0-1"
    stages: [orient, resize: {width: 256, fit: inside, kernel: area}]
writer: {use: files, path: 'out/{stem}.jpg', quality: 85, jpeg: {subsampling: "420"}}
fuse: none
queues: {depth: 8, memory: 512MB}
on_error: {max_failures: 5%}
timeout: 60s
"""


def tool(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(tool("schema").stdout)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_every_config_of_ours_fits_the_schema(validator: Any, path: Path) -> None:
    """An editor marks nothing in them."""
    validator.validate(YAML(typ="safe").load(path.read_text()))


@pytest.mark.parametrize(("right", "wrong"), WRONG.values(), ids=WRONG)
def test_an_editor_marks_what_check_refuses(validator: Any, right: str, wrong: str) -> None:
    """The usual slips, each alone."""
    yaml = YAML(typ="safe")
    validator.validate(yaml.load(GOOD))
    assert right in GOOD
    assert not validator.is_valid(yaml.load(GOOD.replace(right, wrong)))


def test_a_reader_that_has_seen_enough_is_no_defect(tmp_path: Path) -> None:
    """`pipeline schema | head -1` ends quietly."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", "schema"],
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stderr) == (1, b"")


def test_doctor_finds_this_machine_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line is ok or a note, each codec is named, and the exit code is 0."""
    result = tool("doctor")
    assert result.exit_code == 0, result.output
    for subject in ("pipeline", "cores", "memory", "shared memory", "codec jpeg", "codec png", "opencv", "sandbox"):
        assert subject in result.stdout
    found = json.loads(tool("doctor", "--json").stdout)
    assert {finding["state"] for finding in found["findings"]} <= {"ok", "note"}


def test_doctor_ends_with_4_where_thumbnails_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the JPEG library the main job cannot run, and the line says what to do."""
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    result = tool("doctor")
    assert result.exit_code == 4
    line = next(line for line in result.stdout.splitlines() if line.startswith("NO"))
    assert "jpeg" in line
    assert "install frame-pipeline anew" in line


def test_doctor_says_why_cores_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An affinity mask and a quota are named, and a missing libGL costs a note only."""
    monkeypatch.setattr("pipeline.plan.machine.allowed_cores", lambda: (0, 1, 4))
    monkeypatch.setattr("pipeline.plan.machine.usable_cores", lambda: (0,))
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setitem(sys.modules, "cv2", None)
    result = tool("doctor")
    assert result.exit_code == 0
    assert (
        "1 usable (0) of 8: the affinity mask of this process holds 3 of 8, the cgroup's quota is worth 1"
        in result.stdout
    )
    assert "apt install libgl1" in result.stdout


@pytest.mark.parametrize("how", [(), ("--serial",)], ids=["workers", "serial"])
def test_the_log_has_a_line_for_each_item_and_one_for_the_run(tmp_path: Path, how: tuple[str, ...]) -> None:
    """Done with its output, failed with its reason; a second run is appended."""
    folder, log = tmp_path / "in", tmp_path / "run.jsonl"
    folder.mkdir()
    (folder / "good.jpg").write_bytes((ROOT / "samples/photos/shore.jpg").read_bytes())
    (folder / "bad.jpg").write_bytes(b"no picture at all")
    sets = (f"reader.path={folder}", f"writer.path={tmp_path}/out/{{stem}}.jpg", "on_error.max_failures=none")
    args = ("run", str(ROOT / "configs/thumbnail.yaml"), "-q", *how, "--log", str(log))
    for _ in range(2):
        assert tool(*args, *(each for value in sets for each in ("--set", value))).exit_code == 1
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) == 6
    items = {Path(line["item"]).name: line for line in lines[:2]}
    assert (items["good.jpg"]["outcome"], items["good.jpg"]["output"]) == ("done", f"{tmp_path}/out/good.jpg")
    assert (items["bad.jpg"]["outcome"], items["bad.jpg"]["stage"]) == ("failed", "folder")
    assert "is not a picture of a known format" in items["bad.jpg"]["reason"]
    assert lines[2]["run"]["done"] == lines[2]["run"]["failed"] == 1
    refused = tool(*args[:-1], "/no/such/folder/log")
    assert refused.exit_code == 2
    assert "cannot open the log" in refused.stderr
