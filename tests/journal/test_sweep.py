"""What dead runs left beside outputs is removed at the next start; what others are writing stays."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from harness import STATE, counts, plan_of, tree
from pictures import ramp

from pipeline.journal import Options
from pipeline.journal.store import path_in
from pipeline.supervisor import execution


def test_temporary_files_of_dead_runs_go(tmp_path: Path) -> None:
    """By what they had claimed; those of another run, and files that only look alike, stay."""
    for name in ("a.png", "sub/b.png"):
        ramp(tmp_path / "in" / name, 20, 20)
    plan = plan_of(
        tmp_path, {"use": "folder", "path": str(tmp_path / "in")}, [[{"resize": {"width": 8, "height": 8}}]],
        {"use": "files", "path": f"{tmp_path}/out/{{dir}}/{{stem}}.png"},
    )  # fmt: skip
    assert counts(execution.run(plan, keep=Options())) == {"done": 2}
    expected = tree(tmp_path / "out")
    db = sqlite3.connect(path_in(str(tmp_path / "out" / STATE)))
    (token,) = db.execute("SELECT token FROM runs").fetchone()
    with db:  # as if the run had been killed just before its rows
        db.execute("UPDATE runs SET ended_ns = NULL")
        db.execute("DELETE FROM items")
    db.close()
    dead = [tmp_path / "out" / f".a.png.pl-{token}-1f.tmp", tmp_path / "out/sub" / f".b.png.pl-{token}-20.tmp"]
    alive = [tmp_path / "out/.a.png.pl-ffffff-000000-1f.tmp", tmp_path / "out" / f".notes-{token}.tmp"]
    for path in (*dead, *alive):
        path.write_text("half")
    report = execution.run(plan, keep=Options())
    assert counts(report) == {"done": 2}
    assert any("2 temporary files of a run that was killed" in note for note in report.notes)
    assert not any(path.exists() for path in dead)
    assert all(path.exists() for path in alive)
    for path in alive:
        os.unlink(path)
    assert tree(tmp_path / "out") == expected
