"""A /dev/shm that is really small, as containers have it: mounted in a mount namespace of its own. Needs root."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import command, environment, write_config

SIZES = ("64k", "1m", "8m")
FRAMES = 60


@pytest.mark.parametrize("size", SIZES)
def test_a_small_dev_shm(tmp_path: Path, size: str, figure: Callable[..., None]) -> None:
    """The arena lies elsewhere or stays small, and the report says so; no SIGBUS, and every frame is done."""
    reader = {"use": "synthetic", "height": 900, "width": 900, "frames": FRAMES, "workers": 2}
    config = write_config(
        tmp_path, reader, [["identity"]], {"use": "null", "touch": "page"}, queues={"memory": "64MiB"}
    )
    inner = f"mount -t tmpfs -o size={size} none /dev/shm && exec {shlex.join(command('run', str(config), '--json'))}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", inner], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["done"] == FRAMES
    assert any("memfd" in note or "shared memory ran out" in note for note in report["notes"]), report["notes"]
    figure(f"a /dev/shm of {size}", "every frame", f"{report['done']} of {FRAMES}")
