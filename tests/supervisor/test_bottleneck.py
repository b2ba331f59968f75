"""What limits a run, in words, and how idle time is split."""

from __future__ import annotations

import pytest

from pipeline.supervisor.bottleneck import Idle, verdict
from pipeline.supervisor.report import GroupReport


def group(name: str, workers: int, busy_s: float) -> GroupReport:
    return GroupReport(name, workers, frames=10, busy_s=busy_s)


def test_idle_time_is_split_as_it_was_sampled() -> None:
    """Starved and blocked in the proportion of the samples; without any, starved; never less than nothing."""
    assert Idle(3, 1).split(8.0) == (6.0, 2.0)
    assert Idle().split(8.0) == (8.0, 0.0)
    assert Idle(1, 1).split(-2.0) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("groups", "cores", "said"),
    [
        ([group("reader", 2, 10), group("shrink", 2, 9), group("writer", 1, 0.5)], 2, "the 2 cores: all busy; reader"),
        ([group("reader", 1, 9.5), group("shrink", 2, 2)], 8, "reader: 95% busy with 1 worker; give it more workers"),
        ([group("reader", 1, 1), group("shrink", 2, 19)], 8, "shrink: 95% busy with 2 workers"),
        ([group("reader", 1, 1), group("shrink", 2, 2)], 8, "no stage: the busiest is"),
    ],
)
def test_the_verdict(groups: list[GroupReport], cores: int, said: str) -> None:
    """The cores where they are full, else the busiest group, else what lies between the stages."""
    assert verdict(groups, 10.0, cores).startswith(said)


def test_nothing_is_said_of_nothing() -> None:
    """Before a frame has moved there is no limit to name."""
    assert verdict([], 10.0, 2) == ""
    assert verdict([group("a", 1, 1)], 0.0, 2) == ""
    assert verdict([GroupReport("a", 1)], 10.0, 2) == ""
