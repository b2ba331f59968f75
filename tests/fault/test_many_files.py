"""A folder of very many files is never a list of paths in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from folder_jobs import job
from harness import command, environment
from pictures import ramp

from pipeline.errors import Exit

MANY = 100_000


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder with so many names of a few pictures."""
    folder = tmp_path_factory.mktemp("crowd")
    each = 20_000  # names of one file: file systems bound them
    for number in range(MANY):
        path = f"{folder}/{number:06d}.png"
        if number % each == 0:
            ramp(Path(path))
            first = path
        else:
            os.link(first, path)
    return folder


PEAK = """
import resource, subprocess, sys
with open(sys.argv[1], "wb") as out:
    code = subprocess.run(sys.argv[2:], stdout=out, stderr=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def peak(*args: str, out: Path) -> tuple[int, int]:
    """Exit code and largest resident size in bytes of the command's processes.

    Started by a small process: the figure of a child begins with the size of whoever starts it, and pytest is large.
    """
    wrapped = [sys.executable, "-c", PEAK, str(out), *command(*args)]
    done = subprocess.run(wrapped, env=environment(), capture_output=True, text=True, check=True)
    code, nbytes = map(int, done.stdout.split())
    return code, nbytes


def test_a_folder_of_very_many_files_is_never_a_list_of_paths(crowd: Path, tmp_path: Path) -> None:
    """Each of 100,000 has its line and a name of its own; a list of them all would take 25 MB more."""
    (tmp_path / "in").symlink_to(crowd)
    job(tmp_path)
    few, many = (
        peak(
            "run", str(tmp_path / "config.yaml"), "--dry-run", *more,
            out=tmp_path / f"lines{len(more)}",
        )
        for more in (["--limit", "1000"], [])
    )  # fmt: skip
    assert few[0] == many[0] == Exit.OK
    lines = (tmp_path / "lines0").read_text().splitlines()
    assert len(lines) == len({line.partition(" -> ")[2] for line in lines}) == MANY
    assert {line.partition(" -> ")[0] for line in lines} == {
        f"{tmp_path}/in/{number:06d}.png" for number in range(MANY)
    }
    assert many[1] - few[1] < 18 << 20


def test_a_few_of_very_many_files(crowd: Path, tmp_path: Path) -> None:
    """A hundred of them, exactly, and the parent is no larger for the rest."""
    (tmp_path / "in").symlink_to(crowd)
    job(tmp_path)
    code, nbytes = peak(
        "run", str(tmp_path / "config.yaml"), "--json", "-q", "--limit", "100",
        out=tmp_path / "report",
    )  # fmt: skip
    report = json.loads((tmp_path / "report").read_text())
    assert (code, report["found"], report["done"]) == (0, 100, 100)
    assert nbytes < 100 << 20
