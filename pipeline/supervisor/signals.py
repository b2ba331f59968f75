"""Ctrl-C and SIGTERM while a run goes: the first is noted for the loop, the second ends it at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import Exit


class Signals:
    """The signals of one run.

    Args:
        wake: descriptor that is written to when one comes, so that a loop that waits looks.
        hurry: called in the handler at the second signal.

    Attributes:
        count: how many came. exit_code: the exit code that the last one stands for.
    """

    def __init__(self, wake: int, hurry: Callable[[], None]) -> None:
        self.count = 0
        self.exit_code: Exit | None = None
        self._wake = wake
        self._hurry = hurry

    @contextmanager
    def handled(self) -> Iterator[None]:
        """While the block lasts they are handled here; nothing changes outside of the main thread."""
        try:
            before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
            wakeup = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        except ValueError:  # not the main thread: the caller has its own way to stop
            yield
            return
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _: Any) -> None:
        self.count += 1
        self.exit_code = Exit.INTERRUPTED if number == signal.SIGINT else Exit.TERMINATED
        if self.count > 1:  # the first one is looked at between two rounds: the core is never entered from here
            self._hurry()
