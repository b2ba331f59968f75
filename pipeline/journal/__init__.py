"""What every run of an output folder did, kept in a database beside the outputs; so a run does only what is missing.

run_journal    the journal of one run: opened, asked at the intake, told what ends, closed; asking: only looked at
registering    the numbers of a run, its job, its chain; history: past runs; prune: outputs whose input is gone
run_options    what a user asks of it
tables         the tables and their form; store: the file, opened or refused
lookup         what is known of items that are found; verdict: what follows from it, PURE; ownership: whose an output is
fingerprint    what decides the pixels of a job, and how two chains differ in words
write_thread   the one writer: claims and rows in batches, ended: what it is told; durable: outputs brought to the disk
given          what comes of each item beside its outputs: partials of reducers and their results; packed: members of
               archives, and the archives
opening        the database of a run: that of the output, or a shard's own, which ends with it
temporary_home the folder of a shard's database
segment        what a shard wrote down, for other runs; taking_in: how these read it; row_writer: where all rows go
lock           one run at a time, or shards; sweep: temporary files of dead runs
preflight      outputs that no journal knows
versions       of the libraries that make pixels
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .lookup import Looked
    from .run_journal import Journal
    from .run_options import Options, Told

__all__ = ["Journal", "Looked", "Options", "Told"]
_HOMES = {"Journal": "run_journal", "Looked": "lookup", "Options": "run_options", "Told": "run_options"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pipeline.journal' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
