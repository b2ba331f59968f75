"""Threads that fetch ahead: every item gets its own bytes, errors keep their place, and memory is bounded."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Event
from typing import Any

import pytest
from harness import DEADLINE_S

from pipeline import Item, ItemError, Reader
from pipeline.contracts.contexts import Limits
from pipeline.worker import ahead
from pipeline.worker.ahead import Ahead

Load = Callable[[Item, Any], memoryview]


class Asked(Reader):
    """Its `load` is what a test gives it."""

    def __init__(self, load: Load) -> None:
        object.__setattr__(self, "load", load)


def told(item: Item, context: Any) -> memoryview:
    """The name of the item, by the way that stores go."""
    data = item.name.encode()

    def read_into(view: memoryview) -> int:
        view[:] = data
        return len(data)

    loaded: memoryview = context.load_from(len(data), read_into)
    return loaded


def item(number: int, nbytes: int = 8) -> Item:
    return Item(number, f"/{number}", "", f"{number:0{nbytes}d}")


def test_each_item_gets_its_own_bytes() -> None:
    """With more items than threads, and each buffer its own."""
    fetching = Ahead(Asked(told), Limits(), 4)
    for number in range(50):
        fetching.begin(number, item(number))
    views = [fetching.wait(number) for number in range(50)]
    assert [bytes(view) for view in views] == [item(number).name.encode() for number in range(50)]
    fetching.close()


def test_threads_fetch_at_the_same_time() -> None:
    """Four loads that wait for each other are through only where all four run at once."""
    together = Barrier(4)

    def load(one: Item, context: Any) -> memoryview:
        together.wait(DEADLINE_S)
        return told(one, context)

    fetching = Ahead(Asked(load), Limits(), 4)
    for number in range(8):
        fetching.begin(number, item(number))
    assert [bytes(fetching.wait(number)) for number in range(8)]
    fetching.close()


def test_an_error_is_that_of_its_item() -> None:
    """The others are not touched by it; bounds hold as for a file that is read in its turn."""

    def load(one: Item, context: Any) -> memoryview:
        if one.number == 1:
            raise OSError(5, "the network went")
        return told(one, context)

    fetching = Ahead(Asked(load), Limits(file_nbytes=100), 2)  # type: ignore[arg-type]
    for number, nbytes in enumerate((8, 8, 101, 8)):
        fetching.begin(number, item(number, nbytes))
    assert fetching.wait(0)
    with pytest.raises(OSError, match="the network went"):
        fetching.wait(1)
    with pytest.raises(ItemError, match="file_size"):
        fetching.wait(2)
    assert fetching.wait(3)
    fetching.close()


def test_what_lies_ahead_is_bounded_and_the_oldest_may_always_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of items of half the bound two lie ahead at most; one that is larger than all of it is fetched in its turn."""
    monkeypatch.setattr(ahead, "MOST_NBYTES", 1000)
    fetching = Ahead(Asked(told), Limits(), 8)
    sizes = [500, 500, 500, 5000, 500, 400, 600]
    for number, nbytes in enumerate(sizes):
        fetching.begin(number, item(number, nbytes))
    for number, nbytes in enumerate(sizes):
        assert len(fetching.wait(number)) == nbytes
        with fetching._room:
            others = sum(fetch.nbytes for lease, fetch in fetching._known.items() if lease != number)
            assert others <= 1000
        fetching.end(number)
    assert fetching._used == 0
    fetching.close()


def test_a_lease_that_ends_before_its_bytes_are_there() -> None:
    """It was skipped by its name: what comes of the thread is nobody's, and no room is lost."""
    may_go = Event()

    def load(one: Item, context: Any) -> memoryview:
        if one.number == 0:
            assert may_go.wait(DEADLINE_S)
        return told(one, context)

    fetching = Ahead(Asked(load), Limits(), 1)
    fetching.begin(0, item(0))
    fetching.begin(1, item(1))
    fetching.end(0)
    may_go.set()
    assert bytes(fetching.wait(1)) == b"00000001"
    fetching.end(1)
    assert fetching._used == 0
    fetching.close()
