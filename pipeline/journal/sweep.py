"""Temporary files that dead runs left beside their outputs: found by what they had claimed, and removed.

Called by a new run that holds the lock, so no run of this journal lives. Names carry the run's token: what another
program, or a run with another journal, is writing stays.
"""

from __future__ import annotations

import os
import sqlite3

from .prune import path_of


def sweep_dead(db: sqlite3.Connection, output_root: str) -> list[str]:
    """Remove the temporary files of runs that never came to their end; their paths."""
    dead = db.execute("SELECT id, token FROM runs WHERE ended_ns IS NULL").fetchall()
    removed: list[str] = []
    for run, token in dead:
        for folder in _folders(db, run):
            if path_of(output_root, os.fsencode(f"{folder}/-" if folder else "-")) is None:
                continue  # a link leads out of there by now
            removed += _swept(os.path.join(output_root, folder) if folder else output_root, token)
        db.execute("UPDATE runs SET ended_ns = 0 WHERE id = ?", (run,))
    return removed


def _folders(db: sqlite3.Connection, run: int) -> list[str]:
    """The folders of the outputs that this run had claimed and not told the end of."""
    query = (
        "SELECT output FROM claims AS c WHERE run = ? AND NOT EXISTS"
        " (SELECT 1 FROM items AS i WHERE i.job = c.job AND i.item = c.item AND i.run = c.run)"
    )
    return sorted({os.path.dirname(os.fsdecode(output)) for (output,) in db.execute(query, (run,))})


def _swept(folder: str, token: str) -> list[str]:
    removed = []
    try:
        with os.scandir(folder) as entries:
            left = [entry.path for entry in entries if f".pl-{token}" in entry.name and entry.name.endswith(".tmp")]
    except OSError:
        return []  # it was never made
    for path in left:
        try:
            os.unlink(path)
            removed.append(path)
        except OSError:
            continue  # it stays as it is, and hides nothing: its name begins with a dot
    return removed
