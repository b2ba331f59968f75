"""YAML to a typed Config with places: text to tree (source), overrides, tree to types (section, model)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..contracts.problem import ConfigError, Problem, near
from .form import GROUP_KEYS, Component, Config, Edge, Group, Queues, interpret
from .mapping_reader import shown, wrong
from .node import Node
from .overrides import apply
from .yaml_source import read

__all__ = ["GROUP_KEYS", "Component", "Config", "Edge", "Group", "Node", "Queues", "load", "near", "shown", "wrong"]


def load(path: str | os.PathLike[str], overrides: Sequence[str] = (), workers: Sequence[str] = ()) -> Config:
    """A config file with the overrides of the command line.

    Args:
        path: of the file.
        overrides: `KEY=VALUE` texts of `--set`.
        workers: `GROUP=N` texts of `--workers`.

    Raises:
        ConfigError: the file cannot be read, or is no YAML. What is wrong with a readable config is kept in
            `problems`, to be raised together with what the components find wrong.
    """
    source = os.fspath(path)
    root, problems = read(source)
    if not isinstance(root.value, dict):
        raise ConfigError([*problems, wrong(root, "the config", "wants keys and values")])
    found: list[Problem] = [*problems, *apply(root, overrides, workers)]
    return interpret(root, source, found)
