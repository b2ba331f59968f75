"""Where the groups run and how they are joined: worker counts, core sets, edges, memory."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from ..config.form import THREADS, Config, ConfigGroup
from ..config.key_types import Cores, Credit
from ..config.keys import Edge, ReaderKeys
from ..config.node import Node
from ..contracts.stage import Transform
from ..transport.records import CREDIT, MOST_CREDIT
from .components import Findings, Parts, Resolved
from .machine import Machine, ranges
from .model import GroupPlan

LEAST_MEMORY = 256 << 20
MOST_WITHOUT_QUESTION = 8  # workers per usable core beyond which a note asks whether that is meant


def place(config: Config, parts: Parts, machine: Machine, findings: Findings) -> tuple[GroupPlan, ...]:
    """The groups of the plan, fused or apart, with workers, cores and edges."""
    return _Placement(config, parts, machine, findings).groups()


def memory_nbytes(config: Config, machine: Machine, findings: Findings) -> int:
    """The size of the arena: as the config says, or a quarter of the memory and of what shared memory has free."""
    asked, mark = config.settings.queues.memory_nbytes, config.at("queues", "memory")
    if asked != "auto":
        if asked > machine.memory_nbytes:
            limit = f"this process may use {machine.memory_nbytes >> 20} MiB"
            findings.add(mark, f"memory is {asked >> 20} MiB", limit)
        return asked
    quarter = machine.memory_nbytes // 4
    if machine.shm_nbytes // 4 < min(quarter, LEAST_MEMORY):
        chosen = min(quarter, LEAST_MEMORY)
        free = machine.shm_nbytes >> 20
        what = f"shared memory has {free} MiB free"
        findings.note(mark, what, f"the arena takes {chosen >> 20} MiB elsewhere")
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
        self.fused = config.settings.fuse == "all"
        self.streams = in_streams(parts)

    def groups(self) -> tuple[GroupPlan, ...]:
        reader, writer = self.parts.reader, self.parts.writer
        members = [
            [reader] if reader else [], *self.parts.transforms,
            [*self.parts.before_writer, *self.parts.reducers, *([writer] if writer else [])],
        ]  # fmt: skip
        if self.fused:
            shape = [(self.together(), [part for group in members for part in group])]
        else:
            shape = list(zip(self.config.groups, members, strict=True))
        for _, stages in shape:
            self.expansion(stages)
        return self.ordered([self.group(*each, first=n == 0, last=n == len(shape) - 1) for n, each in enumerate(shape)])

    def together(self) -> ConfigGroup:
        """The one group of `fuse: all`; worker counts and cores must not contradict each other."""
        groups, writer = self.config.groups, self.config.writer
        counts = {group.keys.workers: group for group in groups if group.keys.workers != "auto"}
        if len(counts) > 1:
            said = " and ".join(str(number) for number in counts)
            what = f"fuse: all makes one group, and workers says {said}"
            mark = max(group.at("workers") for group in counts.values())
            self.findings.add(mark, what, "", "use one number, or auto")
        pinned = [group for group in groups if group.keys.cores.named is not None]
        if len({group.keys.cores for group in pinned}) > 1:
            what = "fuse: all makes one group, and its groups name different cores"
            self.findings.add(pinned[-1].at("cores"), what, "", "use one set")
        unpinned = [group for group in groups if group.keys.cores != Cores()]
        counting, placing = next(iter(counts.values()), writer), next(iter((*pinned, *unpinned)), writer)
        keys = replace(writer.keys, workers=counting.keys.workers, cores=placing.keys.cores)
        said_by = {"workers": counting, "cores": placing}
        nodes = {key: group.node.value[key] for key, group in said_by.items() if key in group.node.value}
        return ConfigGroup("all", (), keys, Node(self.config.at("fuse"), nodes))

    def expansion(self, stages: list[Resolved]) -> None:
        """One expanding stage a group, and it is the last of its group: its parts are announced one by one."""
        for part, after in pairwise(stages):
            if _expands(part):
                follows = after.plan.label
                what = f"{part.plan.label} makes several frames of one and {follows} follows in its group"
                remedy = "use fuse: none" if self.fused else f"begin a new group with {follows}"
                self.findings.add(part.plan.mark, what, "it must be the last of its group", remedy)

    def group(self, group: ConfigGroup, stages: list[Resolved], *, first: bool, last: bool) -> GroupPlan:
        cores = self.cores(group)
        transforms = [part for part in stages if part not in (self.parts.reader, self.parts.writer)]
        idle = not self.parts.reducers and (last or (first and self.streams))  # it mostly waits
        return GroupPlan(
            name=group.name,
            stages=tuple(part.plan for part in stages),
            workers=self.workers(group, stages, cores, halved=not self.fused and idle),
            cores=cores,
            queue=self.edge(group, first=first),
            reads=first,
            writes=last,
            expands=any(_expands(part) for part in transforms),
            threads=self.threads() if first else 0,
            asked=group.keys,
        )

    def threads(self) -> int:
        """Threads that fetch ahead in each worker of the reader; none for auto, where files are at hand."""
        group, reader = self.config.reader, self.parts.reader
        asked = group.keys.threads if isinstance(group.keys, ReaderKeys) else "auto"
        if asked == "auto" or not asked or reader is None or THREADS in reader.plan.params:  # the reader's own
            return 0
        if not reader.instance.fetches_ahead or in_streams(self.parts) or in_frames(self.parts):
            limit = f"'{reader.plan.label}' reads what it needs when its turn comes"
            self.findings.add(group.at("threads"), f"threads is {asked}", limit, "leave it out")
            return 0
        return asked

    def workers(
        self, group: ConfigGroup, stages: list[Resolved], cores: tuple[int, ...] | None, *, halved: bool
    ) -> int:
        """The number asked for, or for auto one a core; half of that at the ends that mostly wait."""
        bounds = {
            part.instance.max_workers: part.plan.label for part in stages if part.instance.max_workers is not None
        }
        most, asked = min(bounds, default=None), group.keys.workers
        if asked == "auto":
            count = len(cores) if cores else len(self.machine.cores) // (2 if halved else 1)
            return max(1, count if most is None else min(count, most))
        if most is not None and asked > most:
            self.findings.add(group.at("workers"), f"workers is {asked}", f"{bounds[most]} runs in at most {most}")
        if asked > MOST_WITHOUT_QUESTION * len(self.machine.mask):
            what = f"{asked} workers of '{group.name}' share {len(self.machine.mask)} cores"
            self.findings.note(group.at("workers"), what, "each is a process with libraries of its own")
        return asked

    def cores(self, group: ConfigGroup) -> tuple[int, ...] | None:
        """The set of cores a group is pinned to; None leaves it to the system."""
        named = group.keys.cores.named
        for index, core in enumerate(named or ()):
            if core not in self.machine.mask:
                mark = group.at("cores", index)
                self.findings.add(mark, f"core {core} is not usable", f"usable are {ranges(self.machine.mask)}")
        return None if named is None else tuple(sorted(set(named)))

    def edge(self, group: ConfigGroup, *, first: bool) -> Edge:
        if first and not self.fused and (group.sets("queue", "depth") or group.sets("queue", "order")):
            what = "depth and order of the reader's queue have no effect"
            self.findings.note(group.at("queue"), what, "there is no queue before it")
        return replace(group.keys.queue, order="completed") if first else group.keys.queue

    def ordered(self, plans: list[GroupPlan]) -> tuple[GroupPlan, ...]:
        """Edges that must keep the order whatever the config says, and credit 1 where one frame becomes many."""
        writer = self.parts.writer
        several = self.streams or in_frames(self.parts)
        must = self.streams or (writer is not None and writer.instance.ordered)
        later = False
        for index in range(len(plans) - 1, -1, -1):
            plan, edge = plans[index], plans[index].queue
            if index and ((plan.writes and must) or (plan.expands and later)):
                edge = replace(edge, order="input")
            if plan.expands or (plan.reads and several):
                edge = replace(edge, credit=Credit(1, 1))
            elif plan.threads:  # what is fetched is in hand
                credit = min(plan.threads + CREDIT, MOST_CREDIT)
                edge = replace(edge, credit=Credit(credit, credit))
            later = later or edge.in_order
            plans[index] = replace(plan, queue=edge)
        return tuple(plans)


def _expands(part: Resolved) -> bool:
    return isinstance(part.instance, Transform) and part.instance.expanding
