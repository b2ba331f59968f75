"""Components of a config: found in the registry, their parameters checked, built once in the parent to be asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .. import registry
from ..config.form import THREADS, Component, Config
from ..config.keys import ReaderKeys, WriterKeys
from ..config.mapping_reader import wrong, wrong_value
from ..config.node import Node
from ..contracts.archive_writer import ArchiveWriter
from ..contracts.parameters import Parameter, parameters, takes_text
from ..contracts.problem import Mark, Problem, near
from ..contracts.stage import Writer
from ..contracts.template import Template
from ..errors import PipelineError, UsageError
from .model import StagePlan

READER_KEYS, WRITER_KEYS = (tuple(key.name for key in parameters(keys)) for keys in (ReaderKeys, WriterKeys))


@dataclass(frozen=True, slots=True)
class Resolved:
    """A component that was found: its plan, and an instance that answers pure questions in the parent."""

    plan: StagePlan
    instance: Any
    node: Node


@dataclass(slots=True)
class Parts:
    """All components of a config; a group whose stage was refused lacks it."""

    reader: Resolved | None = None
    transforms: list[list[Resolved]] = field(default_factory=list)
    reducers: list[Resolved] = field(default_factory=list)
    writer: Resolved | None = None
    encoder: StagePlan | None = None
    codecs: tuple[StagePlan, ...] = ()
    destination: Template | None = None
    archives: Template | None = None
    before_writer: list[Resolved] = field(default_factory=list)


class Findings:
    """Problems on the way from Config to Plan; notes among them."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = list(problems)

    def add(self, mark: Mark, what: str, want: str = "", remedy: str = "") -> None:
        self.problems.append(Problem(mark, what, want, remedy))

    def note(self, mark: Mark, what: str, want: str = "", remedy: str = "") -> None:
        self.problems.append(Problem(mark, what, want, remedy, note=True))

    def error(self, mark: Mark, error: PipelineError, prefix: str = "") -> None:
        self.add(mark, prefix + error.what, error.limit or "", error.remedy or "")


def find(config: Config, findings: Findings, *, allow_code: bool) -> Parts:
    """Every component of the config; what is wrong with them is added to the findings."""
    parts = Parts()
    parts.codecs = _codecs()
    parts.reader = _find("reader", config.reader.stages[0], findings, allow_code=allow_code, also=READER_KEYS)
    for group in config.transforms:
        found = [_find("transform", stage, findings, allow_code=allow_code) for stage in group.stages]
        parts.transforms.append([part for part in found if part is not None])
    reducers = [_find("reducer", stage, findings, allow_code=allow_code) for stage in config.reducers]
    parts.reducers = [part for part in reducers if part is not None]
    blocks: dict[str, Node] = {}
    writer = config.writer.stages[0]
    formats = [codec.label for codec in parts.codecs if registry.load(codec.ref).extensions]
    bare = _without_blocks(writer, formats, blocks)
    parts.writer = _find("writer", bare, findings, allow_code=allow_code, also=[*formats, *WRITER_KEYS])
    if parts.writer is not None:
        _encoder(parts, writer, blocks, findings)
    return parts


def _codecs() -> tuple[StagePlan, ...]:
    """In the order in which they are asked for a file: what people have most is imported first."""
    found = [StagePlan(name, registry.resolve("codec", name)) for name in registry.names("codec")]
    return tuple(sorted(found, key=lambda plan: -registry.load(plan.ref).common))


def _find(
    kind: str, component: Component, findings: Findings, *, allow_code: bool, also: Sequence[str] = ()
) -> Resolved | None:
    if not component.use:
        return None
    try:
        ref = registry.resolve(kind, component.use, allow_code=allow_code)
    except UsageError as error:
        findings.error(component.mark, error)
        return None
    cls = registry.load(ref)
    params = component.params
    if kind == "reader" and THREADS not in {each.name for each in registry.parameters(cls)}:
        params = Node(params.mark, {k: v for k, v in params.value.items() if k != THREADS}, params.keys)  # the group's
    built = _built(cls, params, component.label, findings, also)
    if built is None:
        return None
    values, instance = built
    return Resolved(StagePlan(component.label, ref, values, component.mark), instance, params)


def _built(
    cls: type[Any], params: Node, label: str, findings: Findings, also: Sequence[str] = ()
) -> tuple[dict[str, Any], Any] | None:
    """The keyword arguments and an instance; wrong ones are left out, so that the rest can still be looked at.

    None, and a problem, where a parameter is wrong that must be there, or where the component itself refuses.
    `also` are keys that are no parameters of the class and still known, for the hint.
    """
    before = len(findings.problems)
    values = _checked(cls, params, label, findings, also)
    if values is None:
        return None
    try:
        return values, registry.build(cls, values)
    except UsageError as error:
        if len(findings.problems) == before:  # else it may complain of what was left out
            findings.error(_named(params, error), error, "" if label in error.what else f"{label}: ")
        return None


def _checked(
    cls: type[Any], params: Node, label: str, findings: Findings, also: Sequence[str]
) -> dict[str, Any] | None:
    declared = {parameter.name: parameter for parameter in parameters(cls)}
    for name, node in params.value.items():
        text = name in declared and takes_text(declared[name].hint)
        if node.raw is not None and text and not (node.value is None and node.raw == "null"):
            node.value = node.raw
    values, wrongs = registry.check(cls, {name: node.plain for name, node in params.value.items()})
    known = [*declared, *also]
    for finding in wrongs:
        name = str(finding.path[0])
        if finding.kind == "missing":
            findings.add(params.mark, f"{label} has no '{name}'", f"wants {finding.wants}")
        elif finding.kind == "unknown":
            mark = params.keys.get(name, params.mark)
            hint = near(name, known) if known else "it takes none"
            findings.add(mark, f"unknown parameter '{name}' of {label}", "", hint)
        else:
            findings.problems.append(_wrong(params, finding, declared[name]))
    refused = {finding.path[0] for finding in wrongs}
    if any(declared[name].required for name in declared if name in refused):
        return None
    return {name: value for name, value in values.items() if name not in refused}


def _named(params: Node, error: UsageError) -> Mark:
    """The parameter that a component's own complaint begins with or mentions, else all of them."""
    named = [name for name in params.value if re.search(rf"\b{re.escape(name)}\b", error.what)]
    return params.at((named[0],)) if named else params.mark


def _wrong(params: Node, finding: registry.Finding, declared: Parameter) -> Problem:
    node: Any = params
    for part in finding.path:
        node = node.value[part]
    name = ".".join(str(part + 1) if isinstance(part, int) else part for part in finding.path)
    return wrong_value(node, name, declared)


def _without_blocks(writer: Component, names: Sequence[str], blocks: dict[str, Node]) -> Component:
    """The writer without its format blocks (`jpeg: {...}`), which are put aside."""
    blocks |= {name: node for name, node in writer.params.value.items() if name in names}
    rest = {name: node for name, node in writer.params.value.items() if name not in blocks}
    return replace(writer, params=Node(writer.params.mark, rest, writer.params.keys))


def _encoder(parts: Parts, writer: Component, blocks: Mapping[str, Node], findings: Findings) -> None:
    """The codec of the destination's extension with its block and the writer's generic parameters."""
    assert parts.writer is not None
    instance: Writer = parts.writer.instance
    packs = isinstance(instance, ArchiveWriter)
    place = parts.writer.node.at(("member" if packs else "path",))
    try:
        parts.destination = instance.destination()
    except UsageError as error:
        findings.error(place, error)
        return
    if isinstance(instance, ArchiveWriter):
        try:
            parts.archives = instance.archives()
        except UsageError as error:
            findings.error(parts.writer.node.at(("path",)), error)
            return
    checked = {name: _block(name, node, parts.codecs, findings) for name, node in blocks.items()}
    if not instance.encodes:
        for name in blocks:
            findings.note(
                writer.params.keys.get(name, writer.mark), f"'{name}' has no effect: {writer.label} encodes nothing"
            )
        return
    codec = _codec_for(parts, place, findings)
    if codec is None:
        return
    for name in blocks:
        if name != codec.label:
            findings.note(writer.params.keys[name], f"'{name}' has no effect: the outputs are {codec.label}")
    settings = _generic(parts.writer, codec, findings) | (checked.get(codec.label) or {})
    parts.encoder = StagePlan(codec.label, codec.ref, settings, place)


def _block(name: str, node: Node, codecs: tuple[StagePlan, ...], findings: Findings) -> dict[str, Any] | None:
    if not isinstance(node.value, dict):
        if node.value is not None:
            findings.problems.append(wrong(node, name, "wants settings of the encoder"))
        return None
    codec = next(codec for codec in codecs if codec.label == name)
    built = _built(registry.load(codec.ref), node, name, findings)
    return built[0] if built else None


def _codec_for(parts: Parts, place: Mark, findings: Findings) -> StagePlan | None:
    by_extension = {extension: codec for codec in parts.codecs for extension in registry.load(codec.ref).extensions}
    known = "known are " + " ".join(sorted(by_extension))
    if parts.destination is None:
        findings.add(place, "the writer encodes files and names no destination")
        return None
    extension = parts.destination.format
    if not extension and parts.destination.text.endswith("{ext}"):
        findings.add(
            place, "outputs in the format of each source ({ext}) are not supported yet", known, "end the path in .jpg"
        )
    elif not extension:
        findings.add(place, "the path of the outputs names no format", known, "end it in an extension such as .jpg")
    elif extension not in by_extension:
        guess = near(extension, sorted(by_extension))
        findings.add(place, f"no codec writes '.{extension}'", known, guess if guess.startswith("did") else "")
    return by_extension.get(extension)


def _generic(writer: Resolved, codec: StagePlan, findings: Findings) -> dict[str, Any]:
    """The writer's generic parameters that this encoder has; those it lacks are noted where the config sets them."""
    cls = registry.load(codec.ref)
    fields = {parameter.name for parameter in parameters(cls)}
    values: dict[str, Any] = {}
    for name in writer.instance.generic:
        value = getattr(writer.instance, name)
        if name not in fields and name in writer.node.value:
            findings.note(writer.node.keys[name], f"'{name}' has no effect: {codec.label} has no such setting")
        elif name in fields and value is not None:
            values[name] = value
    _, wrongs = registry.check(cls, values)
    for finding in wrongs:
        mark = writer.node.at((finding.path[0],))
        findings.add(
            mark, f"{finding.path[0]} is {values[str(finding.path[0])]}", f"{codec.label} wants {finding.wants}"
        )
    return values
