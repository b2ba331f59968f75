"""YAML 1.2 text to a tree of nodes that know where they stand; hostile text is refused, every problem at its place.

Only the event parser of ruamel.yaml is used: no object is ever constructed, and the bounds hold while it reads.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..contracts.problem import ConfigError, Mark, Problem
from . import yaml_errors
from .node import Node

MAX_NBYTES = 1 << 20
MAX_DEPTH = 32
MAX_ALIASES = 64
MAX_NODES = 10_000

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
    builder = _Builder(file, environ, fixed)
    try:
        root = builder.document(_events(text))
    except ConfigError:
        raise
    except Exception as error:  # the parser meets bad escapes with OverflowError and the like
        raise ConfigError([*builder.problems, yaml_errors.problem(error, text, builder.last)]) from error
    return root, builder.problems


def _events(text: str) -> Iterator[Any]:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    return iter(yaml.parse(text))


class _Builder:
    """Events to nodes, one document; bounds are kept while events arrive."""

    def __init__(self, file: str, environ: Mapping[str, str] | None, fixed: Mark | None) -> None:
        self.file, self.environ, self.fixed = file, environ, fixed
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node | None] = {}
        self.aliases = self.nodes = 0
        self.last = fixed or Mark(file, 1, 1)

    def mark(self, event: Any) -> Mark:
        start = event.start_mark
        self.last = self.fixed or Mark(self.file, start.line + 1, start.column + 1)
        return self.last

    def note(self, mark: Mark, what: str, want: str = "", remedy: str = "") -> None:
        self.problems.append(Problem(mark, what, want, remedy))

    def refuse(self, mark: Mark, what: str, want: str = "", remedy: str = "") -> ConfigError:
        return ConfigError([*self.problems, Problem(mark, what, want, remedy)])

    def document(self, events: Iterator[Any]) -> Node:
        root: Node | None = None
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                self.opening(event, again=root is not None)
            elif kind not in ("StreamStartEvent", "StreamEndEvent", "DocumentEndEvent"):
                root = self.node(event, events, 1)
        return root or Node(self.fixed or Mark(self.file, 1, 1))

    def opening(self, event: Any, *, again: bool) -> None:
        if again:
            raise self.refuse(self.mark(event), "a second document begins here", "want one document in a config")
        if event.version not in (None, (1, 2)):
            self.note(self.mark(event), f"YAML {event.version[0]}.{event.version[1]} is asked for", "want YAML 1.2")

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        mark, kind = self.mark(event), type(event).__name__
        if depth > MAX_DEPTH:
            raise self.refuse(mark, "the config is nested too deeply", f"want at most {MAX_DEPTH} levels")
        if kind == "AliasEvent":
            return self.alias(event, mark)
        self.untagged(event, mark)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self.count(1, mark)
        if kind == "ScalarEvent":
            node = Node(mark, self.scalar(event, mark), text=event.value)
        elif kind == "SequenceStartEvent":
            node = self.sequence(mark, events, depth)
        else:
            node = self.mapping(mark, events, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def untagged(self, event: Any, mark: Mark) -> None:
        if event.ctag is not None and str(event.ctag) not in ("", "None"):
            tag = str(event.ctag).replace("tag:yaml.org,2002:", "!!")
            self.note(mark, f"the tag {tag}", "tags have no meaning here", "remove it")

    def count(self, nodes: int, mark: Mark) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise self.refuse(mark, "the config is too large", f"want at most {MAX_NODES} values, aliases written out")

    def alias(self, event: Any, mark: Mark) -> Node:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise self.refuse(mark, "too many aliases", f"want at most {MAX_ALIASES}")
        if event.anchor not in self.anchors:
            self.note(
                mark, f"the alias *{event.anchor} has no anchor before it", f"want &{event.anchor} on a value above"
            )
            return Node(mark)
        node = self.anchors[event.anchor]
        if node is None:
            raise self.refuse(mark, f"the alias *{event.anchor} stands inside what it stands for")
        self.count(node.nodes, mark)
        return node.copy()

    def sequence(self, mark: Mark, events: Iterator[Any], depth: int) -> Node:
        node = Node(mark, [])
        for event in events:
            if type(event).__name__ == "SequenceEndEvent":
                break
            node.value.append(self.node(event, events, depth + 1))
            node.nodes += node.value[-1].nodes
        return node

    def mapping(self, mark: Mark, events: Iterator[Any], depth: int) -> Node:
        node, merges = Node(mark, {}), []
        for event in events:
            if type(event).__name__ == "MappingEndEvent":
                break
            place = self.mark(event)
            key = self.key(event, events, depth)
            value = self.node(next(events), events, depth + 1)
            node.nodes += value.nodes
            if key == "<<" and event.style is None:
                merges.append(value)
            elif key is not None and key in node.keys:
                before = node.keys[key]
                self.note(place, f"'{key}' stands twice", f"the first is in line {before.line}", "keep one")
            elif key is not None:
                node.keys[key], node.value[key] = place, value
        for merge in merges:
            self.merge(node, merge)
        return node

    def key(self, event: Any, events: Iterator[Any], depth: int) -> str | None:
        """The text of a key; None, and a problem, for a key that is no text."""
        mark = self.mark(event)
        if type(event).__name__ != "ScalarEvent":
            self.node(event, events, depth + 1)
            self.note(mark, "a key that is not text", "want a name")
            return None
        self.count(1, mark)
        self.untagged(event, mark)
        if event.style is None and not isinstance(_resolve(event.value), str):
            self.note(
                mark,
                f"the key {event.value or 'null'} is not text",
                "want a name",
                f'put it in quotes: "{event.value}"',
            )
            return None
        return str(event.value)

    def merge(self, node: Node, merge: Node) -> None:
        for source in merge.value if isinstance(merge.value, list) else [merge]:
            if not isinstance(source.value, dict):
                self.note(
                    source.mark, "'<<' merges what is no mapping", "want an alias of a mapping, or a list of them"
                )
                continue
            for key, value in source.value.items():
                if key not in node.keys:
                    node.keys[key], node.value[key] = source.keys[key], value

    def scalar(self, event: Any, mark: Mark) -> Any:
        text = event.value
        value = _resolve(text) if event.style is None else text
        if event.style is None and _OCTAL_LOOK.fullmatch(text):
            self.note(
                mark,
                f"{text} is {value} in YAML 1.2 and an octal number in YAML 1.1",
                "",
                f'write {value}, or "{text}"',
            )
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
