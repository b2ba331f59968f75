"""What `pipeline plan` shows: the chain as written and as it will run on the real input, with sizes and memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from .. import registry
from ..config.form import Config
from ..contracts.codec import Codec
from ..contracts.contexts import ReadContext
from ..contracts.spec import Spec
from ..contracts.stage import Reader
from ..errors import ItemError
from .chain import Chain, StageError, chain_of
from .machine import ranges
from .model import GroupPlan, Plan

MAX_SAMPLES = 64
SCALES = {2: "4/8", 4: "2/8", 8: "1/8", 16: "1/16", 32: "1/32"}  # what a decoder shrinks by, as users read it
MAX_SAMPLED_NBYTES = 256 << 20


class Sampling(ReadContext, Protocol):
    """A ReadContext that counts what it read."""

    nbytes_read: int


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A group as a row: `chosen` says which figures the plan chose for `auto`."""

    name: str
    stages: tuple[str, ...]
    workers: int
    cores: str
    queue: str
    chosen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """What happens to frames of one Spec: `count` of those sampled. `refused` where a stage does not take them."""

    count: int
    full: str
    codec: str
    decode: str
    why: str
    steps: tuple[tuple[str, str], ...]
    nbytes: int
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The plan for people; plain data.

    Attributes:
        written, run: the chain in the words of the config, and as workers will carry it out.
        sampled, unread: headers that were read, and files among them that no codec could.
        in_flight: the most frames between reader and writer at once.
        frame_nbytes: what the largest sampled frame takes of the arena; memory_nbytes is all of the arena.
    """

    source: str
    written: tuple[str, ...]
    run: tuple[tuple[str, ...], ...]
    groups: tuple[GroupLine, ...]
    sampled: int
    unread: int
    known_beforehand: bool
    ways: tuple[Way, ...]
    in_flight: int
    frame_nbytes: int
    memory_nbytes: int
    memory_chosen: bool
    destination: str
    results: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def predicted_nbytes(self) -> int:
        """What the run will allocate at most: every frame in flight as large as the largest sampled."""
        return min(self.memory_nbytes, self.in_flight * self.frame_nbytes)


def explain(plan: Plan, config: Config, files: Sampling, *, samples: int = MAX_SAMPLES) -> Explanation:
    """Look at the first headers of the real input and follow them through the chain; nothing is decoded.

    Args:
        files: lent to the reader to look at its inputs; closed by the caller.
        samples: the most inputs that are looked at.
    """
    chain = chain_of(plan)
    fixed = plan.reader.build().fixed_spec()
    counts: Counter[tuple[Spec, str]] = Counter()
    unread = 0
    if fixed is not None:
        counts[fixed, ""] = 1
    else:
        for found in _sampled(plan, files, samples):
            if found is None:
                unread += 1
            else:
                counts[found] += 1
    codecs = {codec.label: codec.build() for codec in plan.codecs}
    ways = [_way(chain, spec, codecs.get(codec), codec, count) for (spec, codec), count in counts.items()]
    ways.sort(key=lambda way: (-way.count, -way.nbytes))
    return Explanation(
        source=plan.source,
        written=tuple(stage.label for group in config.groups for stage in group.stages),
        run=tuple(tuple(stage.label for stage in group.stages) for group in plan.groups),
        groups=tuple(map(_line, plan.groups)),
        sampled=0 if fixed is not None else sum(counts.values()) + unread,
        unread=unread,
        known_beforehand=fixed is not None,
        ways=tuple(ways),
        in_flight=_in_flight(plan),
        frame_nbytes=max((way.nbytes for way in ways), default=0),
        memory_nbytes=plan.memory_nbytes,
        memory_chosen=plan.settings.queues.memory_nbytes == "auto",
        destination=plan.outputs or "",
        results=tuple(stage.build().folder for stage in plan.reducers),
        notes=plan.notes,
    )


def _sampled(plan: Plan, files: Sampling, samples: int) -> Iterator[tuple[Spec, str] | None]:
    """Spec and codec of the first files; None for one that cannot be read or that no codec knows."""
    names = {registry.load(codec.ref): codec.label for codec in plan.codecs}
    reader: Reader = plan.reader.build()
    reader.open()
    items = (item for item in reader.discover(plan.output_root) if not item.skip and not item.fails)
    try:
        for item in islice(items, samples):
            try:
                spec, codec = reader.sample(item, files)
            except (ItemError, OSError, ValueError):
                yield None
            else:
                yield spec, names[type(codec)] if codec is not None else ""
            if files.nbytes_read > MAX_SAMPLED_NBYTES:
                return
    finally:
        reader.close()


def _way(chain: Chain, spec: Spec, codec: Codec | None, name: str, count: int) -> Way:
    try:
        route = chain.route(spec, codec)
    except StageError as error:
        return Way(count, str(spec), name, "", "", (), 0, f"{error.label} {error.cause}")
    why = ""
    if route.decode.size != spec.size:
        why = f"decoded at {_scale(route.decode)}: the chain takes no more than that"
    steps = tuple((label, str(after)) for label, after in route.steps)
    return Way(count, str(spec), name, str(route.decode), why, steps, route.nbytes())


def _scale(decode: Spec) -> str:
    """By how much a decoder shrinks, in the words of its own steps where they are halves; else the size."""
    for factor, words in SCALES.items():
        if decode.size == (-(-decode.full_height // factor), -(-decode.full_width // factor)):
            return words
    return f"{decode.width}x{decode.height}"


def _line(group: GroupPlan) -> GroupLine:
    chosen = ["workers"] if group.asked.workers == "auto" else []
    if group.asked.cores.auto:
        chosen.append("cores")
    return GroupLine(
        group.name,
        tuple(stage.label for stage in group.stages),
        group.workers,
        "any" if group.cores is None else ranges(group.cores),
        _queue(group),
        tuple(chosen),
    )


def _queue(group: GroupPlan) -> str:
    edge = group.queue
    credit = f"{edge.credit.first}" + (f" to {edge.credit.most}" if edge.credit.most > edge.credit.first else "")
    ahead = f"{credit} at each worker" + (f", which {group.threads} threads fetch" if group.threads else "")
    if group.reads:
        return ahead
    return f"{group.queue.depth} {'in input order' if group.queue.in_order else 'as completed'}, {ahead}"


def _in_flight(plan: Plan) -> int:
    """Waiting and leased frames of all groups; the reader's own frames are leased to it."""
    return sum((0 if g.reads else g.queue.depth) + g.queue.credit.most * g.workers for g in plan.groups)
