"""The chain bound to a Spec: how much memory a frame takes, how small it is decoded, and how stages run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stages_for_tests.steps import Halves, Invert, Tiles

from pipeline import Frame, Item, Metadata, Part, Size, Skip, Spec, SpecError, Transform
from pipeline.contracts.codec import Codec
from pipeline.plan.chain import FAN_OUT_SLOTS, Chain, Link, StageError
from pipeline.transport.records import UNIT, region_nbytes, units
from pipeline.worker.runner import Fused, Runner
from stages.codecs.jpeg import Jpeg
from stages.transforms.crop import Crop
from stages.transforms.identity import Identity
from stages.transforms.orient import Orient
from stages.transforms.resize import Resize

ITEM = Item(0, "a.jpg", "", "a.jpg")
SPEC = Spec.of("rgb", 300, 400)


@dataclass(frozen=True)
class Sized(Transform):
    """Makes frames of a height; equal ones pass if it is told so."""

    height: int
    identity_when_equal: bool = False  # type: ignore[misc]

    def output_spec(self, spec: Spec) -> Spec:
        return spec.resized(self.height, spec.width)

    def process(self, frame: Frame, out: np.ndarray[Any, Any]) -> None:
        out[...] = frame.pixels[0, 0, 0] + 1


def links(*stages: Transform) -> list[Link]:
    return [Link(f"{type(stage).__name__}-{number}", stage, number) for number, stage in enumerate(stages)]


def frame_of(spec: Spec, value: int = 0) -> Frame:
    pixels = np.full(spec.shape, value, spec.dtype)
    pixels.flags.writeable = False
    return Frame(ITEM, 0, spec, pixels)


steps = st.one_of(
    st.builds(Sized, st.integers(1, 9), st.booleans()), st.just(Identity()), st.just(Invert()), st.just(Orient())
)


@given(st.lists(st.lists(steps, max_size=3), max_size=5), st.integers(1, 9))
def test_two_extents_are_enough_for_every_chain(groups: list[list[Transform]], height: int) -> None:
    """Following a frame from group to group as the workers do, each finds room in the extent it writes to."""
    spec = Spec.of("rgb", height, 7)
    chain = Chain([[], *(links(*group) for group in groups), []])
    route = chain.route(spec)
    extents = (route.a, route.b)
    side, at = 0, spec
    assert units(at.nbytes) <= extents[0], "the reader writes to the first extent"
    for number, group in enumerate(chain.groups[1:-1]):
        plan = Runner(group, lambda _: None).plan(at)
        assert plan.out == route.hops[number + 1]
        if plan.last >= 0:
            side ^= 1
            assert units(plan.out.nbytes) <= extents[side]
        at = plan.out
    assert route.nbytes() == region_nbytes(*extents, 0)
    assert route.nbytes(65) == region_nbytes(*extents, 2)


def test_the_smallest_scale_is_asked_from_the_last_stage_to_the_first() -> None:
    """Each transform says what it needs for what the next one needs; a stage that looks only has no say."""
    chain = Chain([links(), links(Orient(), Identity(), Resize(width=100, fit="inside", reducing_gap=2.0)), links()])
    full = Spec.of("rgb", 3000, 4000)
    route = chain.route(full, Jpeg())
    assert route.decode.size == Size(375, 500)
    assert route.decode.full_size == full.size
    assert route.hops[-1].size == Size(75, 100)
    turned = chain.route(replace(full, orientation=6), Jpeg())
    assert turned.hops[-1].size == Size(133, 100)
    assert chain.route(full).decode == full, "without a codec nothing is decoded smaller"


def test_a_route_is_walked_once_for_each_spec_and_codec() -> None:
    """The same Spec leads to the same route; another codec may decode to another size."""

    class Other(Codec):
        pass

    chain = Chain([links(), links(Resize(width=10)), links()])
    full = Spec.of("rgb", 800, 800)
    assert chain.route(full, Jpeg()) is chain.route(replace(full), Jpeg())
    assert chain.route(full, Other()).decode == full != chain.route(full, Jpeg()).decode


def test_room_for_parts_is_reserved_behind_their_frame() -> None:
    """As many parts as may be in flight, each with its whole way and the metadata of its frame."""
    tiles = Chain([links(), links(Tiles(side=64, most=30)), links(Crop(width=8, height=8)), links()])
    route = tiles.route(SPEC)
    assert route.part is not None
    assert route.part.decode.size == Size(64, 64)
    assert route.slots == FAN_OUT_SLOTS
    assert route.nbytes(1000) == region_nbytes(route.a, route.b, units(1000)) + 4 * route.part.nbytes(1000)
    twice = Chain([links(), links(Tiles(side=64, most=30)), links(Halves()), links()]).route(SPEC)
    assert twice.part is not None
    assert twice.part.part is not None
    assert (twice.part.slots, twice.part.part.decode.size) == (2, Size(64, 32))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_stage_that_refuses_is_named(place: int) -> None:
    """Whichever group it is in, the error says which stage, and what it said."""

    class Refuses(Transform):
        def output_spec(self, spec: Spec) -> Spec:
            raise SpecError("wants something else")

    groups: list[list[Link]] = [[], [], []]
    groups[place] = [Link("picky", Refuses())]
    for codec in (None, Jpeg()):
        with pytest.raises(StageError) as caught:
            Chain([*groups, []]).route(SPEC, codec)
        assert caught.value.label == "picky"
        assert str(caught.value.cause) == "wants something else"


@pytest.mark.parametrize("given_out", [True, False])
def test_stages_run_back_to_back_and_the_last_writes_where_it_is_told(given_out: bool) -> None:
    """Scratch in between, the given array at the end; each stage is named before it runs."""
    named: list[int] = []
    runner = Runner(links(Sized(4), Identity(), Sized(5), Sized(3), Identity()), named.append)
    frame = frame_of(Spec.of("gray", 2, 6))
    runner.plan(frame.spec)
    assert named == [0, 1, 2, 3, 4], "each is named before it is asked for its Spec"
    named.clear()
    out = np.zeros((3, 6, 1), np.uint8) if given_out else None
    before = frame.pixels
    runner.run(frame, out)
    assert frame.spec.size == Size(3, 6)
    assert (frame.pixels == 3).all()
    assert not before.any()
    if out is not None:
        assert np.shares_memory(frame.pixels, out)
    assert named == [0, 1, 2, 3, 4]


def test_a_group_that_only_looks_writes_nothing() -> None:
    """The frame goes on in the memory it lies in; a stage that has nothing to do is not called."""
    named: list[int] = []
    runner = Runner(links(Identity(), Orient(), Sized(300, identity_when_equal=True)), named.append)
    frame = frame_of(SPEC)
    pixels = frame.pixels
    assert runner.plan(SPEC).last == -1
    named.clear()
    runner.run(frame, None)
    assert frame.pixels is pixels
    assert named == [0]


@pytest.mark.parametrize("error", [ValueError("bad"), Skip("small"), SystemExit(0)])
def test_what_a_stage_raises_comes_with_its_name(error: BaseException) -> None:
    """Also an exit; the next frame is worked on as if nothing had been."""

    class Raises(Sized):
        def process(self, frame: Frame, out: np.ndarray[Any, Any]) -> None:
            if frame.index:
                raise error
            super().process(frame, out)

    runner = Runner(links(Sized(2), Raises(2)), lambda _: None)
    bad = frame_of(SPEC)
    bad.index = 1
    with pytest.raises(StageError) as caught:
        runner.run(bad, None)
    assert (caught.value.label, caught.value.cause) == ("Raises-1", error)
    good = frame_of(SPEC)
    runner.run(good, None)
    assert (good.pixels == 2).all()


def parts(*sizes: tuple[int, int], **more: Any) -> Iterator[Part]:
    for number, (height, width) in enumerate(sizes):
        yield Part(Spec.of("gray", height, width), partial(np.copyto, src=np.uint8(number)), **more)


def test_a_fused_chain_numbers_the_frames_it_makes() -> None:
    """Two expanding stages: indices as the staged run gives them, metadata handed down, scratch never mixed up."""
    metadata = Metadata(icc=b"profile")
    fused = Fused(links(Tiles(side=2, most=4), Halves(), Sized(3)), lambda _: None, [])
    made = [
        (frame.index, frame.spec.size, int(frame.pixels[0, 0, 0]), frame.metadata)
        for frame in fused.frames(parts((2, 4), (2, 3), metadata=metadata), ITEM)
        if isinstance(frame, Frame)
    ]
    assert made == [
        (0, Size(3, 1), 1, metadata), (1, Size(3, 1), 1, metadata), (2, Size(3, 1), 1, metadata),
        (3, Size(3, 1), 1, metadata), (8, Size(3, 1), 2, metadata), (9, Size(3, 1), 2, metadata),
        (10, Size(3, 1), 2, metadata),
    ]  # fmt: skip


def test_a_skipped_frame_comes_as_its_error_and_the_others_go_on() -> None:
    """A Skip is told in its place; anything else ends the item."""
    fused = Fused(links(Tiles(side=9, least=3)), lambda _: None, [])
    made = list(fused.frames(parts((4, 4), (4, 2), (4, 5)), ITEM))
    assert [type(each) for each in made] == [Frame, StageError, Frame]

    class Breaks(Identity):
        def process(self, frame: Frame, out: np.ndarray[Any, Any]) -> None:
            raise ValueError("bad")

    with pytest.raises(StageError, match="bad"):
        list(Fused(links(Breaks()), lambda _: None, []).frames(parts((1, 1)), ITEM))


def test_pixels_are_read_only_on_scratch_too() -> None:
    """A stage that writes into its input is found out, as it would be in a worker."""
    seen: list[bool] = []

    class Looks(Identity):
        def process(self, frame: Frame, out: np.ndarray[Any, Any]) -> None:
            seen.append(frame.pixels.flags.writeable)

    list(Fused(links(Looks()), lambda _: None, []).frames(parts((4, 4), (8, 8), (4, 4)), ITEM))
    assert seen == [False] * 3


def test_sizes_travel_in_units() -> None:
    """Extents are whole units of 64 bytes, so that every one is aligned."""
    route = Chain([links(), links(Sized(1)), links()]).route(Spec.of("gray", 1, 1))
    assert (route.a, route.b, route.nbytes() % UNIT) == (1, 1, 0)
