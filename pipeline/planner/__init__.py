"""Config to Plan: components looked up and checked, worker counts, cores, edges and memory decided."""

from __future__ import annotations

import os

from .. import registry
from ..config import Config
from ..errors import SpecError
from ..plan import GroupPlan, Plan
from ..problem import ConfigError, Mark
from . import components, placement
from .components import Findings, Parts
from .placement import Machine

__all__ = ["Machine", "build"]


def build(config: Config, *, allow_code: bool = False, machine: Machine | None = None) -> Plan:
    """The Plan of a config.

    Args:
        config: as `config.load` gave it.
        allow_code: whether stages named as `./file.py:Class` or `package.module:Class` may be loaded.
        machine: what may be used; by default what this process may use.

    Raises:
        ConfigError: every problem of the config at once.
    """
    findings = Findings(config.problems)
    here = machine or Machine.here()
    parts = components.find(config, findings, allow_code=allow_code)
    groups = placement.place(config, parts, here, findings)
    memory = placement.memory_nbytes(config, here, findings)
    if config.fuse == "auto":
        findings.note(config.fuse_mark, "fuse: auto is left to the tuner", "until then it means none")
    _specs(parts, findings)
    _inputs(parts, findings)
    _unique(config, parts, findings)
    _streams(config, parts, groups[0].workers, groups[-1].workers, findings)
    found = sorted(set(findings.problems))
    refused = [problem for problem in found if not problem.note]
    if refused or parts.reader is None or parts.writer is None:
        raise ConfigError(refused)
    return _plan(config, parts, groups, here, memory_nbytes=memory, notes=tuple(str(problem) for problem in found))


def _plan(
    config: Config, parts: Parts, groups: tuple[GroupPlan, ...], machine: Machine, *, memory_nbytes: int,
    notes: tuple[str, ...],
) -> Plan:  # fmt: skip
    assert parts.reader is not None
    return Plan(
        source=config.source,
        groups=groups,
        codecs=parts.codecs,
        encoder=parts.encoder,
        destination=parts.destination.text if parts.destination else None,
        memory_nbytes=memory_nbytes,
        streams=bool(parts.reader.instance.streams),
        many=bool(parts.reader.instance.many),
        in_order=any(group.queue.in_order for group in groups),
        fuse="all" if config.fuse == "all" else "none",
        limits=config.limits,
        on_error=config.on_error,
        timeout_s=config.timeout_s,
        stall_timeout_s=config.stall_timeout_s or max(120.0, 2 * config.timeout_s),
        usable_cores=machine.cores,
        notes=notes,
    )


def _specs(parts: Parts, findings: Findings) -> None:
    """Where the reader knows its Spec beforehand, walk it through the chain; the first stage that refuses is named."""
    if parts.reader is None or parts.writer is None:
        return
    spec = parts.reader.instance.fixed_spec()
    if spec is None:
        return
    for part in (part for group in parts.transforms for part in group):
        try:
            spec = part.instance.output_spec(spec)
        except SpecError as error:
            findings.error(part.plan.mark, error, f"{part.plan.label} ")
            return
    if parts.encoder is not None:
        models = registry.load(parts.encoder.ref).models
        if spec.model not in models:
            what = f"{parts.encoder.label} cannot hold frames of {spec}"
            findings.add(parts.encoder.mark, what, f"it takes {', '.join(models)}", "convert before the writer")


def _inputs(parts: Parts, findings: Findings) -> None:
    """A path of the reader that is not there; nothing is started for it."""
    if parts.reader is None:
        return
    path = parts.reader.plan.params.get("path")
    if isinstance(path, str) and path != "-" and not os.path.lexists(path):
        mark: Mark = parts.reader.node.at(("path",))
        remedy = "" if os.path.isabs(path) else f"relative paths are relative to {os.getcwd()}"
        findings.add(mark, f"there is no '{path}'", "", remedy)


def _unique(config: Config, parts: Parts, findings: Findings) -> None:
    """Several frames of one item need a name each."""
    if parts.reader is None or parts.writer is None or parts.destination is None or not parts.writer.instance.encodes:
        return
    reader = parts.reader.instance
    expanding = [part for group in parts.transforms for part in group if getattr(part.instance, "expands", 1) > 1]
    several = bool(reader.streams or reader.many or expanding)
    if several and not parts.destination.fields & {"index", "pts"}:
        who = expanding[0].plan.label if expanding else config.reader.stages[0].label
        mark = parts.writer.node.at(("path",))
        findings.add(
            mark, f"{who} makes several frames of an item, and all get one name", "", "add {index} to the path"
        )


def _streams(config: Config, parts: Parts, readers: int, writers: int, findings: Findings) -> None:
    """A stream has a writer of its own: more readers than writers wait for nothing."""
    if parts.reader is not None and bool(parts.reader.instance.streams) and readers > writers:
        what = f"{readers} readers and {writers} writers: at most {writers} streams are under way"
        findings.note(config.reader.workers_mark, what, "each stream has its own writer")
