"""Lines that stages print, shown by a thread of the command: a terminal or pipe that takes nothing holds up no run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread

from . import text


@contextmanager
def stage_lines() -> Iterator[Callable[[str, str, str], None]]:
    """What shows a line, given group, stage and line, while the block lasts; at its end all of them are out.

    A run shows the first lines of each stage only, so few wait.
    """
    waiting: SimpleQueue[str] = SimpleQueue()
    thread = Thread(target=_say, args=(waiting,), name="lines", daemon=True)
    thread.start()
    try:
        yield lambda group, stage, line: waiting.put(f"{group}/{stage}: {line}")
    finally:
        waiting.put("")
        thread.join()


def _say(waiting: SimpleQueue[str]) -> None:
    while line := waiting.get():
        text.say(line)
