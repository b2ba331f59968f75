"""Whether an item is done again, decided from what was and what is: no file is touched."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.stamp import Stamp
from pipeline.journal.tables import DONE, FAILED, QUARANTINED, SKIPPED, ItemRow
from pipeline.journal.verdict import UNSURE, OnDisk, changes, is_racy, judge, may_replace
from pipeline.journal.versions import versions

ROW = ItemRow(1, b"a", 1, 100, 5_000, None, 7, DONE, 1, -1, b"a.jpg", 40, 9_000, 1, None)
THERE = OnDisk(40, 9_000)
NOW = Stamp(100, 5_000)


def reason(row: ItemRow | None = ROW, stamp: Stamp | None = NOW, chain: int = 7, there: OnDisk | None = THERE) -> str:
    verdict = judge(row, stamp, chain, (there,))
    return verdict.outcome or verdict.reason


def test_what_did_not_change_is_up_to_date() -> None:
    """Input, chain and output as they were."""
    assert reason() == "up_to_date"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (reason(None), "new"),
        (reason(stamp=None), "its input cannot be known again"),
        (reason(stamp=Stamp(101, 5_000)), "the input changed"),
        (reason(stamp=Stamp(100, 4_999)), "the input changed"),  # an older file that was put there counts too
        (reason(chain=8), "the chain changed"),
        (reason(there=None), "the output is missing"),
        (reason(there=OnDisk(41, 9_000)), "the output changed"),
        (reason(there=OnDisk(40, 9_001)), "the output changed"),
        (reason(ROW._replace(size=UNSURE)), "the input changed while it was found"),
        (reason(ROW._replace(outcome=FAILED)), "failed the last time"),
        (reason(ROW._replace(outcome=SKIPPED)), "skipped"),
    ],
)
def test_each_change_has_its_reason(found: str, expected: str) -> None:
    """One word of what differs."""
    assert found == expected


def test_poison_is_remembered_until_something_changes() -> None:
    """Not tried again, unless the input, the chain or a library is another one."""
    row = ROW._replace(outcome=QUARANTINED, cause=json.dumps({"versions": versions()}))
    assert reason(row) == "quarantined"
    assert reason(row, stamp=Stamp(100, 1)) == "the input changed"
    assert reason(row, chain=8) == "the chain changed"
    older = ROW._replace(outcome=QUARANTINED, cause='{"versions": {"pillow": "1.0"}}')
    assert reason(older) == "quarantined the last time, and a library changed"
    assert "pillow 1.0 -> " in judge(older, NOW, 7, None).detail


def test_equal_content_is_enough_where_that_is_asked() -> None:
    """Time and size may differ; another content with the same time and size is found."""
    row = ROW._replace(digest=b"x")
    assert judge(row, Stamp(100, 1, b"x"), 7, (THERE,), content=True).outcome == "up_to_date"
    assert judge(row, Stamp(100, 5_000, b"y"), 7, (THERE,), content=True).reason == "the input changed"
    assert judge(row, Stamp(100, 1, b"x"), 7, (THERE,)).reason == "the input changed"
    assert judge(ROW, Stamp(100, 5_000, b"x"), 7, (THERE,), content=True).outcome == "up_to_date"


def test_all_changes_are_told() -> None:
    """`why` lists each of them."""
    found = [each.reason for each in changes(ROW, Stamp(1, 1), 8, (None,))]
    assert found == ["the input changed", "the chain changed", "the output is missing"]


@given(
    st.builds(Stamp, st.integers(0, 3), st.integers(0, 3), st.just(b"")), st.integers(1, 2),
    st.none() | st.builds(OnDisk, st.integers(0, 3), st.integers(0, 3)), st.sampled_from([DONE, FAILED]),
)  # fmt: skip
def test_up_to_date_means_that_all_is_as_it_was(stamp: Stamp, chain: int, there: OnDisk | None, outcome: int) -> None:
    """Never a wrong "up to date"."""
    row = ROW._replace(size=1, mtime_ns=1, chain=1, output_size=1, output_mtime_ns=1, outcome=outcome)
    same = stamp == (1, 1, b"") and chain == 1 and there == (1, 1) and outcome == DONE
    assert (judge(row, stamp, chain, (there,)).outcome == "up_to_date") == same


def test_an_item_with_several_outputs_needs_all_of_them() -> None:
    """One that is missing, or another one, has the item done again."""
    row, left = ROW._replace(parts=2, output=None), (OnDisk(1, 1), OnDisk(2, 2))
    assert judge(row, NOW, 7, left, left).outcome == "up_to_date"
    assert judge(row, NOW, 7, (OnDisk(1, 1), None), left).reason == "the output is missing"
    assert judge(row, NOW, 7, (OnDisk(1, 1), OnDisk(2, 3)), left).reason == "the output changed"


@pytest.mark.parametrize(
    ("policy", "own", "older", "what"),
    [
        ("own", True, False, "replace"), ("own", False, True, "refuse"), ("never", True, True, "leave"),
        ("older", False, True, "replace"), ("older", True, False, "leave"), ("always", False, False, "replace"),
    ],
)  # fmt: skip
def test_policies_of_outputs_that_are_there(policy: str, own: bool, older: bool, what: str) -> None:
    """Whose it is, and which is older, decides."""
    assert may_replace(policy, own=own, output_ns=1 if older else 9, input_ns=5) == what


def test_a_file_that_was_just_changed_is_not_to_be_trusted() -> None:
    """Within the grain of the file system it may change once more and keep its time."""
    now = 1_700_000_000_123_456_789
    assert is_racy(now - 5_000_000, now)
    assert not is_racy(now - 50_000_000, now)
    assert is_racy(1_700_000_000_000_000_000 - 1_000_000_000, now)  # whole seconds
    assert not is_racy(1_700_000_000_000_000_000 - 5_000_000_000, now)
    assert not is_racy(now + 86_400_000_000_000, now)  # a camera whose clock is wrong
