"""Records and Specs on the wire: what is packed comes out again."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import SpecError, messages
from pipeline.frame import CHANNELS, DTYPES, MATRICES, MAX_SIDE, MODELS, PRIMARIES, RANGES, TRANSFERS, Spec
from pipeline.messages import HEADER_NBYTES, UNIT, Record, iter_unpack, pack, region_nbytes, units
from pipeline.plan import MAX_CREDIT, RECORD_NBYTES

U16, U32, U64 = (st.integers(0, (1 << bits) - 1) for bits in (16, 32, 64))
records = st.builds(
    Record, kind=st.integers(0, 255), flags=st.integers(0, 255), slot=U16, lease=U32, nth=U32, offset=U64, a=U32, b=U32,
    m=U32, spec=st.binary(min_size=24, max_size=24), busy_us=U32, extra=U32,
)  # fmt: skip
specs = st.builds(
    Spec,
    height=st.integers(1, MAX_SIDE),
    width=st.integers(1, MAX_SIDE),
    channels=st.integers(1, 255),
    dtype=st.sampled_from(DTYPES),
    model=st.sampled_from(MODELS),
    range=st.sampled_from(RANGES),
    matrix=st.sampled_from(MATRICES),
    primaries=st.sampled_from(PRIMARIES),
    planar=st.booleans(),
    orientation=st.integers(1, 8),
    full_height=st.integers(1, MAX_SIDE),
    full_width=st.integers(1, MAX_SIDE),
    transfer=st.sampled_from(TRANSFERS),
    sar=st.tuples(st.integers(1, 65535), st.integers(1, 65535)),
)


@given(st.lists(records, max_size=9))
def test_records_come_out_as_they_went_in(sent: list[Record]) -> None:
    """64 bytes each, one after the other, every field whole."""
    wire = b"".join(record.pack() for record in sent)
    assert len(wire) == RECORD_NBYTES * len(sent)
    assert [Record(*fields) for fields in iter_unpack(wire)] == sent


@given(specs)
def test_specs_come_out_as_they_went_in(spec: Spec) -> None:
    """24 bytes hold all that a Spec says, and equal Specs have equal hashes."""
    again = Spec.unpack(spec.pack())
    assert again == spec
    assert hash(again) == hash(spec)
    assert len(spec.pack()) == len(messages.NO_SPEC)


def test_a_side_that_24_bits_cannot_hold() -> None:
    """It is refused in words, and not cut."""
    with pytest.raises(SpecError, match="too long"):
        Spec(1, MAX_SIDE + 1).pack()


def test_a_batch_is_written_in_one_piece() -> None:
    """All credit at once stays within what every POSIX pipe takes whole, so no write can block or tear."""
    assert MAX_CREDIT * RECORD_NBYTES <= 512 <= os.pathconf("/", "PC_PIPE_BUF")
    assert len(pack(*Record(messages.DONE))) == RECORD_NBYTES


def test_kinds_and_flags_are_distinct() -> None:
    """No two kinds share a number, no two flags a bit."""
    kinds = [getattr(messages, name) for name in (
        "ASSIGN", "GRANT", "REFUSE", "CLAIMED", "FINISH", "STOP", "READY", "NEED", "EMIT", "DONE", "FAILED", "SKIPPED",
        "CLAIM", "BYE", "ALIVE",
    )]  # fmt: skip
    flags = [getattr(messages, name) for name in (
        "SIDE_B", "FRAME", "PROPERTIES", "GRANTED", "SLOTS", "TRANSIENT", "FULL", "PASSED",
    )]  # fmt: skip
    assert len(set(kinds)) == len(kinds)
    assert sum(flags) == 255
    assert all(flag & (flag - 1) == 0 for flag in flags)


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 20), st.integers(0, 1 << 20))
def test_sizes_in_units(nbytes: int, b: int, m: int) -> None:
    """Rounded up to 64 bytes, never down; a region is its header and its extents."""
    a = units(nbytes)
    assert nbytes <= a * UNIT < nbytes + UNIT
    assert region_nbytes(a, b, m) == HEADER_NBYTES + UNIT * (a + b + m)
    assert region_nbytes(a, b, m) % UNIT == 0


def test_channels_of_the_colour_models() -> None:
    """`Spec.of` knows how many samples a pixel has."""
    for model, channels in CHANNELS.items():
        assert Spec.of(model, 2, 3).channels == channels
