"""The chain of transforms bound to a Spec: what each group hands on, how small a decoder may decode, how to run it.

Used by workers, by the serial run and by `plan`; works on stage objects and knows no process and no arena.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from ..contracts.codec import Codec
from ..contracts.spec import Size, Spec
from ..contracts.stage import Transform
from ..errors import SpecError
from ..transport.records import region_nbytes, units
from .model import Plan

FAN_OUT_SLOTS = 4  # parts of one frame that may be in flight at once
Now = Callable[[int], None]


class Link(NamedTuple):
    """A transform with its label, and its number among all stages of the plan (`Plan.number_of`)."""

    label: str
    stage: Transform
    number: int = 0


def unnoticed(number: int) -> None:
    """A Now that tells no one."""


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
        parts: how many frames of the last group one becomes at most; the next one has an index greater by this.
    """

    decode: Spec
    hops: tuple[Spec, ...]
    steps: tuple[tuple[str, Spec], ...]
    a: int
    b: int
    slots: int = 0
    part: Route | None = None
    parts: int = 1

    def nbytes(self, metadata_nbytes: int = 0) -> int:
        """Bytes of the arena that one frame takes; its parts carry its metadata too."""
        own = region_nbytes(self.a, self.b, units(metadata_nbytes))
        return own + (self.slots * self.part.nbytes(metadata_nbytes) if self.part is not None else 0)


class Chain:
    """All transforms of a plan, by group; the first and last group may have none.

    Args:
        groups: transforms of each group from the reader's to the writer's.
        now: told the number of the stage that is about to be asked for its Spec, so that a crash can be named.
    """

    def __init__(self, groups: Sequence[Sequence[Link]], now: Now = unnoticed) -> None:
        self.groups = groups
        self.now = now
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

    def smallest(self, full: Spec, codec: Codec) -> Spec:
        """What the codec is to decode a picture of this Spec to: as small as the chain takes it. Raises StageError."""
        return self.route(full, codec).decode

    @property
    def keeps_extent(self) -> bool:
        """Whether frames show the whole of their source, evenly."""
        return all(link.stage.keeps_extent for group in self.groups for link in group)

    def leaves(self, full: Spec) -> bool:
        """Whether a frame of this Spec comes out as it went in. Raises StageError where a stage refuses it."""
        for link in (link for group in self.groups for link in group):
            spec = output_of(link, full, self.now)
            if link.stage.expanding or spec != full or not leaves_pixels(link.stage, full, spec):
                return False
        return True

    def _walk(self, full: Spec, codec: Codec | None, first: int) -> Route:
        groups = [*self.groups[first:]] if not first else [(), *self.groups[first + 1 :]]
        decode = full if codec is None or first else codec.shrunk(full, self._required(full))
        spec, steps = decode, []
        hops: list[Spec] = []
        writes: list[bool] = []
        for place, group in enumerate(groups):
            wrote = place == 0
            for link in group:
                spec, before = output_of(link, spec, self.now), spec
                steps.append((link.label, spec))
                wrote = wrote or not leaves_pixels(link.stage, before, spec)
                if link.stage.expanding:
                    most = expansion_of(link, before, self.now)
                    return self._expanding(decode, hops, steps, writes, (spec, first + place, most))
            if place < len(groups) - 1:
                hops.append(spec)
                writes.append(wrote)
        a, b = _extents(hops, writes)
        return Route(decode, tuple(hops), tuple(steps), a, b)

    def _expanding(
        self,
        decode: Spec,
        hops: list[Spec],
        steps: list[tuple[str, Spec]],
        writes: list[bool],
        part: tuple[Spec, int, int],
    ) -> Route:
        """A frame ends at an expanding group; room for its parts is reserved behind it."""
        spec, group, most = part
        a, b = _extents(hops, writes)
        rest = self.route(spec, first=group)
        slots = min(FAN_OUT_SLOTS, most)
        hops_on = (*hops, *rest.hops)
        return Route(decode, hops_on, (*steps, *rest.steps), a, b, slots, rest, most * rest.parts)

    def _required(self, full: Spec) -> Size:
        """The smallest size the chain takes as well as `full`: each transform asked, from the last to the first."""
        specs = [full]
        links = [link for group in self.groups for link in group]
        for link in links:
            specs.append(output_of(link, specs[-1], self.now))
        need = specs[-1].size
        for link, spec in zip(reversed(links), reversed(specs[:-1]), strict=True):
            if not link.stage.inspect:
                self.now(link.number)
                with naming(link.label):
                    need = link.stage.required_input(spec, need)
        return need


@contextmanager
def naming(label: str) -> Iterator[None]:
    """What a stage raises, or that it wants to exit, comes out as a StageError that names it."""
    try:
        yield
    except StageError:
        raise
    except (Exception, SystemExit) as error:
        raise StageError(label, error) from error


def output_of(link: Link, spec: Spec, now: Now = unnoticed) -> Spec:
    """The Spec that a stage makes of this one. Raises StageError where it refuses."""
    label, stage, number = link
    now(number)
    with naming(label):
        if not stage.planes:
            spec.require_pixels()
        out = spec if stage.inspect else stage.output_spec(spec)
        if not isinstance(out, Spec):
            raise SpecError(f"its output_spec returned {type(out).__name__}", limit="wants a Spec")
        return out


def expansion_of(link: Link, spec: Spec, now: Now = unnoticed) -> int:
    """How many frames a stage makes at most of one of this Spec. Raises StageError."""
    now(link.number)
    with naming(link.label):
        return link.stage.expands(spec)


def leaves_pixels(stage: Transform, before: Spec, after: Spec) -> bool:
    return stage.inspect or (stage.identity_when_equal and before == after)


def _extents(hops: Sequence[Spec], writes: Sequence[bool]) -> tuple[int, int]:
    sides, side = [0, 0], 1
    for spec, wrote in zip(hops, writes, strict=True):
        side ^= wrote
        sides[side] = max(sides[side], units(spec.nbytes))
    return sides[0], sides[1]


def chain_of(plan: Plan, now: Now = unnoticed) -> Chain:
    """The transforms of all groups of a plan; a reader's worker walks them to know what a frame needs on its way."""
    return Chain([transforms_of(plan, number) for number in range(len(plan.groups))], now)


def transforms_of(plan: Plan, group: int) -> list[Link]:
    """The transforms of one group, built."""
    stages = plan.groups[group].stages
    first, end = int(plan.groups[group].reads), len(stages)
    if plan.groups[group].writes:
        end -= plan.reducing + 1
    return [
        Link(stages[place].label, stages[place].build(), plan.number_of(group, place)) for place in range(first, end)
    ]
