"""Threads of a reader's worker that fetch the bytes of items before their turn, while it decodes others.

For inputs that are slow to come: while one thread waits for a network, the others and the decoder go on. The parent
knows nothing of it but the credit: a worker with N threads has N more leases in hand.
"""

from __future__ import annotations

from functools import partial
from queue import SimpleQueue
from threading import Condition, Event, Thread
from typing import cast

from ..contracts.contexts import Limits, ReadContext
from ..contracts.frame import Item
from ..contracts.stage import Reader
from .source_bytes import SourceBytes

MOST_NBYTES = 64 << 20  # fetched and not used yet; the oldest item may always come


class _Fetch:
    """One item on its way.

    Attributes:
        data, error: what came of it, once it is over.
        nbytes: what it holds of the bytes that may lie ahead; negative once nobody waits for it any more.
    """

    __slots__ = ("data", "error", "item", "nbytes", "over")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.data: memoryview | None = None
        self.error: BaseException | None = None
        self.nbytes = 0
        self.over = Event()


class Ahead:
    """Fetches items in the order in which they are given.

    Args:
        reader: its `load` is called in several threads at once, with a context that has `load` and `load_from` alone.
        threads: how many.
    """

    def __init__(self, reader: Reader, limits: Limits, threads: int) -> None:
        self._reader, self._limits, self._most = reader, limits, threads
        self._known: dict[int, _Fetch] = {}  # by lease, the oldest first
        self._next: SimpleQueue[_Fetch | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._room = Condition()  # waited for only where much lies ahead: else no thread wakes another
        self._used = 0

    def begin(self, lease: int, item: Item) -> None:
        """Fetch this item as soon as a thread is free."""
        fetch = self._known[lease] = _Fetch(item)
        if len(self._threads) < min(self._most, len(self._known)):
            thread = Thread(target=self._run, name="fetch", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._next.put(fetch)

    def wait(self, lease: int) -> memoryview:
        """The bytes of an item that was begun, once they are there. Raises what fetching them raised."""
        fetch = self._known[lease]
        fetch.over.wait()
        if fetch.error is not None:
            raise fetch.error
        assert fetch.data is not None
        return fetch.data

    def end(self, lease: int) -> None:
        """The lease is over: what was fetched for it is not needed any more."""
        with self._room:
            fetch = self._known.pop(lease)
            self._used -= fetch.nbytes
            fetch.nbytes = -1
            self._room.notify_all()

    def close(self) -> None:
        """End the threads; no item is under way any more."""
        for _ in self._threads:
            self._next.put(None)
        for thread in self._threads:
            thread.join()

    # ---- a thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (fetch := self._next.get()) is not None:
            context = SourceBytes(self._limits, 0, partial(self._take_room, fetch))
            try:
                fetch.data = self._reader.load(fetch.item, cast("ReadContext", context))
            except BaseException as error:
                fetch.error = error
            fetch.over.set()

    def _take_room(self, fetch: _Fetch, nbytes: int) -> None:
        """Wait until an item of this size may lie ahead."""
        with self._room:
            self._room.wait_for(lambda: fetch.nbytes < 0 or self._may_take(fetch, nbytes))
            if fetch.nbytes >= 0:
                self._used += nbytes
                fetch.nbytes += nbytes

    def _may_take(self, fetch: _Fetch, nbytes: int) -> bool:
        return self._used + nbytes <= MOST_NBYTES or next(iter(self._known.values())) is fetch
