"""`pipeline verify-manifest`: what the reducer wrote, and `sha256sum` too."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from harness import cli, plan_of
from pictures import ramp

from pipeline.journal import Options
from pipeline.supervisor import execution

NAMES = ("a.png", "b c/d.png", "b c/back\\slash.png", "line\nend.png")


def manifest(tmp_path: Path) -> Path:
    """Of four pictures with odd names."""
    for name in NAMES:
        ramp(tmp_path / "in" / name)
    reader = {"use": "folder", "path": str(tmp_path / "in")}
    plan = plan_of(
        tmp_path, reader, [["orient"]], {"use": "null"}, reducers=[{"checksums": {"path": f"{tmp_path}/out"}}]
    )
    assert execution.run(plan, keep=Options()).ledger.done == len(NAMES)
    return tmp_path / "out/SHA256SUMS"


def test_all_are_as_they_were(tmp_path: Path) -> None:
    """For us and for `sha256sum`, with spaces, backslashes and line ends in names."""
    path = manifest(tmp_path)
    done = cli("verify-manifest", str(path), "--folder", str(tmp_path / "in"))
    assert done.returncode == 0, done.stderr
    assert "4 of 4 files are as the manifest says" in done.stderr
    theirs = subprocess.run(["sha256sum", "--check", str(path)], cwd=tmp_path / "in", capture_output=True, check=False)
    assert theirs.returncode == 0, theirs.stderr


def test_what_is_not_is_named(tmp_path: Path) -> None:
    """A file that was changed and one that is gone: exit 1."""
    path = manifest(tmp_path)
    (tmp_path / "in/a.png").write_bytes(b"other")
    (tmp_path / "in/b c/d.png").unlink()
    done = cli("verify-manifest", str(path), "--folder", str(tmp_path / "in"), "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["right"] == 2
    problems = {each["file"]: each["problem"] for each in told["wrong"]}
    assert problems == {"a.png": "changed", "b c/d.png": "missing"}


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    """The line is named; so is a file that is not there."""
    path = tmp_path / "sums"
    path.write_text("0" * 64 + "  a\nhello\n")
    done = cli("verify-manifest", str(path))
    assert done.returncode == 2
    assert f"{path}:2: this is not a line of a manifest" in done.stderr
    gone = cli("verify-manifest", str(tmp_path / "none"))
    assert gone.returncode == 2
    assert "cannot be read" in gone.stderr
