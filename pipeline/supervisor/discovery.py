"""Finding and counting items in threads of the parent, so that a slow file system never holds up the loop."""

from __future__ import annotations

import os
from collections import deque
from threading import Event, Thread

from ..contracts.stage import Reader
from .intake import Found, Intake

HIGH, LOW = 256, 192  # items found ahead of the loop; a burst of 64 holds the interpreter for less than 1 ms
COUNTED, COUNT_PAUSE_S = 512, 0.002  # a pause after so many counted names: the ETA must not cost throughput


class Discovery:
    """Finds items ahead of the loop, never more than HIGH, and wakes the loop when it had none.

    Args:
        intake: where they come from.
        wake: descriptor written to when there is something for a loop that waits.
    """

    def __init__(self, intake: Intake, wake: int) -> None:
        self.intake = intake
        self.found: deque[Found] = deque()
        self.error: BaseException | None = None
        self.ended = False
        self.awaited = True
        self._wake = wake
        self._room = Event()
        self._first = Event()
        self._stop = False
        self._thread = Thread(target=self._run, name="discovery", daemon=True)
        self._thread.start()

    def is_empty(self, timeout_s: float) -> bool:
        """Whether discovery ended without finding anything; False as soon as it found one, or after the time."""
        self._first.wait(timeout_s)
        return self.ended and not self.found and self.error is None

    def take(self) -> Found | None:
        """The next item, or None while there is none (then the loop will be woken)."""
        if not self.found:
            self.awaited = True
            if not self.found:
                return None
        found = self.found.popleft()
        if len(self.found) < LOW and not self._room.is_set():
            self._room.set()
        return found

    def stop(self) -> None:
        """End the thread; what it found and was not taken is forgotten."""
        self._stop = True
        self._room.set()
        self._thread.join(1.0)  # a reader that waits for standard input is left to end with the process

    def _run(self) -> None:
        try:
            for found in self.intake.entries():
                self.found.append(found)
                self._first.set()
                if self.awaited:
                    self._call()
                while len(self.found) >= HIGH and not self._stop:
                    self._room.clear()
                    if len(self.found) >= HIGH:
                        self._room.wait()
                if self._stop:
                    return
        except BaseException as error:
            self.error = error
        finally:
            self.ended = True
            self._first.set()
            self._call()

    def _call(self) -> None:
        self.awaited = False
        try:
            os.write(self._wake, b"d")
        except OSError:
            pass  # full: the loop is being woken already; closed: the run is over


class Counter:
    """Counts the items for the ETA: an integer, no paths."""

    def __init__(self, reader: Reader, without: str | None, limit: int | None) -> None:
        self.total: int | None = None
        self._stop = Event()
        self._thread = Thread(target=self._run, args=(reader, without, limit), name="count", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(1.0)

    def _run(self, reader: Reader, without: str | None, limit: int | None) -> None:
        total = 0
        try:
            paused = 0
            for count in reader.count(without):
                total += count
                if limit is not None and total >= limit:
                    break
                if total - paused >= COUNTED:
                    paused = total
                    if self._stop.wait(COUNT_PAUSE_S):
                        break
        except (OSError, ValueError):
            return  # discovery meets the same trouble and reports it; without a total there is no ETA
        if not self._stop.is_set() and total:
            self.total = total if limit is None else min(total, limit)
