"""Records and Specs on the wire: what is packed comes out again."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import SpecError
from pipeline.contracts.spec import (
    CHANNELS,
    CODE_NBYTES,
    DTYPES,
    MATRICES,
    MAX_SIDE,
    MODELS,
    PRIMARIES,
    RANGES,
    TRANSFERS,
    Spec,
)
from pipeline.transport import records as wire
from pipeline.transport.records import (
    HEADER_NBYTES,
    MAX_CREDIT,
    RECORD_NBYTES,
    UNIT,
    Record,
    iter_unpack,
    pack,
    region_nbytes,
    units,
)

U16, U32, U64 = (st.integers(0, (1 << bits) - 1) for bits in (16, 32, 64))
U8 = st.integers(0, 255)
records = st.tuples(
    U8, U8, U8, U32, U32, U64, U32, U32, U16, st.binary(min_size=CODE_NBYTES, max_size=CODE_NBYTES), U32, U32
)
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
    orientation=st.integers(1, 8),
    full_height=st.integers(1, MAX_SIDE),
    full_width=st.integers(1, MAX_SIDE),
    transfer=st.sampled_from(TRANSFERS),
    sar=st.tuples(st.integers(1, 65535), st.integers(1, 65535)),
)


@given(st.lists(records, max_size=9))
def test_records_come_out_as_they_went_in(sent: list[Record]) -> None:
    """64 bytes each, one after the other, every field whole."""
    data = b"".join(pack(*record) for record in sent)
    assert len(data) == RECORD_NBYTES * len(sent)
    assert list(iter_unpack(data)) == sent


def test_a_field_has_one_place() -> None:
    """The names that index a record are those of `record`, in the order in which they travel."""
    made = wire.record(1, 2, 3, 4, nth=5, offset=6, extents=(7, 8, 9), busy_us=11, extra=12)
    for name, value in (
        ("KIND", 1), ("FLAGS", 2), ("SLOT", 3), ("LEASE", 4), ("NTH", 5), ("OFFSET", 6), ("A", 7), ("B", 8), ("M", 9),
        ("BUSY", 11), ("EXTRA", 12),
    ):  # fmt: skip
        assert made[getattr(wire, name)] == value, name
    assert wire.region_of(made) == (6, 7, 8, 9)
    assert wire.without(2, made)[wire.FLAGS] == 0


@given(specs)
def test_specs_come_out_as_they_went_in(spec: Spec) -> None:
    """A few bytes hold all that a Spec says, and equal Specs have equal hashes."""
    again = Spec.unpack(spec.pack())
    assert again == spec
    assert hash(again) == hash(spec)
    assert len(spec.pack()) == len(wire.NO_SPEC)


def test_a_side_that_no_field_can_hold() -> None:
    """It is refused in words, and not cut."""
    with pytest.raises(SpecError, match="too long"):
        Spec(1, MAX_SIDE + 1).pack()


def test_a_batch_is_written_in_one_piece() -> None:
    """All credit at once stays within what every POSIX pipe takes whole, so no write can block or tear."""
    assert MAX_CREDIT * RECORD_NBYTES <= 512 <= os.pathconf("/", "PC_PIPE_BUF")
    assert len(pack(*wire.record(wire.DONE))) == RECORD_NBYTES


def test_kinds_and_flags_are_distinct() -> None:
    """No two kinds share a number, no two flags a bit."""
    kinds = [getattr(wire, name) for name in (
        "ASSIGN", "GRANT", "REFUSE", "CLAIMED", "FINISH", "STOP", "READY", "NEED", "EMIT", "DONE", "FAILED", "SKIPPED",
        "CLAIM", "BYE", "ALIVE", "ENDED",
    )]  # fmt: skip
    flags = [getattr(wire, name) for name in (
        "SIDE_B", "PROPERTIES", "GRANTED", "SLOTS", "VOID", "TRANSIENT", "FULL", "REMARKS",
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
