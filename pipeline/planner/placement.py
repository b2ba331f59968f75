"""Where the groups run and how they are joined: worker counts, core sets, edges, memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from .. import affinity
from ..config import Config, Group, Node, wrong
from ..errors import UsageError
from ..plan import GroupPlan, QueuePlan
from ..problem import Mark
from .components import Findings, Part, Parts

LEAST_MEMORY = 256 << 20
MOST_WITHOUT_QUESTION = 8  # workers per usable core beyond which a note asks whether that is meant


@dataclass(frozen=True, slots=True)
class Machine:
    """What this process may use."""

    cores: tuple[int, ...]
    mask: tuple[int, ...]
    memory_nbytes: int
    shm_nbytes: int

    @classmethod
    def here(cls) -> Machine:
        return cls(
            affinity.usable_cores(),
            affinity.allowed_cores(),
            affinity.memory_limit_nbytes(),
            affinity.shm_free_nbytes(),
        )


def place(config: Config, parts: Parts, machine: Machine, findings: Findings) -> tuple[GroupPlan, ...]:
    """The groups of the plan, fused or apart, with workers, cores and edges."""
    reader, writer = parts.reader, parts.writer
    members = [[reader] if reader else [], *parts.transforms, [writer] if writer else []]
    fused = config.fuse == "all"
    if fused:
        shape = [(_together(config, findings), [part for group in members for part in group])]
    else:
        shape = list(zip(config.groups, members, strict=True))
    _expansion(shape, findings, fused=fused)
    plans = [
        _group(group, stages, config, parts, machine, findings, fused=fused, last=index == len(shape) - 1)
        for index, (group, stages) in enumerate(shape)
    ]
    return _ordered(plans, parts)


def memory_nbytes(config: Config, machine: Machine, findings: Findings) -> int:
    """The size of the arena: as the config says, or a quarter of the memory and of what shared memory has free."""
    asked = config.queues.memory_nbytes
    if asked is not None:
        if asked > machine.memory_nbytes:
            limit = f"this process may use {machine.memory_nbytes >> 20} MiB"
            findings.add(config.queues.memory_mark, f"memory is {asked >> 20} MiB", limit)
        return asked
    quarter = machine.memory_nbytes // 4
    if machine.shm_nbytes // 4 < min(quarter, LEAST_MEMORY):
        chosen = min(quarter, LEAST_MEMORY)
        free = machine.shm_nbytes >> 20
        findings.note(
            Mark(config.source), f"shared memory has {free} MiB free", f"the arena takes {chosen >> 20} MiB elsewhere"
        )
        return chosen
    return min(quarter, machine.shm_nbytes // 4)


def _together(config: Config, findings: Findings) -> Group:
    """The one group of `fuse: all`; worker counts and cores must not contradict each other."""
    workers = {group.workers: group.workers_mark for group in config.groups if group.workers is not None}
    if len(workers) > 1:
        mark = max(workers.values())
        counts = " and ".join(str(number) for number in workers)
        findings.add(mark, f"fuse: all makes one group, and workers says {counts}", "", "use one number, or auto")
    pinned = [
        group.cores
        for group in config.groups
        if group.cores is not None and group.cores.value not in (None, "auto", "none")
    ]
    if len({repr(node.plain) for node in pinned}) > 1:
        findings.add(
            pinned[-1].mark, "fuse: all makes one group, and its groups name different cores", "", "use one set"
        )
    count = next(iter(workers), None)
    where = next(iter(workers.values()), config.fuse_mark)
    cores = pinned[0] if pinned else None
    return Group("all", (), config.fuse_mark, count, where, cores, config.writer.queue)


def _expansion(shape: Sequence[tuple[Group, list[Part]]], findings: Findings, *, fused: bool) -> None:
    """One expanding stage a group, and it is the last of its group: its parts are announced one by one."""
    for _, stages in shape:
        for index, part in enumerate(stages):
            if getattr(part.instance, "expands", 1) > 1 and index < len(stages) - 1:
                after = stages[index + 1].plan.label
                remedy = "use fuse: none" if fused else f"begin a new group with {after}"
                what = f"{part.plan.label} makes several frames of one and {after} follows in its group"
                findings.add(part.plan.mark, what, "it must be the last of its group", remedy)


def _group(
    group: Group, stages: list[Part], config: Config, parts: Parts, machine: Machine, findings: Findings,
    *, fused: bool, last: bool,
) -> GroupPlan:  # fmt: skip
    reads, writes = fused or group is config.reader, fused or last
    cores = _cores(group.cores, machine, findings)
    transforms = [part.instance for part in stages if part not in (parts.reader, parts.writer)]
    return GroupPlan(
        name=group.name,
        stages=tuple(part.plan for part in stages),
        workers=_workers(group, stages, parts, machine, cores, findings, writes=writes and not fused),
        cores=cores,
        queue=_edge(group, config, findings, first=reads),
        reads=reads,
        writes=writes,
        expands=prod(getattr(instance, "expands", 1) for instance in transforms),
        passes=bool(transforms) and not reads and not writes and all(instance.inspect for instance in transforms),
        in_place=any(instance.in_place for instance in transforms),
    )


def _workers(
    group: Group, stages: list[Part], parts: Parts, machine: Machine, cores: tuple[int, ...] | None,
    findings: Findings, *, writes: bool,
) -> int:  # fmt: skip
    most = min((part.instance.max_workers for part in stages if part.instance.max_workers is not None), default=None)
    if group.workers is not None:
        if most is not None and group.workers > most:
            who = next(part.plan.label for part in stages if part.instance.max_workers == most)
            findings.add(group.workers_mark, f"workers is {group.workers}", f"{who} runs in at most {most}")
        if group.workers > MOST_WITHOUT_QUESTION * len(machine.mask):
            what = f"{group.workers} workers of '{group.name}' share {len(machine.mask)} cores"
            findings.note(group.workers_mark, what, "each is a process with libraries of its own")
        return group.workers
    count = len(cores) if cores else len(machine.cores)
    if writes or (parts.reader is not None and bool(parts.reader.instance.streams)):
        count = max(1, len(machine.cores) // 2)
    return count if most is None else min(count, most)


def _cores(node: Node | None, machine: Machine, findings: Findings) -> tuple[int, ...] | None:
    """The set of cores a group is pinned to; None leaves it to the system."""
    if node is None or node.value in (None, "auto", "none"):
        return None
    wants = 'wants [0, 1], "0-3", auto or none'
    if isinstance(node.value, list) and node.value and all(type(entry.value) is int for entry in node.value):
        named = [(entry.value, entry.mark) for entry in node.value]
    elif isinstance(node.value, str):
        try:
            named = [(core, node.mark) for core in affinity.parse_cores(node.value)]
        except UsageError as error:
            findings.add(node.mark, error.what, error.limit or "", wants)
            return None
    else:
        problem = wrong(node, "cores", wants)
        remedy = f"write [{node.value}] for one core" if type(node.value) is int else problem.remedy
        findings.problems.append(replace(problem, remedy=remedy))
        return None
    for core, mark in named:
        if core not in machine.mask:
            findings.add(mark, f"core {core} is not usable", f"usable are {ranges(machine.mask)}")
    return tuple(sorted({core for core, _ in named}))


def ranges(cores: Sequence[int]) -> str:
    """Cores in short: 0-3,6."""
    spans: list[list[int]] = []
    for core in cores:
        if spans and spans[-1][1] == core - 1:
            spans[-1][1] = core
        else:
            spans.append([core, core])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in spans)


def _edge(group: Group, config: Config, findings: Findings, *, first: bool) -> QueuePlan:
    own, usual = group.queue, config.queues
    if first and group is config.reader and (own.depth is not None or own.order is not None):
        findings.note(own.mark, "depth and order of the reader's queue have no effect", "there is no queue before it")
    order = own.order or usual.order
    return QueuePlan(own.depth or usual.depth, own.credit or usual.credit, in_order=not first and order == "input")


def _ordered(plans: list[GroupPlan], parts: Parts) -> tuple[GroupPlan, ...]:
    """Edges that must keep the order whatever the config says, and credit 1 where one frame becomes many."""
    streams = parts.reader is not None and bool(parts.reader.instance.streams)
    many = parts.reader is not None and bool(parts.reader.instance.many)
    ordered = parts.writer is not None and parts.writer.instance.ordered
    later = False
    for index in range(len(plans) - 1, -1, -1):
        plan, edge = plans[index], plans[index].queue
        last = index == len(plans) - 1
        if index and ((last and (streams or ordered)) or (plan.expands > 1 and later)):
            edge = replace(edge, in_order=True)
        if plan.expands > 1 or (plan.reads and (streams or many)):
            edge = replace(edge, credit=1)
        later = later or edge.in_order
        plans[index] = replace(plan, queue=edge)
    return tuple(plans)
