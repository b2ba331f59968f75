"""Ctrl-C and SIGTERM while a run goes: the first is noted for the loop, the second ends it at once.

Before a run goes, a Ctrl-C is an exception. One that got lost in a library is remembered and counts for the run.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import Exit


class Interrupt(KeyboardInterrupt):
    """Ctrl-C outside of a run.

    Not KeyboardInterrupt itself: where exactly that one has passed through compiled code, CPython ends the process by
    the signal, whatever exit code it was given.
    """


class Early:
    """The handler of Ctrl-C outside of a run: raises `Interrupt`.

    Attributes:
        count: how many came. What raises something else after one, or nothing at all (a library that catches all), was
            interrupted just the same.
    """

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def handled(self) -> Iterator[None]:
        """While the block lasts; nothing changes where Ctrl-C is ignored, handled, or outside of the main thread."""
        before = signal.getsignal(signal.SIGINT)
        is_ours = before in (signal.default_int_handler, signal.SIG_DFL)
        if not is_ours or threading.current_thread() is not threading.main_thread():
            yield
            return
        signal.signal(signal.SIGINT, self._on_signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _on_signal(self, *_: Any) -> None:
        self.count += 1
        raise Interrupt


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
        if self._had_one(before[signal.SIGINT]):
            self._on_signal(signal.SIGINT, None)
            os.write(self._wake, b"\0")
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)

    @staticmethod
    def _had_one(before: Any) -> bool:
        """Whether a Ctrl-C came before, and its exception did not arrive."""
        handler = getattr(before, "__self__", None)
        return isinstance(handler, Early) and bool(handler.count)

    def _on_signal(self, number: int, _: Any) -> None:
        self.count += 1
        self.exit_code = Exit.INTERRUPTED if number == signal.SIGINT else Exit.TERMINATED
        if self.count > 1:  # the first one is looked at between two rounds: the core is never entered from here
            self._hurry()
