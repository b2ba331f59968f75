"""Where the groups run and how they are joined: worker counts, core sets, edges, memory."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from ..config import Config, Group, Node, wrong
from ..contracts.stage import Transform
from ..errors import UsageError
from . import machine
from .components import Findings, Parts, Resolved
from .machine import Machine, ranges
from .model import GroupPlan, QueuePlan

LEAST_MEMORY = 256 << 20
UNPINNED = (None, "auto", "none")
MOST_WITHOUT_QUESTION = 8  # workers per usable core beyond which a note asks whether that is meant


def place(config: Config, parts: Parts, machine: Machine, findings: Findings) -> tuple[GroupPlan, ...]:
    """The groups of the plan, fused or apart, with workers, cores and edges."""
    return _Placement(config, parts, machine, findings).groups()


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
            config.queues.memory_mark,
            f"shared memory has {free} MiB free",
            f"the arena takes {chosen >> 20} MiB elsewhere",
        )
        return chosen
    return min(quarter, machine.shm_nbytes // 4)


def in_streams(parts: Parts) -> bool:
    """Whether an item's frames go in order through one writer worker, as a muxer wants them."""
    streams = parts.reader is not None and bool(parts.reader.instance.streams)
    return streams and not (parts.writer is not None and parts.writer.instance.encodes)


def in_frames(parts: Parts) -> bool:
    """Whether an item is several frames, each for itself: pages, or those of a video that become pictures."""
    if parts.reader is None:
        return False
    return bool(parts.reader.instance.many) or (bool(parts.reader.instance.streams) and not in_streams(parts))


class _Placement:
    """What is needed to place the groups of one config."""

    def __init__(self, config: Config, parts: Parts, machine: Machine, findings: Findings) -> None:
        self.config, self.parts, self.machine, self.findings = config, parts, machine, findings
        self.fused = config.fuse == "all"
        self.streams = in_streams(parts)

    def groups(self) -> tuple[GroupPlan, ...]:
        reader, writer = self.parts.reader, self.parts.writer
        members = [
            [reader] if reader else [], *self.parts.transforms,
            [*self.parts.before_writer, *([writer] if writer else [])],
        ]  # fmt: skip
        if self.fused:
            shape = [(self.together(), [part for group in members for part in group])]
        else:
            shape = list(zip(self.config.groups, members, strict=True))
        for _, stages in shape:
            self.expansion(stages)
        return self.ordered([self.group(*each, first=n == 0, last=n == len(shape) - 1) for n, each in enumerate(shape)])

    def together(self) -> Group:
        """The one group of `fuse: all`; worker counts and cores must not contradict each other."""
        groups, mark = self.config.groups, self.config.fuse_mark
        counts = {group.workers: group.workers_mark for group in groups if group.workers is not None}
        if len(counts) > 1:
            said = " and ".join(str(number) for number in counts)
            what = f"fuse: all makes one group, and workers says {said}"
            self.findings.add(max(counts.values()), what, "", "use one number, or auto")
        pinned = [group.cores for group in groups if group.cores is not None and group.cores.value not in UNPINNED]
        if len({repr(node.plain) for node in pinned}) > 1:
            what = "fuse: all makes one group, and its groups name different cores"
            self.findings.add(pinned[-1].mark, what, "", "use one set")
        count, where = next(iter(counts.items()), (None, mark))
        return Group("all", (), mark, count, where, pinned[0] if pinned else None, self.config.writer.queue)

    def expansion(self, stages: list[Resolved]) -> None:
        """One expanding stage a group, and it is the last of its group: its parts are announced one by one."""
        for part, after in pairwise(stages):
            if _expands(part):
                follows = after.plan.label
                what = f"{part.plan.label} makes several frames of one and {follows} follows in its group"
                remedy = "use fuse: none" if self.fused else f"begin a new group with {follows}"
                self.findings.add(part.plan.mark, what, "it must be the last of its group", remedy)

    def group(self, group: Group, stages: list[Resolved], *, first: bool, last: bool) -> GroupPlan:
        cores = self.cores(group.cores)
        transforms = [part for part in stages if part not in (self.parts.reader, self.parts.writer)]
        return GroupPlan(
            name=group.name,
            stages=tuple(part.plan for part in stages),
            workers=self.workers(group, stages, cores, halved=not self.fused and (last or (first and self.streams))),
            cores=cores,
            queue=self.edge(group, first=first),
            reads=first,
            writes=last,
            expands=any(_expands(part) for part in transforms),
        )

    def workers(self, group: Group, stages: list[Resolved], cores: tuple[int, ...] | None, *, halved: bool) -> int:
        """The number asked for, or for auto one a core; half of that at the ends that mostly wait."""
        bounds = {
            part.instance.max_workers: part.plan.label for part in stages if part.instance.max_workers is not None
        }
        most = min(bounds, default=None)
        if group.workers is None:
            count = len(cores) if cores else len(self.machine.cores) // (2 if halved else 1)
            return max(1, count if most is None else min(count, most))
        if most is not None and group.workers > most:
            self.findings.add(
                group.workers_mark, f"workers is {group.workers}", f"{bounds[most]} runs in at most {most}"
            )
        if group.workers > MOST_WITHOUT_QUESTION * len(self.machine.mask):
            what = f"{group.workers} workers of '{group.name}' share {len(self.machine.mask)} cores"
            self.findings.note(group.workers_mark, what, "each is a process with libraries of its own")
        return group.workers

    def cores(self, node: Node | None) -> tuple[int, ...] | None:
        """The set of cores a group is pinned to; None leaves it to the system."""
        if node is None or node.value in UNPINNED:
            return None
        wants = 'wants [0, 1], "0-3", auto or none'
        if isinstance(node.value, list) and node.value and all(type(entry.value) is int for entry in node.value):
            named = [(entry.value, entry.mark) for entry in node.value]
        elif isinstance(node.value, str):
            try:
                named = [(core, node.mark) for core in machine.parse_cores(node.value)]
            except UsageError as error:
                self.findings.add(node.mark, error.what, error.limit or "", wants)
                return None
        else:
            problem = wrong(node, "cores", wants)
            remedy = f"write [{node.value}] for one core" if type(node.value) is int else problem.remedy
            self.findings.problems.append(replace(problem, remedy=remedy))
            return None
        for core, mark in named:
            if core not in self.machine.mask:
                self.findings.add(mark, f"core {core} is not usable", f"usable are {ranges(self.machine.mask)}")
        return tuple(sorted({core for core, _ in named}))

    def edge(self, group: Group, *, first: bool) -> QueuePlan:
        own, usual = group.queue, self.config.queues
        if first and not self.fused and (own.depth is not None or own.order is not None):
            what = "depth and order of the reader's queue have no effect"
            self.findings.note(own.mark, what, "there is no queue before it")
        order = own.order or usual.order
        credit, most = own.credit or usual.credit
        return QueuePlan(own.depth or usual.depth, credit, not first and order == "input", most)

    def ordered(self, plans: list[GroupPlan]) -> tuple[GroupPlan, ...]:
        """Edges that must keep the order whatever the config says, and credit 1 where one frame becomes many."""
        writer = self.parts.writer
        several = self.streams or in_frames(self.parts)
        must = self.streams or (writer is not None and writer.instance.ordered)
        later = False
        for index in range(len(plans) - 1, -1, -1):
            plan, edge = plans[index], plans[index].queue
            if index and ((plan.writes and must) or (plan.expands and later)):
                edge = replace(edge, in_order=True)
            if plan.expands or (plan.reads and several):
                edge = replace(edge, credit=1, most_credit=1)
            later = later or edge.in_order
            plans[index] = replace(plan, queue=edge)
        return tuple(plans)


def _expands(part: Resolved) -> bool:
    return isinstance(part.instance, Transform) and part.instance.expanding
