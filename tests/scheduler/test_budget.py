"""How items end, how they are counted, and when that stops a run; one policy for the core and the serial run."""

from __future__ import annotations

import pytest

from pipeline.config.key_types import MaxFailures
from pipeline.config.keys import OnError
from pipeline.contracts.cause import Cause
from pipeline.contracts.frame import Item
from pipeline.errors import Exit
from pipeline.scheduler import Budget, Entry, Halt

BAD = Cause("s", "input", "is bad", limit="at most 3")
SMALL = Cause("s", "skip", "too small")


@pytest.mark.parametrize(
    ("made", "outcome"),
    [
        ({"frames": 1}, "done"),
        ({}, "done"),
        ({"skip": SMALL}, "skipped"),
        ({"skip": Cause("s", "skip", "")}, "skipped"),
        ({"skip": SMALL, "frames": 3}, "done"),
        ({"failure": BAD, "frames": 3}, "failed"),
        ({"failure": BAD, "quarantined": True}, "quarantined"),
        ({"cancelled": True, "frames": 1}, "cancelled"),
    ],
)
def test_how_an_item_ends(made: dict[str, object], outcome: str) -> None:
    """Cancelled before failed before skipped before done; some frames written make a skip a success."""
    entry = Entry(Item(0, "a"), "")
    for name, value in made.items():
        setattr(entry, name, value)
    assert entry.outcome == outcome


def counted(policy: OnError, *outcomes: str) -> list[Halt | None]:
    """What the budget says to each of these ends, and at the end of all."""
    budget = Budget(policy)
    said = []
    for number, outcome in enumerate(outcomes):
        budget.ledger.found += 1
        item = Item(number, "a")
        told, halt = budget.count(item, outcome, BAD if outcome != "done" else None, 2)
        assert (told.item, told.outcome, told.frames) == (item, outcome, 2)
        assert told.cause is (BAD if outcome != "done" else None)
        said.append(halt)
    assert budget.ledger.balances
    return [*said, budget.ending(next(filter(None, said), None), all_found=True)]


def test_every_outcome_is_counted_and_only_losses_are_judged() -> None:
    """A run that allows no failure at all does not mind items that are done, skipped, up to date or cancelled."""
    none = OnError(policy="stop", max_failures=MaxFailures(0, 0.0))
    assert counted(none, "done", "up_to_date", "skipped", "cancelled") == [None] * 5


def test_stop_is_at_the_first_failure() -> None:
    """The reason is that of the item, in one line."""
    _, halt, ending = counted(OnError(policy="stop", max_failures=MaxFailures()), "done", "quarantined")
    told = "stopped at the first failure (`on_error: {policy: stop}`): is bad; at most 3"
    assert halt == Halt(Exit.STOPPED, told)
    assert ending is None, "there was nothing left to stop"


def test_a_number_of_failures_stops_at_once() -> None:
    """Two are allowed: the third one stops the run, failed and quarantined alike."""
    said = counted(OnError(max_failures=MaxFailures(count=2)), "failed", "quarantined", "done", "failed")
    assert said[:3] == [None, None, None]
    assert said[3] == Halt(Exit.STOPPED, "more than 2 items failed (`on_error: {max_failures}`)")


def test_a_share_is_judged_from_200_items_on() -> None:
    """Five per cent of few items mean nothing; and a run that tried all of them was not stopped."""
    share = OnError(max_failures=MaxFailures(share=0.05))
    assert counted(share, "failed", *["done"] * 18, "failed") == [None] * 21
    *during, last, ending = counted(share, *["failed"] * 10, *["done"] * 189, "failed")
    assert during == [None] * 199
    assert last == Halt(Exit.STOPPED, "11 of 200 items failed, more than the 5% of `on_error: {max_failures}`")
    assert ending is None
    assert counted(share, *["failed"] * 10, *["done"] * 190) == [None] * 201


def test_a_halt_with_items_left_stands() -> None:
    """Not all found, or some cancelled: the run was stopped. What is no matter of failures always stands."""
    budget, halt = Budget(OnError()), Halt(Exit.STOPPED, "too many")
    budget.count(Item(0, "a"), "failed", BAD)
    assert budget.ending(halt, all_found=False) is halt
    assert budget.ending(halt, all_found=True) is None
    environment = Halt(Exit.ENVIRONMENT, "disk full")
    assert budget.ending(environment, all_found=True) is environment
    budget.count(Item(1, "b"), "cancelled")
    assert budget.ending(halt, all_found=True) is halt
