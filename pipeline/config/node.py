"""A value of a config and its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ..contracts.problem import Mark


@dataclass(slots=True, eq=False)
class Node:
    """A value of the config and its place.

    Attributes:
        value: None, bool, int, float, str, a list of nodes, or a dict of nodes by key.
        keys: for a dict, where each key stands.
        text: a scalar as it was written, before it was read as a number or null.
        raw: the whole text that the command line gave, for parameters that are text.
    """

    mark: Mark
    value: Any = None
    keys: dict[str, Mark] = field(default_factory=dict)
    text: str = ""
    raw: str | None = None

    @property
    def plain(self) -> Any:
        """The same as plain lists, dicts and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain for key, node in self.value.items()}
        return [node.plain for node in self.value] if isinstance(self.value, list) else self.value

    def copy(self) -> Node:
        """A tree of its own, so that an override of one alias leaves the others alone."""
        value = self.value
        if isinstance(value, dict):
            value = {key: node.copy() for key, node in value.items()}
        elif isinstance(value, list):
            value = [node.copy() for node in value]
        return Node(self.mark, value, dict(self.keys), self.text, self.raw)

    def at(self, path: tuple[str | int, ...]) -> Mark:
        """Where the value at this path stands, or the last node on the way that there is."""
        if not path:
            return self.mark
        try:
            child = self.value[path[0]]
        except (KeyError, IndexError, TypeError):
            return self.mark
        return child.at(path[1:]) if isinstance(child, Node) else self.mark


def label_of(use: str) -> str:
    """The short name of a reference: `./mine.py:Blur` is Blur, `./blur.py` and `my.package.blur` are blur."""
    if ":" not in use and use.endswith(".py"):
        return use.rpartition("/")[2].removesuffix(".py")
    return re.split("[:.]", use)[-1]
