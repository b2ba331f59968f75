"""The scripts of examples/cluster, run here with the variables that Slurm and Kubernetes would set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from harness import ROOT, cli, environment, tree
from pictures import ramp
from ruamel.yaml import YAML

EXAMPLES = ROOT / "examples/cluster"
OF = 16
CONFIG = """version: 1
reader: {use: folder, path: in, workers: 1}
transforms: [{workers: 1, stages: [resize: {width: 16, height: 16, fit: inside}]}]
writer: {use: files, path: 'OUT/{stem}.jpg', workers: 1}
on_error: {max_failures: none}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for number in range(12):
        ramp(tmp_path / "in" / f"{number:03d}.png", 40, 30)
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "job.yaml").write_text(CONFIG.replace("OUT", "out"))
    return tmp_path


def script(name: str) -> list[str]:
    """What a node runs."""
    if name == "slurm":
        return ["sh", str(EXAMPLES / "slurm_array.sh"), "job.yaml"]
    job: Any = YAML(typ="safe").load((EXAMPLES / "kubernetes_job.yaml").read_text())
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert job["spec"]["completions"] == OF
    assert job["spec"]["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"] == [2, 3]
    return [*container["command"], *container["args"]]


def variables(name: str, index: int) -> dict[str, str]:
    """Of the task of this index, from 0."""
    if name == "kubernetes":
        return {"JOB_COMPLETION_INDEX": str(index)}
    told = {"ID": index + 1, "MIN": 1, "STEP": 1, "COUNT": OF}
    return {f"SLURM_ARRAY_TASK_{key}": str(value) for key, value in told.items()}


@pytest.mark.parametrize("name", ["slurm", "kubernetes"])
def test_all_tasks_make_what_one_run_makes(home: Path, name: str) -> None:
    """Every task is complete, also the one with a file that fails; merged they end as a plain run does."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    tasks = [
        subprocess.Popen(script(name), cwd=home, env={**environment(), **variables(name, index), "PATH": path})
        for index in range(OF)
    ]
    assert [task.wait(60) for task in tasks] == [0] * OF
    answer = cli("merge-reports", *map(str, (home / "reports").glob("*.json")), "--json")
    (home / "plain.yaml").write_text(CONFIG.replace("OUT", "plain"))
    plain = cli("run", "plain.yaml", "--json", cwd=home)
    assert answer.returncode == plain.returncode == 1
    merged, whole = json.loads(answer.stdout), json.loads(plain.stdout)
    assert (merged["done"], merged["failed"]) == (whole["done"], whole["failed"]) == (12, 1)
    assert tree(home / "out") == tree(home / "plain")


def test_results_on_a_network_file_system(home: Path) -> None:
    """As docs/cluster.md says it: the segments are copied to a local disk, and a plain run makes the results."""
    (home / "job.yaml").write_text(CONFIG.replace("OUT", "out") + "reducers: [statistics: {path: out}]\n")
    for number in (1, 2):
        assert cli("run", "job.yaml", "--shard", f"{number}/2", "-q", cwd=home).returncode in (0, 1)
    subprocess.run("mkdir state && cp -r out/.pipeline/segments state/", shell=True, cwd=home, check=True)
    answer = json.loads(cli("run", "job.yaml", "--set", "state_dir=state", "--json", cwd=home).stdout)
    assert (answer["up_to_date"], answer["done"]) == (12, 0)
    assert (home / "out/statistics.json").is_file()
