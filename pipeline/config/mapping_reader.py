"""Reading a mapping key by key: strict types, ranges, near names for what nobody knows; problems are collected."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..contracts.problem import Mark, Problem, near
from .node import Node

T = TypeVar("T")
D = TypeVar("D")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "tb": 1000**4}
_BYTES |= {"k": 1024, "m": 1024**2, "g": 1024**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3, "tib": 1024**4}
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([A-Za-z]+)")
_YAML_1_1 = {"yes": "true", "on": "true", "no": "false", "off": "false"}


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A type of value: what is wanted, in words, and how it is read; `read` raises ValueError for anything else."""

    wants: str
    read: Callable[[Any], T]
    text: bool = False


def whole(least: int, most: int) -> Kind[int]:
    """A whole number within bounds."""
    return Kind(f"wants a whole number from {least} to {most}", lambda value: _whole(value, least, most))


def whole_or(word: str, least: int, most: int) -> Kind[int | None]:
    """A whole number within bounds, or a word that stands for None."""
    wants = f"wants a whole number from {least} to {most}, or {word}"
    return Kind(wants, lambda value: None if value == word else _whole(value, least, most))


def choice(*words: str) -> Kind[str]:
    """One of some words."""

    def read(value: Any) -> str:
        if value not in words or not isinstance(value, str):
            raise ValueError
        return value

    return Kind(f"wants {', '.join(words[:-1])} or {words[-1]}", read, text=True)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


TEXT: Kind[str] = Kind("wants text", _text, text=True)


def _whole(value: Any, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError
    return value


def _amount(value: Any, units: dict[str, Any], least: float, most: float) -> float:
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if match is not None and match[2].lower() in units:
        value = float(match[1]) * units[match[2].lower()]
    if type(value) not in (int, float) or not least <= value <= most:
        raise ValueError
    return float(value)


DURATION: Kind[float] = Kind(
    "wants a time such as 30s or 2m, from 10ms to 24h", lambda value: _amount(value, _SECONDS, 0.01, 86400)
)
NBYTES: Kind[int] = Kind("wants a size such as 512MB or 2GiB", lambda value: int(_amount(value, _BYTES, 1, 1 << 50)))
MEMORY: Kind[int | None] = Kind(
    "wants a size such as 512MB or 2GiB, at least 64KiB, or auto",
    lambda value: None if value == "auto" else int(_amount(value, _BYTES, 1 << 16, 1 << 50)),
)


class Section:
    """A mapping that is being read. Keys are taken one by one; `close` reports those that nobody took."""

    def __init__(self, node: Node | None, name: str, problems: list[Problem], mark: Mark) -> None:
        self.name, self.problems = name, problems
        self.node = node if node is not None else Node(mark, {})
        self.mark = self.node.mark
        self.known: list[str] = []
        if not isinstance(self.node.value, dict):
            if self.node.value is not None:
                self.wrong(self.node, self.name, "wants keys and values")
            self.node = Node(self.mark, {})

    def has(self, key: str) -> bool:
        return key in self.node.value

    def child(self, key: str) -> Node | None:
        """The node of a key, or None."""
        self.known.append(key)
        child = self.node.value.get(key)
        return child if isinstance(child, Node) else None

    def mark_of(self, key: str) -> Mark:
        child = self.node.value.get(key)
        return child.mark if child is not None else self.mark

    def section(self, key: str) -> Section:
        """The mapping under a key; an empty one where there is none."""
        return Section(self.child(key), key, self.problems, self.mark)

    def take(self, key: str, kind: Kind[T], default: D) -> T | D:
        """The value of a key, or the default, with a problem where the value is not of its kind."""
        child = self.child(key)
        if child is None:
            return default
        value = child.raw if kind.text and child.raw is not None else child.value
        try:
            return kind.read(value)
        except ValueError:
            self.wrong(child, key, kind.wants)
            return default

    def require(self, key: str, kind: Kind[T], default: D) -> T | D:
        """The same for a key that must be there."""
        if not self.has(key):
            self.problems.append(Problem(self.mark, f"{self.name} has no '{key}'", kind.wants))
        return self.take(key, kind, default)

    def wrong(self, node: Node, what: str, wants: str) -> None:
        self.problems.append(wrong(node, what, wants))

    def rest(self, reserved: Sequence[str] = ()) -> Node:
        """The keys that nobody took, as a mapping of their own."""
        taken = {*self.known, *reserved}
        values = {key: node for key, node in self.node.value.items() if key not in taken}
        return Node(self.mark, values, {key: self.node.keys.get(key, node.mark) for key, node in values.items()})

    def close(self) -> None:
        """A problem for each key that nobody took."""
        for key, node in self.rest().value.items():
            mark = self.node.keys.get(key, node.mark)
            self.problems.append(Problem(mark, f"unknown key '{key}' in {self.name}", "", near(key, self.known)))


def wrong(node: Node, what: str, wants: str) -> Problem:
    """The problem of a value that is not what is wanted, with the usual slip named."""
    value = node.value
    if isinstance(value, dict) and value and "text" in wants and all(child.value is None for child in value.values()):
        quoted = f'put it in quotes: "{{{next(iter(value))}}}"'
        return Problem(node.mark, f"{what} begins with an unquoted {{, which YAML reads as a mapping", wants, quoted)
    remedy = ""
    if isinstance(value, str) and value in _YAML_1_1 and "true or false" in wants:
        remedy = f"write {_YAML_1_1[value]}"
    elif isinstance(value, str) and "number" in wants and re.fullmatch(r"[-+]?[0-9.]+", value) and node.mark.line:
        remedy = "remove the quotes"
    elif isinstance(value, (int, float)) and node.text and ("text" in wants or f" {node.text}" in wants):
        remedy = f'put it in quotes: "{node.text}"'
    return Problem(node.mark, f"{what} is {shown(node)}", wants, remedy)


def shown(node: Node) -> str:
    """A value as a message names it, short."""
    value = node.value
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text '{value if len(value) < 60 else value[:57] + '...'}'"
    return "empty" if value is None else str(value)
