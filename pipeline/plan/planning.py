"""Config to Plan: components looked up and checked, worker counts, cores, edges and memory decided."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice

from .. import registry
from ..config.form import Config
from ..config.keys import Sample
from ..contracts.frame import Item
from ..contracts.problem import ConfigError, Mark
from ..contracts.stage import Reader
from ..errors import ItemError, SpecError, UsageError
from . import components, conversions, placement
from .components import Findings, Parts
from .machine import Machine
from .model import GroupPlan, Plan

__all__ = ["Machine", "build"]

PROBE = "pipeline-probe"  # stem of an input that is asked about and does not exist
SAMPLES = 16  # real inputs that are asked about


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
    conversions.put_in(parts)
    groups = placement.place(config, parts, here, findings)
    memory = placement.memory_nbytes(config, here, findings)
    if config.settings.fuse == "auto":
        findings.note(config.at("fuse"), "fuse: auto is left to the tuner", "until then it means none")
    _specs(parts, findings)
    _inputs(config, parts, findings)
    _unique(config, parts, findings)
    _apart(parts, findings)
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
        archives=parts.archives.text if parts.archives else None,
        reducing=len(parts.reducers),
        memory_nbytes=memory_nbytes,
        streams=placement.in_streams(parts),
        many=placement.in_frames(parts),
        in_order=any(group.queue.in_order for group in groups),
        overwrite=getattr(config.writer.keys, "overwrite", "own"),
        sample=getattr(config.reader.keys, "sample", Sample()),
        settings=config.settings,
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


def _inputs(config: Config, parts: Parts, findings: Findings) -> None:
    """A path of the reader that is not there; nothing is started for it."""
    if parts.reader is None:
        return
    if config.reader.sets("sample", "count") and parts.reader.instance.waits:
        what = f"{parts.reader.plan.label} is given its inputs once, and a sample is chosen from all of them"
        findings.add(config.reader.at("sample"), what, "", "write the list to a file first")
    path = parts.reader.plan.params.get("path")
    if not isinstance(path, str) or path == "-" or parts.reader.instance.named_by_pattern:
        return
    if not os.path.lexists(path):
        mark: Mark = parts.reader.node.at(("path",))
        remedy = "" if os.path.isabs(path) else f"relative paths are relative to {os.getcwd()}"
        findings.add(mark, f"there is no '{path}'", "", remedy)


def _unique(config: Config, parts: Parts, findings: Findings) -> None:
    """Several frames of one item need a name each; only parts of a picture have a row and a column."""
    if parts.reader is None or parts.writer is None or parts.destination is None or not parts.writer.instance.encodes:
        return
    reader, fields = parts.reader.instance, parts.destination.fields
    mark = parts.writer.node.at(("path" if parts.archives is None else "member",))
    expanding = [part for group in parts.transforms for part in group if part.instance.expanding]
    placed = sorted(fields & {"row", "column"})
    if placed and not expanding:
        what = f"the path has {{{placed[0]}}}, and no stage cuts pictures into parts"
        findings.add(mark, what, "", "add the stage tile, or use {index}")
        return
    several = bool(reader.streams or reader.many)
    told_apart = "index" in fields or ("pts" in fields if several else True)
    if expanding and "index" not in fields:  # the parts of a frame have its time stamp, and places of the last cut
        told_apart = told_apart and len(placed) == 2 and len(expanding) == 1
    if not told_apart:
        who = expanding[0].plan.label if expanding else config.reader.stages[0].label
        what = f"{who} makes several frames of an item, and some get the same name"
        findings.add(mark, what, "", "add {index} to the path")


def _apart(parts: Parts, findings: Findings) -> None:
    """Outputs that would lie among the inputs: the next run would read them, or this one write over a source."""
    template = parts.destination
    if parts.reader is None or parts.writer is None or template is None:
        return
    template = parts.archives or template
    for item in _examples(parts, template.root):
        try:
            folder, _, name = template.render(item).rpartition("/")
        except ItemError:  # a field that no such item has
            continue
        if parts.reader.instance.would_read(f"{os.path.realpath(folder or '.')}/{name}", template.root):
            mark: Mark = parts.writer.node.at(("path",))
            remedy = "give them a folder of their own"
            pattern = "*".join(re.split(r"\{[^{}]*\}", template.text.rpartition("/")[2]))
            if pattern.rpartition(".")[0].strip("*"):
                remedy += f", or let the reader leave them out: exclude: ['**/{pattern}']"
            findings.add(mark, "the outputs would lie among the inputs, and the next run would read them", "", remedy)
            return


def _examples(parts: Parts, without: str) -> Iterator[Item]:
    """Items whose outputs are asked about: one that does not exist for each extension, then the first real ones."""
    assert parts.reader is not None
    reader: Reader = parts.reader.instance
    if type(reader).would_read is Reader.would_read:
        return  # its inputs are named one by one, and may be there to be read once only
    for codec in parts.codecs:
        for ext in registry.load(codec.ref).extensions:
            yield Item(0, "", "", f"{PROBE}.{ext}")
    try:
        yield from (
            item for item in islice(reader.discover(without), SAMPLES) if not item.skip and not item.fails and item.name
        )
    except (UsageError, OSError):
        return  # reported elsewhere, or by the run


def _streams(config: Config, parts: Parts, readers: int, writers: int, findings: Findings) -> None:
    """A stream has a writer of its own: more readers than writers wait for nothing."""
    if parts.reducers and parts.writer is not None and parts.writer.instance.yuv is not None:
        first, writes = parts.reducers[0].plan.label, config.writer.stages[0].label
        what = f"{first} looks at pixels, and {writes} is given YUV in planes"
        findings.add(parts.reducers[0].plan.mark, what, "", "give it a config of its own, without a writer")
    if parts.reader is not None and parts.writer is not None and parts.writer.instance.joins:
        _one_stream(config, parts, findings)
    if placement.in_streams(parts) and readers > writers:
        what = f"{readers} readers and {writers} writers: at most {writers} streams are under way"
        findings.note(config.reader.at("workers"), what, "each stream has its own writer")


def _one_stream(config: Config, parts: Parts, findings: Findings) -> None:
    """A writer of whole items wants a reader of streams, and one frame for each frame on the way."""
    assert parts.reader is not None
    if not parts.reader.instance.streams:
        what = f"{parts.reader.plan.label} gives single pictures, and {config.writer.stages[0].label} joins frames"
        animations = "`frames: all` reads animations whole, and " if hasattr(parts.reader.instance, "frames") else ""
        remedy = f"{animations}the reader `sequence` makes a stream of the pictures of a folder"
        findings.add(parts.reader.plan.mark, what, "", remedy)
    for part in (part for group in parts.transforms for part in group):
        if part.instance.expanding:
            what = f"{part.plan.label} makes several frames of one, and {config.writer.stages[0].label} joins frames"
            findings.add(part.plan.mark, what, "", "write pictures instead")
