"""Words for the terminal: names made harmless, sizes, and how a refusal is shown."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import click

from ..contracts.problem import ConfigError, Problem
from ..errors import EnvironmentRefusal, PipelineError, UsageError

WIDE = 120
_STDERR: list[TextIO] = []
_ABOVE: list[Callable[[str], None]] = []


def shown(text: str) -> str:
    """The text without anything that a terminal would obey or could not draw: such characters become escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"  # a byte of a file name that is not UTF-8
    return char.encode("unicode_escape").decode("ascii")


def say(line: str) -> None:
    """A line for people, on stderr, made harmless: a name with a newline in it does not begin another.

    A reader that has closed its end has seen enough: that ends no run.
    """
    try:
        if _ABOVE:
            _ABOVE[-1](shown(line))
        else:
            click.echo(shown(line), file=people())
    except (BrokenPipeError, ValueError):
        pass


@contextmanager
def lines_above(show: Callable[[str], None]) -> Iterator[None]:
    """While a drawing holds the terminal, lines for people go through this function of it."""
    _ABOVE.append(show)
    try:
        yield
    finally:
        _ABOVE.pop()


def people() -> TextIO:
    """The stderr that the command began with, whatever a run puts in its place meanwhile."""
    return _STDERR[-1] if _STDERR else sys.stderr


@contextmanager
def own_stderr() -> Iterator[None]:
    """While the block lasts, lines for people go where stderr leads now, whatever its descriptor is made to be."""
    stream = people()
    try:
        own = os.dup(stream.fileno())
    except (OSError, ValueError):  # no file of the system: nothing there can be redirected
        yield
        return
    file = open(own, "w", encoding=stream.encoding, errors=stream.errors, buffering=1)  # noqa: SIM115 - closed below
    _STDERR.append(file)
    try:
        yield
    finally:
        _STDERR.pop()
        with suppress(BrokenPipeError):  # what it still holds nobody will read
            file.close()


def print_json(data: Any) -> None:
    """One object on stdout; bytes of names that are not UTF-8 come as \\udcXX and round-trip in Python."""
    click.echo(json.dumps(data, indent=2, default=str))


@contextmanager
def report_in(path: str | None) -> Iterator[Callable[[Any], None]]:
    """What writes a report into a file, whole or not at all; it does nothing where there is no path.

    The report of an earlier run goes: should this one be killed, the old one would be taken for its own.

    Raises:
        UsageError: no file can be written there. EnvironmentRefusal, when it is written.
    """
    if path is None:
        yield lambda _: None
        return
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path) or not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        why = "it is a folder" if os.path.isdir(path) else f"{folder!r} is not a folder that can be written to"
        raise UsageError("no report can be written there", where=path, limit=why)
    with suppress(FileNotFoundError):
        os.unlink(path)
    yield lambda data: _write_json(path, data)


def _write_json(path: str, data: Any) -> None:
    temporary = f"{path}.{os.getpid():x}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=2, default=str)
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary)
        raise EnvironmentRefusal(f"the report cannot be written: {error.strerror}", where=path) from error


def size(nbytes: float) -> str:
    """Bytes in the unit that people read: 24.1 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if nbytes < 1000 or unit == "GB":
            return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1000
    raise AssertionError(nbytes)


def span(seconds: float) -> str:
    """A time in short: 4.2 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def plural(number: int, noun: str) -> str:
    """1 file, 1,234 files."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def refuse(error: PipelineError, *, as_json: bool) -> None:
    """Say why a command ends: on stderr for people, and as the one object on stdout where that was asked for."""
    problems = error.problems if isinstance(error, ConfigError) else []
    if as_json:
        data = {"error": str(error), "exit_code": int(error.exit_code)}
        print_json(data | ({"problems": [as_data(problem) for problem in problems]} if problems else {}))
    if not problems:
        for line in f"pipeline: {error}".split("\n"):  # a stall brings the stacks of the workers
            say(line)
        return
    lines: dict[str, list[str]] = {}
    for problem in problems:
        for line in with_line(problem, lines):
            say(line)
    say(f"{plural(len(problems), 'problem')}; nothing was started")


def as_data(problem: Problem) -> dict[str, Any]:
    """A problem as plain data."""
    mark = problem.mark
    return {
        "file": mark.file, "line": mark.line, "column": mark.column,
        "what": problem.what, "want": problem.want, "remedy": problem.remedy, "note": problem.note,
    }  # fmt: skip


def with_line(problem: Problem, lines: dict[str, list[str]]) -> list[str]:
    """A problem with the line it stands on and a caret below its column."""
    mark = problem.mark
    if mark.file not in lines:
        lines[mark.file] = _lines(mark.file) if mark.line else []
    if not 0 < mark.line <= len(lines[mark.file]):
        return [str(problem)]
    line = lines[mark.file][mark.line - 1]
    first = max(0, mark.column - WIDE)
    before = shown(line[first : mark.column - 1].expandtabs(1))
    after = shown(line[mark.column - 1 : first + WIDE].expandtabs(1))
    return [str(problem), f"    {before}{after}", f"    {' ' * len(before)}^"]


def _lines(path: str) -> list[str]:
    from ..config.yaml_errors import lines
    from ..config.yaml_source import MAX_NBYTES

    if not os.path.isfile(path):
        return []
    try:
        with open(path, encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
            return lines(file.read(MAX_NBYTES))
    except OSError:
        return []


def harden_streams() -> None:
    """Let no character that the terminal's encoding lacks end a command, and no closed stream either (`2>&-`)."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            # It takes the lowest number free, which is this one: then no pipe of ours, or of a worker's, will.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - open as long as the process
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115 - open as long as the process
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    _STDERR.append(sys.stderr)


def forget_streams() -> None:
    """The command is over."""
    _STDERR.clear()
