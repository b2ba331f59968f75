"""Reading a mapping by its declaration: strict types, ranges, near names; problems are collected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from ..contracts.parameters import (
    Parameter,
    holds_keys,
    is_right,
    parameters,
    shaped,
    special_type,
    takes_text,
    words_of,
)
from ..contracts.problem import Mark, Problem, near
from ..errors import UsageError
from .node import Node

D = TypeVar("D")
_YAML_1_1 = {"yes": "true", "on": "true", "no": "false", "off": "false"}


class Section:
    """A mapping that is being read. Keys are taken one by one; `close` reports those that were not taken."""

    def __init__(self, node: Node | None, name: str, problems: list[Problem], mark: Mark) -> None:
        self.name, self.problems = name, problems
        self.node = node if node is not None else Node(mark, {})
        self.mark = self.node.mark
        self.known: list[str] = []
        if not isinstance(self.node.value, dict):
            if self.node.value is not None:
                self.problems.append(wrong(self.node, self.name, "wants keys and values"))
            self.node = Node(self.mark, {})

    def has(self, key: str) -> bool:
        return key in self.node.value

    def expect(self, *keys: str) -> None:
        """These are known, and come first in the list of known keys."""
        self.known += [key for key in keys if key not in self.known]

    def child(self, key: str) -> Node | None:
        """The node of a key, or None."""
        self.expect(key)
        child = self.node.value.get(key)
        return child if isinstance(child, Node) else None

    def mark_of(self, key: str) -> Mark:
        child = self.node.value.get(key)
        return child.mark if child is not None else self.mark

    def section(self, key: str) -> Section:
        """The mapping under a key; an empty one where there is none."""
        return Section(self.child(key), key, self.problems, self.mark)

    def read(self, cls: type[D], usual: Any = None) -> D:
        """An instance of a declared dataclass from the keys of this mapping.

        A default stands in, with a problem, for what is wrong.

        Args:
            usual: has the defaults as attributes; by default they are those of the declaration.
        """
        return cls(
            **{
                each.attribute: self.take(each, getattr(usual, each.attribute) if usual is not None else each.default)
                for each in parameters(cls)
            }
        )

    def take(self, key: Parameter, usual: Any) -> Any:
        """The value of one declared key, or the usual one, with a problem where it is wrong or must be there."""
        if holds_keys(key.hint):
            inner = self.section(key.name)
            found = inner.read(key.hint, usual)
            inner.close()
            return found
        child = self.child(key.name)
        if child is None:
            if key.required:
                wants = key.wants if key.default is None else f"{key.name}: {key.shown_default}"
                self.problems.append(Problem(self.mark, f"{self.name} has no '{key.name}'", f"wants {wants}"))
            return usual
        given = child.raw if child.raw is not None and takes_text(key.hint) else child.plain
        value = shaped(given, key.hint)
        if is_right(value, key.hint, key.metadata):
            return value
        self.problems.append(_refusal(given, key.hint, child) or wrong_value(child, key.name, key))
        return usual

    def rest(self, reserved: Sequence[str] = ()) -> Node:
        """The keys that were not taken, as a mapping of their own."""
        taken = {*self.known, *reserved}
        values = {key: node for key, node in self.node.value.items() if key not in taken}
        return Node(self.mark, values, {key: self.node.keys.get(key, node.mark) for key, node in values.items()})

    def close(self) -> None:
        """A problem for each key that was not taken."""
        for key, node in self.rest().value.items():
            mark = self.node.keys.get(key, node.mark)
            self.problems.append(Problem(mark, f"unknown key '{key}' in {self.name}", "", near(key, self.known)))


def _refusal(given: Any, hint: Any, node: Node) -> Problem | None:
    """What the key's own type says is wrong, where it has words for it."""
    special = special_type(hint)
    try:
        if special is not None:
            special.read(given)
    except UsageError as error:
        return Problem(node.mark, error.what, error.limit or "", error.remedy or "")
    except ValueError:
        pass
    return None


def wrong_value(node: Node, what: str, declared: Parameter) -> Problem:
    """The problem of a value that is not what a declared field takes, with the nearest of its words."""
    problem = wrong(node, what, f"wants {declared.wants}")
    words = words_of(declared.hint)
    if words and isinstance(node.value, str) and not problem.remedy:
        hint = near(node.value, words)
        return Problem(problem.mark, problem.what, problem.want, hint if hint.startswith("did") else "")
    return problem


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
