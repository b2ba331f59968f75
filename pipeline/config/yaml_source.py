"""YAML 1.2 text to a tree of nodes that know where they stand; hostile text is refused, every problem at its place.

ruamel.yaml scans, parses and composes, behind the bounds of `yaml_guard`; its constructors are never used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..contracts.problem import ConfigError, Mark, Problem
from . import yaml_errors
from .node import Node
from .yaml_guard import Guard

MAX_NBYTES = 1 << 20

_CORE = (
    (re.compile(r"~|null|Null|NULL|"), lambda _: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9]{1,40}"), int),
    (re.compile(r"0o[0-7]{1,40}"), lambda text: int(text, 0)),
    (re.compile(r"0x[0-9a-fA-F]{1,40}"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda _: float("nan")),
)
_OCTAL_LOOK = re.compile(r"[-+]?0[0-9]+")
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read(path: str, environ: Mapping[str, str] = os.environ) -> tuple[Node, list[Problem]]:
    """The tree of a config file and the problems that leave it readable.

    Raises:
        ConfigError: the file cannot be read, or its text is no YAML.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_NBYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the name holds a NUL"
        raise ConfigError([Problem(Mark(path), f"cannot read the config: {reason}")]) from error
    if len(data) > MAX_NBYTES:
        raise ConfigError([Problem(Mark(path, 1, 1), "the config is larger than 1 MiB", "want a config")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mark = yaml_errors.place(data[: error.start].decode("utf-8-sig", "replace"), error.start, path)
        raise ConfigError(
            [Problem(mark, f"byte 0x{data[error.start]:02x} is not UTF-8", "want text in UTF-8")]
        ) from error
    return parse(text, path, environ=environ)


def parse(
    text: str, file: str, *, environ: Mapping[str, str] | None = None, fixed: Mark | None = None
) -> tuple[Node, list[Problem]]:
    """The tree of a text and the problems that leave it readable.

    Args:
        text: of one document.
        file: the name in marks.
        environ: what `${VAR}` stands for; None leaves variables alone.
        fixed: the mark of every node, for text from the command line.

    Raises:
        ConfigError: the text is no YAML.
    """
    from ruamel.yaml import YAML

    def place(found: Any) -> Mark:
        return fixed or Mark(file, found.start_mark.line + 1, found.start_mark.column + 1)

    guard = Guard(place, fixed or Mark(file, 1, 1))
    yaml = YAML(typ="safe", pure=True)
    yaml.Parser = guard.over
    yaml.composer.warn_double_anchors = False  # an anchor may be used again: an alias means the last one before it
    try:
        root = yaml.compose(text)
    except ConfigError:
        raise
    except Exception as error:  # the parser meets bad escapes with OverflowError and the like
        raise ConfigError([*guard.problems, yaml_errors.problem(error, text, guard.last)]) from error
    if root is None:
        return Node(guard.last), guard.problems
    walk = _Walk(place, environ, guard.problems)
    return walk.node(root), walk.problems


class _Walk:
    """From ruamel's nodes to ours, once each: scalars by the core schema, keys that are names, merges, variables."""

    def __init__(
        self, place: Callable[[Any], Mark], environ: Mapping[str, str] | None, problems: Sequence[Problem]
    ) -> None:
        self.place, self.environ, self.problems = place, environ, [*problems]
        self.done: dict[int, Node] = {}

    def note(self, mark: Mark, what: str, want: str = "", remedy: str = "") -> None:
        self.problems.append(Problem(mark, what, want, remedy))

    def node(self, found: Any) -> Node:
        """The node that one of ruamel's stands for; a copy where an alias stands for it again."""
        if id(found) in self.done:
            return self.done[id(found)].copy()
        mark = self.place(found)
        if found.id == "scalar":
            node = Node(mark, self.scalar(found, mark), text=found.value)
        elif found.id == "sequence":
            node = Node(mark, [self.node(entry) for entry in found.value])
        else:
            node = self.mapping(found, mark)
        self.done[id(found)] = node
        return node

    def mapping(self, found: Any, mark: Mark) -> Node:
        node, merges = Node(mark, {}), []
        for key, value in found.value:
            place, name, child = self.place(key), self.key(key), self.node(value)
            if name == "<<" and key.style is None:
                merges.append(child)
            elif name is not None and name in node.keys:
                self.note(place, f"'{name}' stands twice", f"the first is in line {node.keys[name].line}", "keep one")
            elif name is not None:
                node.keys[name], node.value[name] = place, child
        for merge in merges:
            self.merge(node, merge)
        return node

    def key(self, found: Any) -> str | None:
        """The text of a key; None, and a problem, for a key that is not text."""
        mark = self.place(found)
        if found.id != "scalar":
            self.note(mark, "a key that is not text", "want a name")
        elif found.style is None and not isinstance(_resolve(found.value), str):
            remedy = f'put it in quotes: "{found.value}"'
            self.note(mark, f"the key {found.value or 'null'} is not text", "want a name", remedy)
        else:
            return str(found.value)
        return None

    def merge(self, node: Node, merge: Node) -> None:
        for source in merge.value if isinstance(merge.value, list) else [merge]:
            if not isinstance(source.value, dict):
                want = "want an alias of a mapping, or a list of them"
                self.note(source.mark, "'<<' merges what is no mapping", want)
                continue
            for key, value in source.value.items():
                if key not in node.keys:
                    node.keys[key], node.value[key] = source.keys[key], value

    def scalar(self, found: Any, mark: Mark) -> Any:
        text = found.value
        value = _resolve(text) if found.style is None else text
        if found.style is None and _OCTAL_LOOK.fullmatch(text):
            what = f"{text} is {value} in YAML 1.2 and an octal number in YAML 1.1"
            self.note(mark, what, "", f'write {value}, or "{text}"')
        return self.expanded(value, mark) if isinstance(value, str) and self.environ is not None else value

    def expanded(self, text: str, mark: Mark) -> str:
        environ = self.environ or {}

        def value(match: re.Match[str]) -> str:
            name, default, fallback = match[1].partition(":-")
            if not _VARIABLE_NAME.fullmatch(name):
                self.note(mark, f"{match[0]} names no variable", "want ${VAR} or ${VAR:-default}")
                return match[0]
            if name not in environ and not default:
                self.note(mark, f"the variable {name} is not set", "", f"set it, or write ${{{name}:-default}}")
            return environ.get(name) or fallback if default else environ.get(name, "")

        return _VARIABLE.sub(value, text)


def _resolve(text: str) -> Any:
    """A plain scalar by the core schema of YAML 1.2."""
    for pattern, convert in _CORE:
        if pattern.fullmatch(text):
            return convert(text)
    return text
