"""What every transform must keep to, asked for each Spec that it takes; a new one is tested unasked."""

from __future__ import annotations

import numpy as np
import pytest
from components import REFUSED, TAKEN, TRANSFORMED, Pair, of_kind
from pictures import CANARY, OTHER_CANARY, frame_of, guarded, intact, waves

from pipeline import Size, SpecError, Transform
from pipeline.plan.chain import Chain, Link, StageError


def passes(pair: Pair) -> bool:
    """Whether the engine hands such a frame on without asking the transform to write one."""
    stage: Transform = pair.stage()
    return stage.inspect or (stage.identity_when_equal and stage.output_spec(pair.spec) == pair.spec)


PASSING = [pair for pair in TAKEN if passes(pair)]
EXPANDING = [pair for pair in TAKEN if pair.stage().expanding]
WRITING = [pair for pair in TAKEN if pair not in PASSING and pair not in EXPANDING]
WITH_PLANES = [pair for pair in TAKEN if pair.spec.is_yuv]
WITHOUT_PLANES = [pair for pair in REFUSED if pair.spec.is_yuv and not pair.stage().planes]
REFUSING = [pair for pair in REFUSED if pair not in WITHOUT_PLANES]


@pytest.mark.parametrize("cls", of_kind(Transform), ids=lambda cls: cls.__name__)
def test_each_takes_some_spec(cls: type[Transform]) -> None:
    """A transform that refuses every Spec of the list would pass all other tests of this file."""
    assert any(pair.cls is cls for pair in TAKEN)


def test_most_pairs_are_taken() -> None:
    """The pairs are found by asking, so a mistake in asking could leave no test at all; the numbers say it would."""
    assert len(TAKEN) + len(REFUSED) == len(TRANSFORMED)
    assert len(TAKEN) > 30 * len(of_kind(Transform))
    assert len(WRITING) > len(TAKEN) / 2
    assert EXPANDING
    assert WITH_PLANES
    assert WITHOUT_PLANES


@pytest.mark.parametrize("pair", WRITING, ids=str)
def test_fills_its_output_and_nothing_else(pair: Pair) -> None:
    """Every byte of `out` is written, none beside it; the input is read-only; the result is the same each time."""
    spec = pair.spec
    target = pair.stage().output_spec(spec)
    assert pair.stage().output_spec(spec) == target
    pixels = waves(spec)
    before, results = pixels.copy(), []
    for canary in (CANARY, OTHER_CANARY):
        out, buffer = guarded(target, canary)
        pair.stage().process(frame_of(pixels, spec), out)
        assert intact(buffer, canary)
        results.append(out.tobytes())
    assert results[0] == results[1]
    assert (pixels == before).all()


@pytest.mark.parametrize("pair", EXPANDING, ids=str)
def test_makes_as_many_parts_as_it_says(pair: Pair) -> None:
    """At least one and at most `expands`; each fills its own memory and nothing else."""
    stage: Transform = pair.stage()
    parts = list(stage.expand(frame_of(waves(pair.spec), pair.spec)))
    assert 1 <= len(parts) <= stage.expands(pair.spec)
    for part in parts:
        out, buffer = guarded(part.spec)
        part.fill(out)
        assert intact(buffer)


@pytest.mark.parametrize("pair", PASSING, ids=str)
def test_hands_on_what_it_does_not_change(pair: Pair) -> None:
    """One that only looks, or has nothing to do, announces the Spec that it got, and leaves the pixels alone."""
    stage: Transform = pair.stage()
    assert stage.output_spec(pair.spec) == pair.spec
    pixels = waves(pair.spec)
    before = pixels.copy()
    if stage.inspect:
        stage.process(frame_of(pixels, pair.spec), np.empty(0))
    assert (pixels == before).all()


@pytest.mark.parametrize("pair", REFUSING, ids=str)
def test_says_what_it_wants_instead(pair: Pair) -> None:
    """A Spec that is not taken is refused in words."""
    with pytest.raises(SpecError) as caught:
        pair.stage().output_spec(pair.spec)
    assert caught.value.what


@pytest.mark.parametrize("pair", WITHOUT_PLANES, ids=str)
def test_gets_no_planes_unless_it_says_so(pair: Pair) -> None:
    """The plan has YUV turned into rgb before stages without `planes`; the engine refuses it to these."""
    with pytest.raises(StageError, match="planes"):
        Chain([[], [Link("it", pair.stage())], []]).route(pair.spec)


@pytest.mark.parametrize("pair", WITH_PLANES, ids=str)
def test_gets_planes_where_it_says_so(pair: Pair) -> None:
    """The engine finds a way for them through the stage, and what comes out has three channels."""
    assert Chain([[], [Link("it", pair.stage())], []]).route(pair.spec).hops[-1].channels == 3


@pytest.mark.parametrize("pair", TAKEN, ids=str)
def test_never_requires_more_than_there_is(pair: Pair) -> None:
    """`required_input` is at least a pixel and at most the input."""
    stage: Transform = pair.stage()
    need = stage.required_input(pair.spec, stage.output_spec(pair.spec).size)
    assert isinstance(need, Size)
    assert 1 <= need.height <= pair.spec.height
    assert 1 <= need.width <= pair.spec.width
