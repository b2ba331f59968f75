"""Items of a folder for ever: what is there, then what appears, each once it has been left alone for a while.

Events of the file system are hints: a look through the whole folder finds what they missed (a queue that ran over, a
file system that tells nothing), and the journal keeps what is up to date from being done again.
"""

from __future__ import annotations

import heapq
import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from ..contracts.frame import Item
from ..contracts.stage import Reader
from ..contracts.stamp import Stamp
from ..errors import UsageError

if TYPE_CHECKING:
    from ..journal import Journal

LOOK_S = 60.0  # between two looks through the folder, where events come; and never more than a twentieth of the time
POLL_S = 2.0  # the same, where no events come
SHARE = 20
AGAIN_S = (10.0, 3600.0)  # first and longest pause before an item that failed is tried again
REMEMBERED = 100_000  # items that failed, whose pauses are kept; items that were told of; paths that events name
OLD_S = (
    90_000.0  # an input that was not changed for a day and an hour is whole, whatever zone a file server's clock is in
)
MOST_PENDING = 20_000  # items that wait to settle, about 10 MB: a look through a folder of millions sees all of them
AWAY_S = 2.0  # between two looks for a folder that is not there


class Watched:
    """The items of a reader, in the discovery thread; told of ends by the loop.

    Args:
        reader: one that has a `root`.
        without: the folder of the outputs.
        settle_s: how long size and time of an item must not change, by our own clock, before it is taken.
        say: told when the folder is not there, and when it is again.
        polling: whether not to rely on events; None asks the file system.

    Attributes:
        looks: how often the whole folder was looked through.

    Raises:
        UsageError: the reader has no folder.
    """

    def __init__(
        self, reader: Reader, without: str | None, settle_s: float, *, polling: bool | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        if reader.root is None or not reader.watchable:
            raise UsageError("watch needs a reader of a folder", remedy="use folder, video or sequence")
        self.root = reader.root
        self.journal: Journal | None = None
        self.looks = 0
        self.polling = no_events(self.root) if polling is None else polling
        self._reader = reader
        self._without = without
        self._settle_s = settle_s
        self._say = say
        self._numbers = itertools.count()
        self._order = itertools.count()
        self._due: list[tuple[float, int, str]] = []
        self._pending: dict[str, tuple[Item, Stamp | None]] = {}
        self._failed: dict[str, tuple[int, float, Stamp | None]] = {}
        self._told: dict[str, Stamp | None] = {}
        self._hints: set[str] = set()
        self._lock, self._hinted, self._stop = Lock(), Event(), Event()
        self._listener: Thread | None = None

    # ---- other threads -------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """No more items."""
        self._stop.set()
        self._hinted.set()

    def ended(self, item: Item, outcome: str) -> None:
        """An item ended; one that failed is tried again after a pause that doubles. Called in the loop."""
        key = self._reader.key(item)
        with self._lock:
            if outcome not in ("failed", "quarantined"):
                self._failed.pop(key, None)
                return
            tries = self._failed.get(key, (0, 0.0, None))[0] + 1
            first, most = AGAIN_S
            pause = min(most, first * 2 ** (tries - 1))
            if len(self._failed) < REMEMBERED or key in self._failed:
                self._failed[key] = (tries, time.monotonic() + pause, self._reader.stamp(item))

    # ---- the discovery thread ------------------------------------------------------------------------------------

    def items(self) -> Iterator[Item]:
        """The items, as they settle; ends after `stop`."""
        if not self.polling:
            self._listener = Thread(target=self._listen, name="watch", daemon=True)
            self._listener.start()
        while not self._stop.is_set():
            began = time.monotonic()
            yield from self._look()
            took = time.monotonic() - began
            pause = max(POLL_S if self.polling else LOOK_S, SHARE * took)
            yield from self._until(time.monotonic() + pause)

    def _look(self) -> Iterator[Item]:
        """Once through the folder. One that is away for a while, as when a share is mounted anew, is waited for."""
        while not self._stop.is_set():
            try:
                for item in self._reader.discover(self._without):
                    self._see(item)
                    yield from self._with_room()
                    if self._stop.is_set():
                        return
                self.looks += 1
                return
            except (UsageError, OSError) as error:
                if not self.looks:
                    raise
                self.polling = True  # events of the folder that went tell nothing of the one that comes
                self._say(f"the folder is away, and is waited for: {error}")
            yield from self._until(time.monotonic() + AWAY_S)
            while not self._stop.is_set() and not os.path.isdir(self.root):
                yield from self._until(time.monotonic() + AWAY_S)
            self._say("the folder is there again")

    def _until(self, end: float) -> Iterator[Item]:
        """What settles until the next look through the folder, and what is to be tried again."""
        while not self._stop.is_set() and (now := time.monotonic()) < end:
            with self._lock:
                retry = min((due for _, due, _ in self._failed.values()), default=end)
            next_due = min(end, retry, self._due[0][0] if self._due else end)
            self._hinted.wait(max(0.0, next_due - now))
            self._hinted.clear()
            now = time.monotonic()
            with self._lock:
                hints, self._hints = self._hints, set()
                again = [key for key, (_, due, _) in self._failed.items() if due <= now]
            if len(hints) > REMEMBERED:
                return  # more than is kept: a look through the folder finds them all
            for path in sorted(hints):
                for item in self._reader.at(path, self._without):
                    self._see(item)
                    yield from self._with_room()
            for key in again:
                self._look_again(key)
            yield from self._settled()

    def _look_again(self, key: str) -> None:
        found = list(self._reader.at(os.path.join(self.root, key), self._without))
        if not found:
            with self._lock:
                self._failed.pop(key, None)
        for item in found:
            self._see(item)

    def _see(self, item: Item) -> None:
        """An item that is there: it waits until it has been left alone, unless it failed a short while ago."""
        key = self._reader.key(item)
        if key in self._pending:
            return
        stamp, now = self._reader.stamp(item), time.monotonic()
        if self._pauses(key, stamp):
            return
        wait_s = 0.0 if stamp is not None and self._is_whole(item, stamp) else self._settle_s
        self._pending[key] = (item, stamp)
        heapq.heappush(self._due, (now + wait_s, next(self._order), key))

    def _is_whole(self, item: Item, stamp: Stamp) -> bool:
        """Whether nobody can be writing it: it has been like this for a day, or was like this when it was done."""
        old = time.time() - stamp.mtime_ns / 1e9 > OLD_S
        return old or (self.journal is not None and self.journal.saw(item, stamp))

    def _pauses(self, key: str, stamp: Stamp | None) -> bool:
        """Whether an item failed a short while ago, and is as it was then."""
        failed = self._failed.get(key)
        return failed is not None and failed[1] > time.monotonic() and failed[2] == stamp

    def is_news(self, item: Item) -> bool:
        """Whether an item with which nothing is to be done was not told of before, as it is now."""
        key, stamp = self._reader.key(item), self._reader.stamp(item)
        if key in self._told and self._told[key] == stamp:
            return False
        if len(self._told) >= REMEMBERED and key not in self._told:
            return False
        self._told[key] = stamp
        return True

    def _with_room(self) -> Iterator[Item]:
        """What has settled by now; and where very many wait, what settles until there is room for one more."""
        yield from self._settled()
        while len(self._pending) >= MOST_PENDING and not self._stop.wait(max(0.0, self._due[0][0] - time.monotonic())):
            yield from self._settled()

    def _settled(self) -> Iterator[Item]:
        """Items that nobody touched for so long, and that are not under way."""
        while self._due and self._due[0][0] <= time.monotonic() and not self._stop.is_set():
            _, _, key = heapq.heappop(self._due)
            item, stamp = self._pending[key]
            now, found = time.monotonic(), self._reader.stamp(item)
            under_way = self.journal is not None and self.journal.is_open(item)
            if found != stamp or under_way:
                self._pending[key] = (item, found)
                heapq.heappush(self._due, (now + self._settle_s, next(self._order), key))
                continue
            del self._pending[key]
            if self._pauses(key, found):
                continue
            if found is not None or item.skip:
                yield item._replace(number=next(self._numbers))

    # ---- the listening thread ------------------------------------------------------------------------------------

    def _listen(self) -> None:
        from watchfiles import watch

        try:
            for changes in watch(
                self.root, stop_event=self._stop, debounce=200, step=50, rust_timeout=1000, raise_interrupt=False,
                ignore_permission_denied=True, watch_filter=None, force_polling=False,
            ):  # fmt: skip
                self._hint(path for _, path in changes)
        except (OSError, RuntimeError):  # no more watches, or the folder went: the looks find what appears
            self.polling = True

    def _hint(self, paths: Iterable[str]) -> None:
        with self._lock:
            if len(self._hints) <= REMEMBERED:
                self._hints.update(paths)
        self._hinted.set()


def no_events(folder: str) -> bool:
    """Whether a file system tells nothing of what others write to it."""
    from ..journal.store import NETWORK, file_system

    return file_system(folder) in NETWORK | {"fuse", "fuseblk", "vboxsf", "virtiofs"}
