"""A config as typed data: what the file says, checked for itself; no component has been looked up yet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..contracts.contexts import Limits
from ..contracts.parameters import parameters
from ..contracts.problem import ConfigError, Mark, Problem
from .key_types import Name
from .keys import GroupKeys, ReaderKeys, Settings, StageKeys, TransformsKeys, WriterKeys
from .mapping_reader import Section, wrong
from .node import Node, label_of
from .overrides import apply
from .yaml_source import parse, read

THREADS = "threads"
RESERVED = ("reader", "writer", "all")
NO_WRITER = "null"  # of a config whose reducers make all that it wants
COMMAND_LINE = "--"
USE, NAME = parameters(StageKeys)


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """A stage as the config names it; `params` is a node whose value is a dict of nodes."""

    use: str
    label: str
    params: Node
    mark: Mark


@dataclass(frozen=True, slots=True, eq=False)
class ConfigGroup:
    """Reader, writer or a group of transforms. `keys` has its own queue, with what `queues` says for the rest."""

    name: str
    stages: tuple[Component, ...]
    keys: GroupKeys
    node: Node

    def at(self, *path: str | int) -> Mark:
        """Where a key of the group stands, or the group where it has no such key."""
        return self.node.at(path)

    def sets(self, *path: str) -> bool:
        """Whether the config itself says this key of the group."""
        node: Node | None = self.node
        for key in path:
            node = node.value.get(key) if node is not None and isinstance(node.value, dict) else None
        return node is not None


@dataclass(frozen=True, slots=True, eq=False)
class Config:
    """A config file with the command line's overrides.

    `problems` holds what is wrong with it so far: the planner adds what only the components know and then raises
    them all at once.
    """

    source: str
    root: Node
    settings: Settings
    reader: ConfigGroup
    transforms: tuple[ConfigGroup, ...]
    writer: ConfigGroup
    reducers: tuple[Component, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def groups(self) -> tuple[ConfigGroup, ...]:
        return (self.reader, *self.transforms, self.writer)

    def at(self, *path: str | int) -> Mark:
        """Where a key stands, or the mapping that lacks it."""
        return self.root.at(path)


def load(
    path: str | os.PathLike[str], overrides: Sequence[str] = (), workers: Sequence[str] = (), *, text: str | None = None
) -> Config:
    """A config file with the overrides of the command line.

    Args:
        path: of the file.
        overrides: `KEY=VALUE` texts of `--set`.
        workers: `GROUP=N` texts of `--workers`.
        text: of the config, where it is known already; `path` is then a name for messages.

    Raises:
        ConfigError: the file cannot be read, or is no YAML. What is wrong with a readable config is kept in
            `problems`, to be raised together with what the components find wrong.
    """
    source = os.fspath(path)
    root, problems = read(source) if text is None else parse(text, source, environ=os.environ)
    if not isinstance(root.value, dict):
        raise ConfigError([*problems, wrong(root, "the config", "wants keys and values")])
    return interpret(root, source, [*problems, *apply(root, overrides, workers)])


def interpret(root: Node, source: str, problems: list[Problem]) -> Config:
    """The typed form of a tree; every problem is added to the list, and a default stands in for what is wrong."""
    top = Section(root, "the config", problems, root.mark)
    top.expect("version", "reader", "transforms", "reducers", "writer")
    settings = top.read(Settings)
    problems += _raised(Section(top.child("limits"), "limits", [], top.mark))
    usual = GroupKeys(queue=settings.queues)
    reader, writer = ReaderKeys(queue=settings.queues), WriterKeys(queue=settings.queues)
    reducers = tuple(_components(top.child("reducers"), "reducers", top)) if top.has("reducers") else ()
    if reducers:
        writes = root.value.setdefault("writer", Node(top.mark, {}))
        if isinstance(writes.value, dict):
            writes.value.setdefault("use", Node(writes.mark, NO_WRITER))
    groups = _ends(top, "reader", reader), _transforms(top, usual), _ends(top, "writer", writer)
    top.close()
    return Config(source, root, settings, *groups, reducers, tuple(problems))


def _raised(limits: Section) -> list[Problem]:
    """Limits belong to the operator: a config may lower them, only the command line may raise them."""
    read, found = limits.read(Limits), []
    for key in parameters(Limits):
        child = limits.child(key.name)
        if child is None or child.mark.file.startswith(COMMAND_LINE) or getattr(read, key.attribute) <= key.default:
            continue
        want = f"a config may lower it below {int(key.default)}"
        remedy = f"raise it on the command line: --set limits.{key.name}={child.plain}"
        found.append(Problem(child.mark, f"{key.name} is {child.plain}", want, remedy))
    return found


def _ends(top: Section, name: str, usual: GroupKeys) -> ConfigGroup:
    """The reader's or the writer's group, whose stage stands in it."""
    there = top.has(name)
    if not there:
        top.problems.append(Problem(top.mark, f"the config has no '{name}'", f"wants {name}: {{use: NAME, ...}}"))
    body = top.section(name)
    use = _use(body) if there else ""
    keys = body.read(type(usual), usual)
    params = body.rest()
    if (threads := body.node.value.get(THREADS)) is not None:  # a component may have a parameter of that name
        params.value[THREADS], params.keys[THREADS] = threads, body.node.keys.get(THREADS, threads.mark)
    return ConfigGroup(name, (Component(use, label_of(use) or name, params, body.mark_of("use")),), keys, body.node)


def _use(body: Section) -> str:
    """The component's name; `null` is one, though YAML reads it as nothing."""
    node = body.node.value.get("use")
    if node is not None and node.value is None and node.text == "null":
        node.value = node.text
    return str(body.take(USE, ""))


def _transforms(top: Section, usual: GroupKeys) -> tuple[ConfigGroup, ...]:
    node = top.child("transforms")
    if node is None or node.value is None:
        return ()
    if not isinstance(node.value, list):
        top.problems.append(wrong(node, "transforms", "wants a list of groups, each with 'name' and 'stages'"))
        return ()
    groups: list[ConfigGroup] = []
    for number, child in enumerate(node.value, 1):
        body = Section(child, f"transforms[{number}]", top.problems, child.mark)
        keys = body.read(TransformsKeys, TransformsKeys(name=Name(f"transform-{number}"), queue=usual.queue))
        body.name = f"the group '{keys.name}'"
        if keys.name in RESERVED or keys.name in (group.name for group in groups):
            what = "is reserved" if keys.name in RESERVED else "is taken by a group above"
            problem = Problem(body.mark_of("name"), f"the name '{keys.name}' {what}", "", "choose another")
            top.problems.append(problem)
        groups.append(ConfigGroup(keys.name, tuple(_stages(body)), keys, body.node))
        body.close()
    return tuple(groups)


def _stages(body: Section) -> list[Component]:
    node = body.child("stages")
    if node is None:
        body.problems.append(Problem(body.mark, f"{body.name} has no 'stages'", "wants a list of transforms"))
        return []
    return _components(node, "stages", body)


def _components(node: Node | None, name: str, body: Section) -> list[Component]:
    """The entries of a list of stages, each under a label of its own."""
    if node is None or not isinstance(node.value, list) or not node.value:
        kind = "transforms" if name == "stages" else name
        wants = f"wants a list of {kind} with at least one entry"
        body.problems.append(wrong(node or Node(body.mark), name, wants))
        return []
    stages: list[Component] = []
    for child in node.value:
        found = _stage(child, body.problems)
        if found is not None:
            stages.append(_distinct(found, stages))
    return stages


def _stage(node: Node, problems: list[Problem]) -> Component | None:
    """`name`, `{name: {parameters}}` or `{use: REF, with: {parameters}, name: LABEL}`."""
    forms = "wants name, {name: {parameters}} or {use: NAME, with: {parameters}, name: LABEL}"
    if isinstance(node.value, str) and node.value:
        return Component(node.value, label_of(node.value), Node(node.mark, {}), node.mark)
    if not isinstance(node.value, dict) or not node.value:
        problems.append(wrong(node, "a stage", forms))
        return None
    if "use" in node.value:
        body = Section(node, "the stage", problems, node.mark)
        use, mark = _use(body), body.mark_of("use")
        label, params = str(body.take(NAME, "")), body.section("with").node
        body.close()
        return Component(use, label or label_of(use), params, mark)
    if len(node.value) > 1:
        keys = list(node.value)
        mark = node.keys.get(keys[1], node.mark)
        remedy = f"begin a new entry with '- {keys[1]}', or indent it below {keys[0]}"
        problems.append(Problem(mark, f"a stage with the keys {' and '.join(keys[:3])}", forms, remedy))
        return None
    [(use, child)] = node.value.items()
    mark = node.keys.get(use, node.mark)
    return Component(use, label_of(use), Section(child, f"the stage '{use}'", problems, mark).node, mark)


def _distinct(stage: Component, before: list[Component]) -> Component:
    """The stage under a label of its own: a second `resize` is resize-2."""
    taken = {other.label for other in before}
    label, number = stage.label, 1
    while label in taken:
        number += 1
        label = f"{stage.label}-{number}"
    return replace(stage, label=label)
