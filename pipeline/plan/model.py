"""The Plan: the checked, resolved, immutable form of a config. Plain data, and all that a worker is sent at start.

Unpickling it loads neither the config library nor a stage; the worker imports the stages it runs by reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..config.keys import Edge, GroupKeys, Sample, Settings
from ..contracts.problem import Mark
from ..contracts.template import Template
from ..registry.code import load_module
from ..registry.function_stage import as_class
from .shard import Shard

PARTIAL_NBYTES = 64 << 10
MEMBERS_NBYTES = 8 << 10


def job_of_results(folder: str) -> str:
    """The name of a job without outputs in its journal, by the folder of its first reducer: no item has one there."""
    return f"{folder.rstrip('/')}/{{index}}"


def job_of_archives(archives: str, members: str) -> str:
    """The name of a job whose outputs are members of archives; its folder is that of the archives."""
    folder = Template(archives, of_archives=True).root
    below = archives.removeprefix(folder).lstrip("/").replace("{shard}", "{index}")
    return f"{folder}/{{index}}:{below}/{members}"


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One component with its parameters.

    Attributes:
        label: name in reports and on the command line.
        ref: "package.module:Class".
        params: keyword arguments of the class, plain data.
        mark: where the config names it.
    """

    label: str
    ref: str
    params: Mapping[str, Any] = field(default_factory=dict)
    mark: Mark = Mark("")

    def build(self) -> Any:
        """Import the class, or the function, and make its instance; no backend library is loaded by that."""
        home, _, name = self.ref.rpartition(":")
        return as_class(getattr(load_module(home), name))(**self.params)


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """N worker processes that run the same stages on the same set of cores.

    Attributes:
        reads, writes: whether the first stage is the Reader, the last one the Writer (both in a fused group).
        cores: the set every worker is pinned to; None leaves it to the system.
        queue: the edge before this group (the first group has none and uses its credit only).
        threads: which fetch the bytes of items ahead of the reader, in each of its workers.
        asked: what the config says; workers, cores and queue are what the plan made of it.
        expands: its last transform makes several frames of one.
    """

    name: str
    stages: tuple[StagePlan, ...]
    workers: int
    cores: tuple[int, ...] | None = None
    queue: Edge = Edge()
    reads: bool = False
    writes: bool = False
    expands: bool = False
    threads: int = 0
    asked: GroupKeys = GroupKeys()


@dataclass(frozen=True, slots=True)
class Plan:
    """A config, checked and resolved.

    Attributes:
        source: the config's file name.
        groups: from reader to writer; one group when everything is fused.
        codecs: every codec, by name, with default settings (for reading).
        encoder: the codec of the outputs with the writer's settings; None where none is encoded.
        destination: template text of the outputs; None where nothing is written for an item.
        archives: template text of the archives that outputs are members of, `destination` being their names in them;
            None where each is a file.
        reducing: how many stages before the writer are reducers.
        memory_nbytes: size of the arena.
        streams: items are ordered streams. many: items are several frames each.
        in_order: some edge keeps the input order.
        overwrite: what becomes of outputs that are there already; a key of the writer.
        sample: how much of the input is taken; a key of the reader.
        shard: which part of the input it is; None for all of it.
        settings: the keys of the config besides reader, transforms and writer, as it says them or by default.
        notes: findings that inform, printed by `plan` and `check`.
    """

    source: str
    groups: tuple[GroupPlan, ...]
    codecs: tuple[StagePlan, ...] = ()
    encoder: StagePlan | None = None
    destination: str | None = None
    archives: str | None = None
    reducing: int = 0
    memory_nbytes: int = 256 << 20
    streams: bool = False
    many: bool = False
    in_order: bool = False
    overwrite: str = "own"
    sample: Sample = Sample()
    shard: Shard | None = None
    settings: Settings = Settings()
    usable_cores: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def output_root(self) -> str | None:
        """The folder that holds all outputs, None where nothing is written."""
        return Template(self.job).root if self.job else None

    @property
    def job(self) -> str | None:
        """What tells this job from others in its journal: the template of its outputs, or where its results go."""
        if self.archives is not None:
            return job_of_archives(self.archives, self.destination or "")
        if self.destination is not None or not self.reducing:
            return self.destination
        return job_of_results(self.reducers[0].build().folder)

    @property
    def outputs(self) -> str | None:
        """What outputs are called, for people."""
        return f"{self.archives}: {self.destination}" if self.archives is not None else self.destination

    @property
    def file_template(self) -> Template | None:
        """The template of outputs that are files of their own; None where they are members, or nothing is written."""
        return Template(self.destination) if self.destination is not None and self.archives is None else None

    @property
    def gives(self) -> bool:
        """Whether what the last group makes of an item is kept in the journal: partials, or where members lie."""
        return self.reducing > 0 or self.archives is not None

    @property
    def staging_dir(self) -> str | None:
        """Where members of archives wait to be packed; None where there are none."""
        return f"{self.state_dir}/staging" if self.archives is not None else None

    @property
    def state_dir(self) -> str | None:
        """The folder of the journal, None where nothing is written."""
        root = self.output_root
        return None if root is None else self.settings.state_dir or f"{root}/.pipeline"

    @property
    def partial_nbytes(self) -> int:
        """Room of each lease of the last group for what it gives."""
        return PARTIAL_NBYTES if self.reducing else MEMBERS_NBYTES if self.archives is not None else 0

    @property
    def partials_dir(self) -> str | None:
        """Where workers put what is more than that; None where nothing is given, or without a journal."""
        if not (self.gives and self.state_dir):
            return None
        return f"{self.state_dir}/" + (f"segments/{self.shard.name}.partials" if self.shard is not None else "partials")

    def number_of(self, group: int, place: int) -> int:
        """The number of a stage among all stages of the plan, from the reader on: what a control block says runs."""
        return sum(len(each.stages) for each in self.groups[:group]) + place

    def stage_at(self, number: int) -> StagePlan:
        """The stage of this number; the last one for a number that no stage has."""
        stages = [stage for group in self.groups for stage in group.stages]
        return stages[min(number, len(stages) - 1)]

    @property
    def reader(self) -> StagePlan:
        return self.groups[0].stages[0]

    @property
    def reducers(self) -> tuple[StagePlan, ...]:
        """In the order of the config; they stand before the writer, in its group."""
        return self.groups[-1].stages[-1 - self.reducing : -1]

    @property
    def writer(self) -> StagePlan:
        return self.groups[-1].stages[-1]
