"""What the YAML parser complains about, in the words of someone who fixes a config."""

from __future__ import annotations

import re
from typing import Any

from ..contracts.problem import Mark, Problem

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
# A template without quotes: `{dir}/x.jpg` where a value begins, or `out/{dir}` inside a flow mapping.
_TEMPLATE = re.compile(r"[:\-,\[{]\s+(\{\w+\}[^\s,}\]#]|[^\s\"'{},\[\]]+\{[\w:./-]*\})")
_QUOTE = "put it in quotes"
# What the parser says, what we say instead, and the remedy.
_WORDS = (
    ("'\\t'", "a tab stands where a value or its indent begins", "indent with spaces"),
    ("mapping values are not allowed", "a ':' that YAML does not take here", f"{_QUOTE}, or check the indent"),
    ("sequence entries are not allowed", "a list cannot begin here", f"begin it on a line of its own, or {_QUOTE}"),
)


def lines(text: str) -> list[str]:
    """The lines of a text as marks count them."""
    return _BREAK.split(text)


def place(text: str, position: int, file: str) -> Mark:
    """The mark of a position in a text."""
    before = lines(text[:position])
    return Mark(file, len(before), len(before[-1]) + 1)


def problem(error: Exception, text: str, last: Mark) -> Problem:
    """The problem that a parser's error stands for.

    Args:
        error: of ruamel.yaml, or anything that its parser met.
        text: all of it.
        last: the last place that was read well; one without a line (the command line) is kept.
    """
    at = getattr(error, "problem_mark", None)
    if at is None:
        return _unreadable(error, text, last)
    said, mark = str(getattr(error, "problem", None) or ""), _moved(last, at.line + 1, at.column + 1)
    rows = lines(text)
    line = rows[at.line] if at.line < len(rows) else ""
    template = _TEMPLATE.search(line)
    if template and said.startswith("expected"):
        mark = _moved(last, at.line + 1, template.start(1) + 1)
        return Problem(mark, "an unquoted value with { } in it, which YAML reads as a mapping", "", _QUOTE)
    for sign, what, remedy in _WORDS:
        if sign in said:
            return Problem(mark, what, "", remedy)
    if "cannot start any token" in said:
        return Problem(mark, f"a value cannot begin with {line[at.column : at.column + 1]}", "", _QUOTE)
    context = getattr(error, "context", None)
    return Problem(mark, f"this is no YAML: {said}" + (f" {context}" if context else ""), "", "check indent and quotes")


def _unreadable(error: Any, text: str, last: Mark) -> Problem:
    position = getattr(error, "position", None)
    if isinstance(position, int) and position < len(text):
        mark = place(text, position, last.file) if last.line else last
        return Problem(mark, f"the character U+{ord(text[position]):04X} cannot stand in YAML", "", "remove it")
    return Problem(last, "this is no YAML", "after this place", "check escapes and quotes")


def _moved(last: Mark, line: int, column: int) -> Mark:
    return Mark(last.file, line, column) if last.line else last
