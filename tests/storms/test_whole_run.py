"""The plug is pulled on a whole run at a random instant, then it is run again. `make fault` runs these; minutes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from harness import STATE, cli, command, environment, tree
from storm import SCALE, job

SEEDS = range(25 * SCALE)
LATEST = 0.8  # of the time that an undisturbed run takes: what comes later may find the run at its end
pytestmark = pytest.mark.timeout(600)


def killed(config: Path, after_s: float) -> bool:
    """Start a run and end every process of it at once; whether it was still going on."""
    with subprocess.Popen(
        command("run", str(config), "-q"), env=environment(), start_new_session=True, stderr=subprocess.DEVNULL
    ) as process:
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            _wait_for_the_rest(process.pid)
            return True
    return False


def _wait_for_the_rest(group: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    raise AssertionError("processes of a killed run are left")


def known(folder: Path) -> tuple[int, int]:
    """How many items the journal says are done, and how many more were claimed."""
    path = folder / "out" / STATE / "journal.sqlite"
    if not path.exists():
        return 0, 0
    db = sqlite3.connect(path)
    try:
        done = db.execute("SELECT count(*) FROM items WHERE outcome = 0").fetchone()[0]
        return done, db.execute("SELECT count(*) FROM claims").fetchone()[0] - done
    except sqlite3.OperationalError:
        return 0, 0  # killed before its tables were made
    finally:
        db.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_that_was_killed_goes_on(
    tmp_path: Path, pictures: Path, expected: dict[str, str], lasts_s: float, figure: Callable[..., None], seed: int
) -> None:
    """No partial file is ever seen, nothing is done twice but what was in flight, and the end is the same tree."""
    figure("kill -9 of the whole run at a random instant, then run again", f"{len(SEEDS)} seeds")
    config, chance, shm = job(tmp_path, pictures), Random(seed), set(os.listdir("/dev/shm"))
    for _ in range(1 + seed % 3):
        after_s = chance.uniform(0.05, LATEST * lasts_s / (1 + seed % 3))
        while not killed(config, after_s):  # it was quicker than the one that was measured
            shutil.rmtree(tmp_path / "out")
            after_s *= 0.6
        seen = {name: made for name, made in tree(tmp_path / "out").items() if not name.endswith(".tmp")}
        assert seen.items() <= expected.items()
    done, in_flight = known(tmp_path)
    again = cli("run", str(config), "--json", "-q")
    assert again.returncode == 0, again.stderr
    report = json.loads(again.stdout)
    assert report["up_to_date"] == done
    assert report["done"] == len(expected) - done
    assert len(seen) + report["done"] <= len(expected) + in_flight
    assert tree(tmp_path / "out") == expected
    assert set(os.listdir("/dev/shm")) <= shm
