"""The folder of a shard's database: gone with its run, or with the next one where that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from harness import environment, until

from pipeline.journal.temporary_home import HELD, PREFIX, TemporaryHome

WAITS = """import signal
from pipeline.journal.temporary_home import TemporaryHome
temporary_home = TemporaryHome()
print(temporary_home.path, flush=True)
signal.pause()
"""


def test_what_a_killed_run_left_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a run which goes on stays, and so does what is not ours."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"{PREFIX}new").mkdir()  # it has no lock yet
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / HELD).touch()
    with subprocess.Popen(
        [sys.executable, "-c", WAITS], stdout=subprocess.PIPE, env={**environment(), "TMPDIR": str(tmp_path)}
    ) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().decode().strip())
        first = TemporaryHome()
        assert left.is_dir()
        process.send_signal(signal.SIGKILL)
    until(lambda: process.poll() is not None, "it is dead")
    second = TemporaryHome()
    assert not left.exists()
    assert Path(first.path).is_dir()
    first.close()
    second.close()
    assert sorted(os.listdir(tmp_path)) == ["other", f"{PREFIX}new"]
