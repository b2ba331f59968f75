"""`pipeline verify-manifest`: whether files are still what a manifest of SHA-256 sums says."""

from __future__ import annotations

import hashlib
import os
import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import click

from ..errors import Exit, UsageError
from . import options, text

LINE = re.compile(rb"(\\?)([0-9a-fA-F]{64}) [ *](.+)")
ESCAPED = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}
AHEAD = 64  # files that are being read or wait to be
SHOWN = 20


@click.command(short_help="Compare files with a manifest of SHA-256 sums.")
@click.argument("manifest", type=click.Path())
@click.option("--folder", type=click.Path(), default=None, help="Where the files lie; that of MANIFEST by default.")
@options.JSON
def command(manifest: str, folder: str | None, as_json: bool) -> None:
    """Read every file that MANIFEST names, as the reducer `checksums` or `sha256sum` wrote it.

    Exit code 0: all are as they were; 1: some are missing, cannot be read or were changed, and each is named.
    """
    entries = list(_entries(manifest))
    home = os.path.dirname(manifest) if folder is None else folder
    wrong: list[dict[str, str]] = []
    for name, problem in _compared(home, entries):
        if problem:
            wrong.append({"file": os.fsdecode(name), "problem": problem})
    told: dict[str, Any] = {"files": len(entries), "right": len(entries) - len(wrong), "wrong": wrong}
    if as_json:
        text.print_json(told)
    else:
        for each in wrong[:SHOWN]:
            text.say(f"{each['problem']}: {each['file']}")
        if len(wrong) > SHOWN:
            text.say(f"and {len(wrong) - SHOWN:,} more; --json lists them")
        text.say(f"{told['right']:,} of {text.plural(len(entries), 'file')} are as the manifest says")
    click.get_current_context().exit(int(Exit.SOME_FAILED if wrong else Exit.OK))


def _entries(manifest: str) -> Iterator[tuple[bytes, str]]:
    """Names and sums; raises UsageError, with the number of the line, for what is none."""
    try:
        with open(manifest, "rb") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise UsageError(f"the manifest cannot be read: {error.strerror}", where=manifest) from error
    for number, line in enumerate(lines, 1):
        match = LINE.fullmatch(line)
        if match is None:
            raise UsageError(
                "this is not a line of a manifest", where=f"{manifest}:{number}",
                limit="want 64 hexadecimal digits, two spaces, a name",
            )  # fmt: skip
        escaped, digest, name = match.groups()
        if escaped:
            name = re.sub(rb"\\[\\nr]", lambda found: ESCAPED[found.group()], name)
        yield name, digest.decode().lower()
    if not lines:
        raise UsageError("the manifest is empty", where=manifest)


def _compared(home: str, entries: list[tuple[bytes, str]]) -> Iterator[tuple[bytes, str]]:
    """Each name with what is wrong with its file, "" for nothing; files are read on all cores."""
    waiting: deque[tuple[bytes, Future[str]]] = deque()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None) as pool:
        for name, digest in entries:
            waiting.append((name, pool.submit(_problem, os.path.join(os.fsencode(home), name), digest)))
            if len(waiting) > AHEAD:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


def _problem(path: bytes, digest: str) -> str:
    try:
        with open(path, "rb") as file:
            return "" if hashlib.file_digest(file, "sha256").hexdigest() == digest else "changed"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return str(error.strerror)
