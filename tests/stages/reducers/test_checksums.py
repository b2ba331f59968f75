"""Digests of the inputs, whatever they lie in."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from archive_files import pictures, tar_bytes, written, zip_bytes
from harness import counts, plan_of

from pipeline.journal import Options
from pipeline.supervisor import execution


@pytest.mark.parametrize("kind", ["folder", "a.zip", "a.tar", "a.tar.gz"])
@pytest.mark.parametrize("frames", ["first", "all"])
def test_digests_are_of_the_bytes_that_were_read(tmp_path: Path, kind: str, frames: str) -> None:
    """Of files and members alike, also where a reader gives all pictures of a file; one line a file."""
    members = pictures()
    for name, data in members.items():
        written(tmp_path / "folder", name, data)
    written(tmp_path, "a.zip", zip_bytes(members, zipfile.ZIP_DEFLATED))
    written(tmp_path, "a.tar", tar_bytes(members))
    written(tmp_path, "a.tar.gz", gzip.compress(tar_bytes(members)))
    reader = {"use": "folder" if kind == "folder" else "archive", "path": str(tmp_path / kind), "frames": frames}
    reducers: list[Any] = [{"checksums": {"path": f"{tmp_path}/out"}}]
    plan = plan_of(tmp_path, reader, [["identity"]], {"use": "null"}, reducers=reducers)
    assert counts(execution.run(plan, keep=Options())) == {"done": 3}
    told = dict(reversed(line.split("  ")) for line in (tmp_path / "out/SHA256SUMS").read_text().splitlines())
    assert told == {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
