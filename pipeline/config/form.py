"""A config as typed data: what the file says, checked for itself; no component has been looked up yet."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from ..contracts.contexts import ErrorPolicy, Limits
from ..contracts.problem import Mark, Problem
from ..transport.records import CREDIT, MAX_CREDIT
from .mapping_reader import DURATION, MEMORY, NBYTES, TEXT, Kind, Section, choice, whole, whole_or, wrong
from .node import Node, label_of

VERSION = 1
MAX_WORKERS = 512
GROUP_KEYS = ("workers", "cores", "queue")
RESERVED = ("reader", "writer", "all")
COMMAND_LINE = "--"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
Credit = tuple[int, int]  # frames at each worker: at first, and at most
AUTO_CREDIT = (CREDIT, MAX_CREDIT)
_ANY_CREDIT = whole_or("auto", 1, MAX_CREDIT)
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?)\s*%")


def _credit(value: Any) -> Credit:
    number = _ANY_CREDIT.read(value)
    return AUTO_CREDIT if number is None else (number, number)


CREDITS = Kind(_ANY_CREDIT.wants, _credit)


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """A stage as the config names it; `params` is a node whose value is a dict of nodes."""

    use: str
    label: str
    params: Node
    mark: Mark


@dataclass(frozen=True, slots=True)
class Edge:
    """A group's own `queue:`; None where it says nothing."""

    depth: int | None
    order: str | None
    credit: Credit | None
    mark: Mark


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Reader, writer or a group of transforms. `workers` None is auto; `cores` is the node to parse, or None."""

    name: str
    stages: tuple[Component, ...]
    mark: Mark
    workers: int | None
    workers_mark: Mark
    cores: Node | None
    queue: Edge


@dataclass(frozen=True, slots=True)
class Queues:
    """Defaults of every edge, and the size of the arena; `memory_nbytes` None is auto."""

    depth: int
    order: str
    credit: Credit
    memory_nbytes: int | None
    memory_mark: Mark


@dataclass(frozen=True, slots=True, eq=False)
class Config:
    """A config file with the command line's overrides.

    `problems` holds what is wrong with it so far: the planner adds what only the components know and then raises
    them all at once.
    """

    source: str
    reader: Group
    transforms: tuple[Group, ...]
    writer: Group
    queues: Queues
    on_error: ErrorPolicy
    limits: Limits
    fuse: str
    fuse_mark: Mark
    timeout_s: float
    stall_timeout_s: float | None
    problems: tuple[Problem, ...] = ()

    @property
    def groups(self) -> tuple[Group, ...]:
        return (self.reader, *self.transforms, self.writer)


def interpret(root: Node, source: str, problems: list[Problem]) -> Config:
    """The typed form of a tree; every problem is added to the list, and a default stands in for what is wrong."""
    top = Section(root, "the config", problems, root.mark)
    _version(top)
    reader = _ends(top, "reader")
    transforms = _transforms(top)
    writer = _ends(top, "writer")
    queues = top.section("queues")
    read_queues = Queues(
        queues.take("depth", whole(1, 4096), 8),
        queues.take("order", choice("input", "completed"), "completed"),
        queues.take("credit", CREDITS, AUTO_CREDIT),
        queues.take("memory", MEMORY, None),
        queues.mark_of("memory"),
    )
    queues.close()
    fuse = top.take("fuse", choice("none", "all", "auto"), "none")
    config = Config(
        source, reader, transforms, writer, read_queues, _on_error(top), _limits(top), fuse, top.mark_of("fuse"),
        top.take("timeout", DURATION, 60.0), top.take("stall_timeout", DURATION, None),
    )  # fmt: skip
    top.close()
    return replace(config, problems=tuple(problems))


def _version(top: Section) -> None:
    node = top.child("version")
    if node is None:
        top.problems.append(Problem(top.mark, "the config has no 'version'", f"wants version: {VERSION}"))
    elif type(node.value) is not int:
        top.wrong(node, "version", f"wants the number {VERSION}")
    elif node.value != VERSION:
        remedy = "a newer pipeline may know it" if node.value > VERSION else ""
        top.problems.append(Problem(node.mark, f"version {node.value} is not known", f"wants {VERSION}", remedy))


def _ends(top: Section, name: str) -> Group:
    """The reader's or the writer's group, whose stage stands in it."""
    if not top.has(name):
        top.problems.append(Problem(top.mark, f"the config has no '{name}'", f"wants {name}: {{use: NAME, ...}}"))
    body = top.section(name)
    mark = body.mark_of("use")
    use = _use(body, required=top.has(name))
    return _group(body, name, [Component(use, label_of(use) or name, body.rest(GROUP_KEYS), mark)])


def _use(body: Section, *, required: bool = True) -> str:
    """The component's name; `null` is one, though YAML reads it as nothing."""
    node = body.node.value.get("use")
    if node is not None and node.value is None and node.text == "null":
        node.value = node.text
    return body.require("use", TEXT, "") if required else body.take("use", TEXT, "")


def _group(body: Section, name: str, stages: list[Component]) -> Group:
    workers_mark = body.mark_of("workers")
    workers = body.take("workers", whole_or("auto", 1, MAX_WORKERS), None)
    queue = body.section("queue")
    edge = Edge(
        queue.take("depth", whole(1, 4096), None),
        queue.take("order", choice("input", "completed"), None),
        queue.take("credit", CREDITS, None),
        queue.mark,
    )
    queue.close()
    return Group(name, tuple(stages), body.mark, workers, workers_mark, body.child("cores"), edge)


def _transforms(top: Section) -> tuple[Group, ...]:
    node = top.child("transforms")
    if node is None or node.value is None:
        return ()
    if not isinstance(node.value, list):
        top.wrong(node, "transforms", "wants a list of groups, each with 'name' and 'stages'")
        return ()
    groups: list[Group] = []
    for number, child in enumerate(node.value, 1):
        body = Section(child, f"transforms[{number}]", top.problems, child.mark)
        name = _name(body, body.take("name", TEXT, f"transform-{number}"), [*RESERVED, *(g.name for g in groups)])
        body.name = f"the group '{name}'"
        stages = _stages(body)
        groups.append(_group(body, name, stages))
        body.close()
    return tuple(groups)


def _name(body: Section, name: str, taken: list[str]) -> str:
    """A name that the command line can address, and that nobody else has."""
    if not _NAME.fullmatch(name):
        body.problems.append(
            Problem(body.mark_of("name"), f"the name '{name}' cannot be addressed", "wants letters, digits, - and _")
        )
    elif name in taken:
        what = "is reserved" if name in RESERVED else "is taken by a group above"
        body.problems.append(Problem(body.mark_of("name"), f"the name '{name}' {what}", "", "choose another"))
    return name


def _stages(body: Section) -> list[Component]:
    node = body.child("stages")
    if node is None:
        body.problems.append(Problem(body.mark, f"{body.name} has no 'stages'", "wants a list of transforms"))
        return []
    if not isinstance(node.value, list) or not node.value:
        body.wrong(node, "stages", "wants a list of transforms with at least one entry")
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
        label = body.take("name", TEXT, "")
        if label:
            _name(body, label, [])
        params = body.section("with").node
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


def _on_error(top: Section) -> ErrorPolicy:
    body = top.section("on_error")
    stop = body.take("policy", choice("continue", "stop"), "continue") == "stop"
    retries = body.take("retries", whole(0, 10), 2)
    count, share = body.take("max_failures", Kind("wants a number, a share such as 5%, or none", _budget), (None, 0.05))
    body.close()
    return ErrorPolicy(stop, retries, count, share)


def _budget(value: object) -> tuple[int | None, float | None]:
    if value == "none":
        return None, None
    if type(value) is int and value >= 0:
        return value, None
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) > 100:
        raise ValueError
    return None, float(match[1]) / 100


def _limits(top: Section) -> Limits:
    """Limits belong to the operator: a config may lower them, only the command line may raise them."""
    body, usual = top.section("limits"), Limits()
    for key, most in (("pixels", usual.pixels), ("file_size", usual.file_nbytes), ("frames", usual.frames)):
        child = body.node.value.get(key)
        if child is None or child.mark.file.startswith(COMMAND_LINE):
            continue
        try:
            asked = NBYTES.read(child.value)
        except ValueError:
            continue
        if asked > most:
            remedy = f"raise it on the command line: --set limits.{key}={child.plain}"
            body.problems.append(
                Problem(child.mark, f"{key} is {child.plain}", f"a config may lower it below {most}", remedy)
            )
    limits = Limits(
        body.take("pixels", whole(1, 1 << 40), usual.pixels),
        body.take("file_size", NBYTES, usual.file_nbytes),
        body.take("frames", whole(1, 1 << 40), usual.frames),
    )
    body.close()
    return limits
