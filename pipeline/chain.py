"""The chain of transforms bound to a Spec: what each group hands on, how small a decoder may decode, how to run it.

Used by workers, by the serial run and by `plan`; works on stage objects and knows no process and no arena.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .errors import SpecError
from .frame import Frame, Item, Size, Spec
from .messages import region_nbytes, units
from .plan import Plan
from .stage import Codec, Part, Skip, Transform

FAN_OUT_SLOTS = 4  # parts of one frame that may be in flight at once
Link = tuple[str, Transform]
Pixels = np.ndarray[Any, Any]


class StageError(Exception):
    """A stage raised: which one, and what. Internal to the worker and the serial run."""

    def __init__(self, label: str, cause: BaseException) -> None:
        super().__init__(label, cause)
        self.label = label
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Route:
    """What happens to frames of one Spec.

    Attributes:
        decode: what the reader decodes to; smaller than the file where the decoder can shrink.
        hops: Spec that leaves each group but the last, the reader's group first.
        steps: label and Spec after each transform.
        a, b: extents in units of 64 bytes: the largest of the even and of the odd hops that write.
        slots, part: how many parts that an expanding group makes of a frame have room behind its own extents, and the
            route of one; 0 and None where no group expands.
    """

    decode: Spec
    hops: tuple[Spec, ...]
    steps: tuple[tuple[str, Spec], ...]
    a: int
    b: int
    slots: int = 0
    part: Route | None = None

    def nbytes(self, metadata_nbytes: int = 0) -> int:
        """Bytes of the arena that one frame takes; its parts carry its metadata too."""
        own = region_nbytes(self.a, self.b, units(metadata_nbytes))
        return own + (self.slots * self.part.nbytes(metadata_nbytes) if self.part is not None else 0)


class Chain:
    """All transforms of a plan, by group; the first and last group may have none.

    Args:
        groups: transforms of each group from the reader's to the writer's, with labels.
    """

    def __init__(self, groups: Sequence[Sequence[Link]]) -> None:
        self.groups = groups
        self._routes: dict[tuple[int, Spec, str], Route] = {}

    def route(self, full: Spec, codec: Codec | None = None, *, first: int = 0) -> Route:
        """Walk the chain for frames that enter behind the reader (or that leave group `first`) with this Spec.

        Args:
            full: the Spec at full size.
            codec: asked how small it can decode; None decodes at full size.
            first: group that hands the frame on; the chain from the next group is walked (its own for 0).

        Raises:
            StageError: a stage refuses the Spec it would get.
        """
        key = (first, full, type(codec).__name__)
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = self._walk(full, codec, first)
        return route

    def _walk(self, full: Spec, codec: Codec | None, first: int) -> Route:
        groups = [*self.groups[first:]] if not first else [(), *self.groups[first + 1 :]]
        decode = full if codec is None or first else codec.shrunk(full, self._required(full))
        spec, steps = decode, []
        hops: list[Spec] = []
        writes: list[bool] = []
        for place, group in enumerate(groups):
            wrote = place == 0
            for label, stage in group:
                spec, before = _output(label, stage, spec), spec
                steps.append((label, spec))
                wrote = wrote or not _passes(stage, before, spec)
                if stage.expands > 1:
                    return self._expanding(decode, hops, steps, writes, (spec, first + place))
            if place < len(groups) - 1:
                hops.append(spec)
                writes.append(wrote)
        a, b = _extents(hops, writes)
        return Route(decode, tuple(hops), tuple(steps), a, b)

    def _expanding(
        self, decode: Spec, hops: list[Spec], steps: list[tuple[str, Spec]], writes: list[bool], part: tuple[Spec, int]
    ) -> Route:
        """A frame ends at an expanding group; room for its parts is reserved behind it."""
        spec, group = part
        a, b = _extents(hops, writes)
        rest = self.route(spec, first=group)
        slots = min(FAN_OUT_SLOTS, max(stage.expands for _, stage in self.groups[group]))
        hops_on = (*hops, *rest.hops)
        return Route(decode, hops_on, (*steps, *rest.steps), a, b, slots, rest)

    def _required(self, full: Spec) -> Size:
        """The smallest size the chain takes as well as `full`: each transform asked, from the last to the first."""
        specs = [full]
        links = [link for group in self.groups for link in group]
        for label, stage in links:
            specs.append(_output(label, stage, specs[-1]))
        need = specs[-1].size
        for (label, stage), spec in zip(reversed(links), reversed(specs[:-1]), strict=True):
            try:
                need = need if stage.inspect else stage.required_input(spec, need)
            except Exception as error:
                raise StageError(label, error) from error
        return need


def _output(label: str, stage: Transform, spec: Spec) -> Spec:
    try:
        if spec.is_yuv and not stage.planes:
            raise SpecError(f"wants pixels in order HWC, got {spec} in planes", remedy="put rgb before this stage")
        out = spec if stage.inspect else stage.output_spec(spec)
        if stage.in_place and out != spec:
            raise SpecError(f"works in place and so cannot turn {spec} into {out}")
    except Exception as error:
        raise StageError(label, error) from error
    return out


def _passes(stage: Transform, before: Spec, after: Spec) -> bool:
    return stage.inspect or stage.in_place or (stage.identity_when_equal and before == after)


def _extents(hops: Sequence[Spec], writes: Sequence[bool]) -> tuple[int, int]:
    sides, side = [0, 0], 1
    for spec, wrote in zip(hops, writes, strict=True):
        side ^= wrote
        sides[side] = max(sides[side], units(spec.nbytes))
    return sides[0], sides[1]


class Scratch:
    """Private memory of one worker, reused from frame to frame so that its pages stay warm."""

    def __init__(self) -> None:
        self._flat: dict[tuple[int, str], Pixels] = {}

    def take(self, place: int, spec: Spec) -> Pixels:
        """An array of this Spec; whatever the same place held before is written over."""
        flat = self._flat.get((place, spec.dtype))
        count = spec.samples
        if flat is None or flat.size < count:
            flat = self._flat[place, spec.dtype] = np.empty(count, dtype=spec.dtype)
        return flat[:count].reshape(spec.shape)


class Steps(NamedTuple):
    """The transforms of one group for one Spec: what leaves, (label, stage, Spec out, passes) each, the last writer."""

    out: Spec
    steps: tuple[tuple[str, Transform, Spec, bool], ...]
    last: int


class Runner:
    """Runs the transforms of one group back to back on private scratch; the last one writes where it is told.

    Lives in one worker (or in the serial run) and is not shared. `now` is called with the label of the stage that
    is about to run, so that a crash can be named.
    """

    def __init__(self, links: Sequence[Link], now: Callable[[str], None]) -> None:
        self.links = links
        self.now = now
        self._plans: dict[Spec, Steps] = {}
        self._scratch = Scratch()
        self._head: Runner | None = None

    def plan(self, spec: Spec) -> Steps:
        """For frames of this Spec: what leaves, the steps, and which of them writes last.

        Raises:
            StageError: a stage refuses its Spec.
        """
        known = self._plans.get(spec)
        if known is None:
            steps, out = [], spec
            for label, stage in self.links:
                out, before = _output(label, stage, out), out
                passes = _passes(stage, before, out)
                if not (passes and stage.identity_when_equal):
                    steps.append((label, stage, out, passes))
            last = max((n for n, step in enumerate(steps) if not step[3]), default=-1)
            known = self._plans[spec] = Steps(out, tuple(steps), last)
        return known

    def run(self, frame: Frame, out: Pixels | None, known: Steps | None = None) -> None:
        """Run all stages; afterwards `frame` is the result, in `out` unless nothing wrote.

        Args:
            frame: input; its pixels are not written to unless a stage declares `in_place`.
            out: array of the Spec that `plan` gave; None for private scratch (fused groups).
            known: what `plan` gave for this Spec, where the caller keeps it.
        """
        _, steps, last = known or self.plan(frame.spec)
        side = 0
        for n, (label, stage, spec, passes) in enumerate(steps):
            self.now(label)
            try:
                if passes:
                    stage.process(frame, frame.pixels)
                    continue
                if n == last and out is not None:
                    target = out
                else:
                    target, side = self._scratch.take(side, spec), side ^ 1
                stage.process(frame, target)
            except (Exception, SystemExit) as error:
                raise StageError(label, error) from error
            frame.pixels, frame.spec = target, spec

    def expand(self, frame: Frame) -> Iterator[Part]:
        """The parts that the last stage, an expanding one, makes of the frame; the stages before it run at once."""
        label, stage = self.links[-1]
        if self._head is None:
            self._head = Runner(self.links[:-1], self.now)
        self._head.run(frame, None)
        self.now(label)
        try:
            yield from stage.expand(frame)
        except (Exception, SystemExit) as error:
            raise StageError(label, error) from error


class Fused:
    """All transforms of a plan on private scratch, frame by frame: a fused group, or the serial run.

    What they remark of a frame is added to `remarks`.
    """

    def __init__(self, links: Sequence[Link], now: Callable[[str], None], remarks: list[str]) -> None:
        self.runners: list[Runner] = []
        self._remarks = remarks
        self.spreads: list[int] = []
        self._writable = any(stage.in_place for _, stage in links)
        start = 0
        for place, (_, stage) in enumerate(links):
            if stage.expands > 1:
                self.runners.append(Runner(links[start : place + 1], now))
                self.spreads.append(stage.expands)
                start = place + 1
        self.runners.append(Runner(links[start:], now))
        self._scratch = Scratch()

    def frames(self, parts: Iterator[Part], item: Item) -> Iterator[Frame | StageError]:
        """The finished frames of an item in order; a frame that a stage skips comes as that StageError."""
        for number, part in enumerate(parts):
            yield from self._run(0, part, item, number)

    def _run(self, depth: int, part: Part, item: Item, index: int) -> Iterator[Frame | StageError]:
        pixels = self._scratch.take(depth, part.spec)
        part.fill(pixels)
        pixels.flags.writeable = self._writable
        frame = Frame(
            item, index, part.spec, pixels, part.metadata, part.pts, part.time_base, part.duration, part.clip,
            self._remarks,
        )  # fmt: skip
        try:
            if depth == len(self.runners) - 1:
                self.runners[depth].run(frame, None)
                yield frame
                return
            for number, child in enumerate(self.runners[depth].expand(frame)):
                child.inherit(frame)
                yield from self._run(depth + 1, child, item, index * self.spreads[depth] + number)
        except StageError as error:
            if not isinstance(error.cause, Skip):
                raise
            yield error


def chain_of(plan: Plan) -> Chain:
    """The transforms of all groups of a plan; a reader's worker walks them to know what a frame needs on its way."""
    groups = []
    for group in plan.groups:
        stages = group.stages[int(group.reads) : len(group.stages) - int(group.writes)]
        groups.append([(stage.label, stage.build()) for stage in stages])
    return Chain(groups)
