"""Finding and counting items in threads of the parent, so that a slow file system never holds up the loop."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from threading import Event, Thread
from typing import NamedTuple

from ..contracts.frame import Item
from ..contracts.stage import Reader
from ..journal.verdict import BATCH
from .intake import Found, Intake

HIGH, LOW = 256, 192  # items found ahead of the loop; a burst of 64 holds the interpreter for less than 1 ms
COUNTED, COUNT_PAUSE_S = 512, 0.002  # a pause after so many counted names: the ETA must not cost throughput


class Untouched(NamedTuple):
    """Items that are up to date."""

    items: list[Item]


class Discovery:
    """Finds items ahead of the loop, never more than HIGH, and wakes the loop when it had none.

    Args:
        intake: where they come from.
        wake: descriptor written to when there is something for a loop that waits.

    Attributes:
        work: set once there is an item that needs a worker, or discovery has ended.
    """

    def __init__(self, intake: Intake, wake: int) -> None:
        self.intake = intake
        self.found: deque[Found | Untouched] = deque()
        self.work = Event()
        self.error: BaseException | None = None
        self.ended = False
        self.awaited = True
        self._wake = wake
        self._room = Event()
        self._seen = False
        self._stop = False
        self._same: list[Item] = []
        self._thread = Thread(target=self._run, name="discovery", daemon=True)
        self._thread.start()

    def must_start(self, timeout_s: float) -> bool:
        """Whether workers are needed: at once with an item for them, after the time where nothing came at all."""
        return self.work.wait(timeout_s) or not self._seen

    def take(self) -> Found | Untouched | None:
        """The next item, or many that are up to date; None while there is none (then the loop will be woken)."""
        if not self._may_take():
            self.awaited = True
            if not self._may_take():
                return None
        found = self.found.popleft()
        if len(self.found) < LOW and not self._room.is_set():
            self._room.set()
        return found

    def _may_take(self) -> bool:
        """Whether there is an item, and its claim is in the journal."""
        if not self.found:
            return False
        first = self.found[0]
        journal = self.intake.journal
        return journal is None or isinstance(first, Untouched) or journal.is_claimed(first.ticket)

    def claimed(self) -> None:
        """Claims were committed: wake a loop that waits for one. Called by the thread of the journal."""
        if self.awaited:
            self._call()

    def stop(self) -> None:
        """End the thread; what it found and was not taken is forgotten."""
        self._stop = True
        if self.intake.watched is not None:
            self.intake.watched.stop()
        self._room.set()
        self._thread.join(1.0)  # a reader that waits for standard input is left to end with the process

    def _run(self) -> None:
        try:
            for found in self.intake.entries():
                if found.outcome == "up_to_date":
                    self._untouched(found.item)
                else:
                    self._put(found)
                    if not found.outcome and not self.work.is_set():
                        self.work.set()
                if self._stop:
                    return
            self._flush()
        except BaseException as error:
            self.error = error
        finally:
            self.ended = True
            self.work.set()
            self._call()

    def _untouched(self, item: Item) -> None:
        """An item that is up to date: they go on many at a time."""
        self._same.append(item)
        if len(self._same) >= BATCH or self.intake.reader.waits or self.intake.watched is not None:
            self._flush()

    def _flush(self) -> None:
        if self._same:
            same, self._same = self._same, []
            self._put(Untouched(same))

    def _put(self, found: Found | Untouched) -> None:
        self.found.append(found)
        self._seen = True
        if self.awaited:
            self._call()
        while len(self.found) >= HIGH and not self._stop:
            self._room.clear()
            if len(self.found) >= HIGH:
                self._room.wait()

    def _call(self) -> None:
        self.awaited = False
        try:
            os.write(self._wake, b"d")
        except OSError:
            pass  # full: the loop is being woken already; closed: the run is over


class Counter:
    """Counts the items for the ETA: an integer, no paths.

    Args:
        limit: the most items that the run takes, besides those of `beside`. shards: share the items out.
    """

    def __init__(
        self, reader: Reader, without: str | None, limit: int | None, beside: Callable[[], int], shards: int = 1
    ) -> None:
        self._limit = limit
        self._shards = shards
        self._beside = beside
        self._total: int | None = None
        self._stop = Event()
        self._thread = Thread(target=self._run, args=(reader, without), name="count", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(1.0)

    @property
    def total(self) -> int | None:
        """How many there are for this run; None until they are counted."""
        if self._total is None or self._limit is None:
            return self._total
        return min(self._total, self._limit + self._beside())

    def _run(self, reader: Reader, without: str | None) -> None:
        total = 0
        try:
            paused = 0
            for count in reader.count(without):
                total += count
                if total - paused >= COUNTED:
                    paused = total
                    if self._stop.wait(COUNT_PAUSE_S):
                        break
        except (OSError, ValueError):
            return  # discovery meets the same trouble and reports it; without a total there is no ETA
        if not self._stop.is_set() and total:
            self._total = -(-total // self._shards)  # about: which are whose, the intake finds out
