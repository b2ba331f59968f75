"""`--set KEY=VALUE` and `--workers GROUP=N`: values put into the tree before it is read, marked as theirs."""

from __future__ import annotations

from collections.abc import Sequence

from ..contracts.parameters import parameters
from ..contracts.problem import ConfigError, Mark, Problem, near
from .keys import GroupKeys, TransformsKeys
from .node import Node, label_of
from .yaml_source import parse

GROUP_KEYS = tuple(key.name for key in parameters(GroupKeys))
OWN_KEYS = (*(key.name for key in parameters(TransformsKeys)), "stages")  # of a group; others are its stages' labels


def apply(root: Node, overrides: Sequence[str], workers: Sequence[str]) -> list[Problem]:
    """Put the overrides into the tree, in their order; returns what could not be put anywhere."""
    problems: list[Problem] = []
    for text in overrides:
        key, equals, value = text.partition("=")
        mark = Mark(f"--set {key}")
        if not equals or not all(key.split(".")):
            problems.append(Problem(Mark(f"--set {text}"), "this sets nothing", "wants KEY=VALUE, such as fuse=all"))
        else:
            problems += _set(root, key.split("."), value, mark)
    for text in workers:
        group, _, value = text.partition("=")
        problems += _set_workers(root, group, value, Mark(f"--workers {text}"))
    return problems


def _set_workers(root: Node, group: str, value: str, mark: Mark) -> list[Problem]:
    names = ["reader", *_group_names(root), "writer"]
    if not (value.isascii() and value.isdigit()) and value != "auto":
        return [Problem(mark, "this sets no workers", f"wants GROUP=N with a group of {', '.join(names)}, or all")]
    if group not in (*names, "all"):
        return [Problem(mark, f"there is no group '{group}'", "", near(group, [*names, "all"]))]
    problems: list[Problem] = []
    for name in names if group == "all" else [group]:
        path = [name] if name in ("reader", "writer") else ["transforms", name]
        problems += _set(root, [*path, "workers"], value, mark)
    return problems


def _set(root: Node, path: list[str], text: str, mark: Mark) -> list[Problem]:
    node, rest = root, path
    if path[0] == "transforms" and len(path) > 1:
        names = _group_names(root)
        if path[1] not in names:
            return [
                Problem(mark, f"there is no group '{path[1]}' of transforms", "", near(path[1], names) if names else "")
            ]
        node, rest = root.value["transforms"].value[names.index(path[1])], path[2:]
        if rest and rest[0] not in OWN_KEYS:
            return _set_stage(node, rest, text, mark)
    if path[0] == "reducers" and len(path) > 1:
        return _set_entry(root.value.get("reducers"), path[1:], text, mark, "the config has no reducer")
    return _put(node, rest, text, mark)


def _set_stage(group: Node, path: list[str], text: str, mark: Mark) -> list[Problem]:
    """`STAGE.parameter` within a group, the stage in whichever of its three forms."""
    return _set_entry(group.value.get("stages"), path, text, mark, "the group has no stage or key", GROUP_KEYS)


def _set_entry(
    stages: Node | None, path: list[str], text: str, mark: Mark, lacks: str, also: Sequence[str] = ()
) -> list[Problem]:
    entries = stages.value if stages is not None and isinstance(stages.value, list) else []
    labels = _labels(entries)
    if path[0] not in labels:
        return [Problem(mark, f"{lacks} '{path[0]}'", "", near(path[0], [*labels, *also]))]
    entry = entries[labels.index(path[0])]
    if isinstance(entry.value, str):
        use = entry.value
        entry.value, entry.keys = {use: Node(entry.mark, {})}, {use: entry.mark}
    if "use" in entry.value:
        return _put(entry, ["with", *path[1:]], text, mark)
    return _put(next(iter(entry.value.values())), path[1:], text, mark)


def _put(node: Node, path: list[str], text: str, mark: Mark) -> list[Problem]:
    if not path:
        return [Problem(mark, "this names a whole group or stage", "wants one of its keys", "add .KEY")]
    for key in path[:-1]:
        if node.value is None:
            node.value = {}
        if not isinstance(node.value, dict):
            return [Problem(mark, f"'{key}' is looked for in a plain value", "wants a key of the config")]
        node = node.value.setdefault(key, Node(mark, {}))
        node.mark = node.mark if node.mark.line else mark
    if node.value is None:
        node.value = {}
    if not isinstance(node.value, dict):
        return [Problem(mark, f"'{path[-1]}' is looked for in a plain value", "wants a key of the config")]
    node.keys[path[-1]] = mark
    node.value[path[-1]] = _value(text, mark)
    return []


def _value(text: str, mark: Mark) -> Node:
    """The text as YAML, and as it is for parameters that are text."""
    try:
        node, problems = parse(text, mark.file, fixed=mark)
    except ConfigError:
        node, problems = Node(mark, text), []
    if problems:
        node = Node(mark, text)
    node.raw = text
    return node


def _group_names(root: Node) -> list[str]:
    node = root.value.get("transforms")
    if node is None or not isinstance(node.value, list):
        return []
    names = []
    for number, group in enumerate(node.value, 1):
        name = group.value.get("name", group).value if isinstance(group.value, dict) else ""
        names.append(name if isinstance(name, str) else f"transform-{number}")
    return names


def _labels(entries: list[Node]) -> list[str]:
    """The labels of a group's stages as the config will number them."""
    labels: list[str] = []
    for entry in entries:
        label = _label(entry)
        number = 1
        while label and (label if number == 1 else f"{label}-{number}") in labels:
            number += 1
        labels.append(label if number == 1 else f"{label}-{number}")
    return labels


def _label(entry: Node) -> str:
    if isinstance(entry.value, str):
        return label_of(entry.value)
    if not isinstance(entry.value, dict) or not entry.value:
        return ""
    chosen = entry.value.get("name") or entry.value.get("use") if "use" in entry.value else None
    text = chosen.value if chosen is not None else next(iter(entry.value))
    return label_of(text) if isinstance(text, str) else ""
