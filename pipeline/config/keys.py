"""The keys of a config that the engine itself reads: each declared once, with its type, range, default and words.

All else follows from a field here: how a config and `--set` are read, the messages, the JSON Schema, the tables of
docs/config.md, the default. The Plan carries these dataclasses, so a new key is its field and its effect. `Limits` is
declared in the contracts, because readers are given it. What stands in a stage is declared by the stage's class; how
reader, transforms, stages and writer nest is read in `form`.

Workers unpickle a Plan, so nothing is imported here but contracts and constants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..contracts.contexts import Limits
from ..contracts.parameter_types import Duration, Nbytes
from ..transport.records import CREDIT, MAX_CREDIT, MOST_CREDIT
from .key_types import Cores, Credit, MaxFailures, Name, Reference, Version

MAX_WORKERS = 512
MOST_THREADS = MOST_CREDIT
LEAST_STALL_S = 120.0  # for `stall_timeout: auto`, which is twice the time-out of a frame where that is longer
_TIMES: Mapping[str, Any] = {"ge": Duration(0.01), "le": Duration(86400)}


@dataclass(frozen=True, slots=True)
class Edge:
    """The bounded queue before a group, and the frames at its workers."""

    depth: int = field(default=8, metadata={"ge": 1, "le": 4096, "doc": "frames that may wait before a group"})
    order: Literal["completed", "input"] = field(default="completed", metadata={"doc": "how frames leave the queue"})
    credit: Credit = field(
        default=Credit(),
        metadata={
            "doc": f"frames in hand at each worker; auto is {CREDIT}, and up to {MAX_CREDIT} while they are short"
        },
    )

    @property
    def in_order(self) -> bool:
        return self.order == "input"


@dataclass(frozen=True, slots=True)
class Queues(Edge):
    """All queues, unless a group says otherwise, and the size of the arena."""

    memory_nbytes: Nbytes | Literal["auto"] = field(
        default="auto", metadata={"key": "memory", "ge": Nbytes(64 << 10), "doc": "shared memory for all frames"}
    )


@dataclass(frozen=True, slots=True)
class OnError:
    """What happens when items fail."""

    policy: Literal["continue", "stop"] = field(
        default="continue", metadata={"doc": "stop: the run ends at the first failure"}
    )
    retries: int = field(
        default=2, metadata={"ge": 0, "le": 10, "doc": "further attempts after a crash, a time-out or a memory kill"}
    )
    max_failures: MaxFailures = field(
        default=MaxFailures(share=0.05),
        metadata={"doc": "failed items that stop the run; a share is judged from 200 items on"},
    )


@dataclass(frozen=True, slots=True)
class Recycle:
    """When a worker is replaced by a fresh one although nothing is wrong with it."""

    items: int | Literal["never"] = field(
        default="never", metadata={"ge": 1, "doc": "after so many frames; never leaves it at its work"}
    )
    memory_nbytes: Nbytes | Literal["never"] = field(
        default="never", metadata={"key": "memory", "ge": Nbytes(1 << 20), "doc": "once its resident size is this"}
    )


@dataclass(frozen=True, slots=True)
class Notify:
    """Who is told of ends while a folder is watched."""

    command: tuple[str, ...] = field(
        default=(),
        metadata={
            "doc": "program and its arguments, no shell; JSON comes on its standard input, and with `per: item`"
            " {item} {output} {outcome} are filled in"
        },
    )
    url: str = field(default="", metadata={"doc": "address that JSON is posted to"})
    per: Literal["item", "batch"] = field(
        default="batch", metadata={"doc": "item: once for each; batch: for all that ended within a second"}
    )
    timeout_s: Duration = field(
        default=Duration(10), metadata={"key": "timeout", **_TIMES, "doc": "for one notification; then it is given up"}
    )


@dataclass(frozen=True, slots=True)
class GroupKeys:
    """What every group may say: the reader, the writer, and the groups of transforms."""

    workers: int | Literal["auto"] = field(
        default="auto", metadata={"ge": 1, "le": MAX_WORKERS, "doc": "processes of the group"}
    )
    cores: Cores = field(default=Cores(), metadata={"doc": "cores its processes are pinned to"})
    queue: Edge = field(default=Edge(), metadata={"follows": "queues", "doc": "the queue before this group"})


@dataclass(frozen=True, slots=True)
class TransformsKeys(GroupKeys):
    """What a group of transforms says besides `stages`."""

    name: Name = field(default=Name(), metadata={"doc": "of the group; transform-1, transform-2 ... where it has none"})


@dataclass(frozen=True, slots=True)
class Sample:
    """A part of the input, the same each time."""

    count: int | Literal["all"] = field(
        default="all", metadata={"ge": 1, "doc": "so many inputs, chosen by a hash of their names; all takes every one"}
    )
    seed: int = field(default=0, metadata={"ge": 0, "le": 2**63 - 1, "doc": "another one chooses others"})


@dataclass(frozen=True, slots=True)
class ReaderKeys(GroupKeys):
    """What the reader may say besides what every group may."""

    sample: Sample = field(default=Sample(), metadata={"doc": "a part of the input instead of all of it"})
    threads: int | Literal["auto"] | None = field(
        default="auto",
        metadata={
            "ge": 0,
            "le": MOST_THREADS,
            "doc": "threads in each worker that fetch files ahead, for those that are slow to come; auto is 0",
        },
    )


@dataclass(frozen=True, slots=True)
class WriterKeys(GroupKeys):
    """What the writer may say besides what every group may."""

    overwrite: Literal["own", "never", "older", "always"] = field(
        default="own",
        metadata={
            "doc": "outputs that are there already: own replaces what the journal knows as its own and fails the item"
            " for others; never and older (than the input) leave the rest alone and skip the item; always replaces all"
        },
    )


@dataclass(frozen=True, slots=True)
class StageKeys:
    """What the long form of a stage says besides `with`; reader and writer have `use` alone."""

    use: Reference = field(metadata={"doc": "the component"})
    name: Name = field(default=Name(), metadata={"doc": "label in reports and on the command line"})


@dataclass(frozen=True, slots=True)
class Settings:
    """The top of a config besides reader, transforms and writer."""

    version: Version = field(default=Version(1), metadata={"required": True, "doc": "of the form of the config"})
    queues: Queues = field(default=Queues(), metadata={"doc": "of all queues, unless a group says otherwise"})
    fuse: Literal["none", "all", "auto"] = field(
        default="none", metadata={"doc": "all: the whole chain in each worker"}
    )
    on_error: OnError = field(default=OnError(), metadata={"doc": "what happens when items fail"})
    limits: Limits = field(default=Limits(), metadata={"doc": "on hostile input; may be lowered here"})
    timeout_s: Duration = field(
        default=Duration(60), metadata={"key": "timeout", **_TIMES, "doc": "for one frame in one group"}
    )
    stall_timeout_s: Duration | Literal["auto"] = field(
        default="auto",
        metadata={"key": "stall_timeout", **_TIMES, "doc": "for the whole run without a frame moving"},
    )

    durability: Literal["none", "batch", "each"] = field(
        default="batch",
        metadata={
            "doc": "before an item counts as done its output is on the disk: in batches, or each; none leaves that to"
            " the system, which holds for a kill and not for a power cut"
        },
    )
    state_dir: str | None = field(
        default=None, metadata={"doc": "folder of the journal; null is `.pipeline` in the folder of the outputs"}
    )
    keep_runs: int = field(
        default=50, metadata={"ge": 1, "le": 100_000, "doc": "runs whose details the journal keeps; items for ever"}
    )

    recycle: Recycle = field(default=Recycle(), metadata={"doc": "workers whose libraries leak are replaced in peace"})
    sandbox: Literal["auto", "require", "off"] = field(
        default="auto",
        metadata={
            "doc": "workers that run no code of yours may read their inputs and write their outputs, and nothing else;"
            " auto takes what the kernel gives, require ends the run where it gives less, off leaves them free"
        },
    )
    settle_s: Duration = field(
        default=Duration(2),
        metadata={"key": "settle", **_TIMES, "doc": "how long a watched file must be left alone before it is taken"},
    )
    notify: Notify = field(default=Notify(), metadata={"doc": "who is told of ends while a folder is watched"})

    @property
    def stall_s(self) -> float:
        """The stall time-out in seconds, chosen where the config leaves it to us."""
        asked = self.stall_timeout_s
        return asked if isinstance(asked, float) else max(LEAST_STALL_S, 2 * self.timeout_s)
