"""Worker counts put into a config file where they stand: nothing else of its text changes, no comment moves."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from ..config.node import Node
from ..config.yaml_source import parse
from ..contracts.problem import ConfigError, Mark
from ..errors import EnvironmentRefusal, UsageError

BOM = "\ufeff"


def rewrite(path: str, workers: Mapping[str, int]) -> bool:
    """Put the workers of groups (or of "all", for `fuse: all`) into a config file; whether that changed anything.

    The file is replaced by a whole new one with the same permissions; a symbolic link stays one.

    Raises:
        UsageError: the numbers cannot be put in without touching more (an alias, an anchor); the file is as it was.
        EnvironmentRefusal: the file cannot be written.
    """
    real, text = os.path.realpath(path), _text(path)
    after = edited(text, path, workers)
    if after == text:
        return False
    try:
        _replace(real, after)
    except OSError as error:
        raise EnvironmentRefusal(f"cannot write the config: {error.strerror}", where=path) from error
    return True


def check(path: str, groups: Sequence[str]) -> None:
    """Whether numbers could be put into the file: before a minute is spent on finding them. Raises as `rewrite`."""
    text = _text(path)
    for count in (1, 2):  # one of them is another number than the present one
        edited(text, path, dict.fromkeys(groups, count))
    if not os.access(os.path.dirname(os.path.realpath(path)), os.W_OK):
        raise EnvironmentRefusal("the config cannot be written: its folder is closed", where=path)


def _text(path: str) -> str:
    try:
        with open(os.path.realpath(path), encoding="utf-8", newline="") as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise EnvironmentRefusal(f"cannot read the config again: {error}", where=path) from error


def edited(text: str, path: str, workers: Mapping[str, int]) -> str:
    """The text of a config with other worker counts. Pure.

    Raises:
        UsageError: see `rewrite`.
    """
    body = text.removeprefix(BOM)
    root, _ = parse(body, path)
    wanted = root.plain
    edits: list[tuple[int, int, str]] = []
    starts = _line_starts(body)
    own = not isinstance(wanted, dict) or not wanted.get("reducers")  # which make a writer that is not named
    missing = [name for name in ("reader", "writer") if not isinstance(wanted, dict) or not wanted.get(name)]
    if missing and (own or missing != ["writer"]):
        raise UsageError(f"the file has no {missing[0]} to put a number into", where=path)
    for name, node, plain in _groups(root, wanted):
        count = workers.get(name, workers.get("all"))
        if count is None or plain.get("workers") == count:
            continue
        plain["workers"] = count
        edits.append(_edit(body, starts, node, count))
    after = body
    for start, end, new in sorted(edits, reverse=True):
        after = after[:start] + new + after[end:]
    if missing and (count := workers.get("writer", workers.get("all"))) is not None:
        after += f'{"" if after.endswith(chr(10)) else chr(10)}writer: {{use: "null", workers: {count}}}\n'
        wanted["writer"] = {"use": "null", "workers": count}
    try:
        same = parse(after, path)[0].plain == wanted
    except ConfigError:
        same = False
    if not same:
        said = ", ".join(f"{name}: {count}" for name, count in workers.items())
        raise UsageError(
            "the numbers cannot be put into this file without changing more", where=path,
            remedy=f"an alias, an anchor or a tag is in the way: write workers by hand ({said})",
        )  # fmt: skip
    return text[: len(text) - len(body)] + after


def _groups(root: Node, plain: dict[str, Any]) -> list[tuple[str, Node, dict[str, Any]]]:
    """Name, node and plain form of each group that the file spells out."""
    found = [(name, root.value[name], plain[name]) for name in ("reader", "writer") if plain.get(name)]
    transforms = root.value.get("transforms")
    if transforms is not None and transforms.value:
        for number, (node, group) in enumerate(zip(transforms.value, plain["transforms"], strict=True), 1):
            found.append((group.get("name", f"transform-{number}"), node, group))
    return found


def _edit(text: str, starts: list[int], group: Node, count: int) -> tuple[int, int, str]:
    """Where the number stands, or where the key goes that is not there yet: start, end, new text."""
    there = group.value.get("workers")
    if there is not None:
        at = _offset(starts, there.mark)
        quotes = 2 if text[at : at + 1] in ("'", '"') else 0
        return at, at + len(there.text) + quotes, str(count)
    at = _offset(starts, group.mark)
    if text[at : at + 1] == "{":
        return at + 1, at + 1, f"workers: {count}, "
    marks = sorted(_offset(starts, mark) for mark in group.keys.values())
    at = marks[min(1, len(marks) - 1)]  # before the second key: the first one often stands behind a dash
    line = text.rfind("\n", 0, at) + 1
    indent = " " * (at - line)
    end = "\r\n" if text[line - 2 : line] == "\r\n" else "\n"
    return at, at, f"workers: {count}{end}{indent}"


def _line_starts(text: str) -> list[int]:
    starts = [0]
    while (at := text.find("\n", starts[-1])) >= 0:
        starts.append(at + 1)
    return starts


def _offset(starts: list[int], mark: Mark) -> int:
    return starts[mark.line - 1] + mark.column - 1


def _replace(path: str, text: str) -> None:
    """Write beside the file, then rename over it."""
    mode = os.stat(path).st_mode & 0o7777
    fd, temporary = tempfile.mkstemp(prefix=".pipeline-", dir=os.path.dirname(path))
    try:
        with os.fdopen(fd, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


__all__ = ["check", "edited", "rewrite"]
