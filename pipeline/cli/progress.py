"""How a run goes, drawn by a thread that looks four times a second; plain lines where there is no terminal."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from . import text

if TYPE_CHECKING:
    from ..supervisor.report import Progress

FIRST_S = 0.4  # a run that is over by then is told by its summary alone, and rich is never imported
LIVE_S = 0.25
PLAIN_S = 5.0
WINDOW_S = 10.0
Snapshot = Callable[[], "Progress"]


@contextmanager
def silent(_: Snapshot) -> Iterator[None]:
    """Draw nothing."""
    yield


@contextmanager
def watch(snapshot: Snapshot) -> Iterator[None]:
    """Draw the run while the block lasts."""
    over = Event()
    live = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    thread = Thread(target=_live if live else _plain, args=(snapshot, over), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(2.0)


class Rates:
    """Rates over the last seconds, from looks at growing numbers."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, ...]] = deque()

    def look(self, progress: Progress) -> None:
        """Remember the numbers of a look (its objects go on counting); looks older than the window are dropped."""
        frames = (group.frames for group in progress.groups)
        self._looks.append((progress.seconds, progress.ledger.finished, *frames))
        while len(self._looks) > 2 and progress.seconds - self._looks[0][0] > WINDOW_S:
            self._looks.popleft()

    @property
    def items(self) -> float:
        """Finished items per second."""
        return self._rate(1)

    def frames(self, group: int) -> float:
        """Frames per second of a group."""
        return self._rate(2 + group)

    def _rate(self, column: int) -> float:
        """Growth per second; since the start where there is but one look."""
        first, last = self._looks[0], self._looks[-1]
        if last[0] > first[0]:
            return (last[column] - first[column]) / (last[0] - first[0])
        return last[column] / last[0] if last[0] > 0 else 0.0


def headline(progress: Progress, rates: Rates) -> str:
    """Items done of how many, rate and time left."""
    ledger, rate = progress.ledger, rates.items
    of = f" of {progress.total:,}" if progress.total is not None else f" of {ledger.found:,} found so far"
    parts = [f"{ledger.finished:,}{of}", f"{rate:,.1f} files/s"]
    if progress.total is not None and rate > 0:
        parts.append(f"{text.span((progress.total - ledger.finished) / rate)} left")
    if ledger.lost:
        parts.append(f"{ledger.lost:,} failed")
    if progress.state != "running":
        parts.append(progress.state)
    return ", ".join(parts)


def group_rows(progress: Progress, rates: Rates) -> list[tuple[str, float, str, str]]:
    """Name, share done, rate and queue fill of each group."""
    rows = []
    for index, group in enumerate(progress.groups):
        share = group.frames / progress.total if progress.total else 0.0
        full = progress.capacity[index] if index < len(progress.capacity) else 0
        queue = f"queue {progress.waiting[index]}/{full}" if full else ""
        rows.append((f"{group.name} x{group.workers}", min(1.0, share), f"{rates.frames(index):,.1f}/s", queue))
    return rows


def plain_line(progress: Progress, rates: Rates) -> str:
    """The whole look in one line."""
    queues = "; ".join(f"{name} {rate} {queue}".rstrip() for name, _, rate, queue in group_rows(progress, rates))
    verdict = f"; {progress.bottleneck}" if progress.bottleneck else ""
    return f"{text.span(progress.seconds)}: {headline(progress, rates)}; {queues}{verdict}"


def _plain(snapshot: Snapshot, over: Event) -> None:
    rates, said = Rates(), (-1, -1)
    while not over.wait(PLAIN_S):
        progress = snapshot()
        rates.look(progress)
        now = (progress.ledger.finished, progress.frames)
        if now != said:  # a folder that is watched may stand still for days
            text.say(plain_line(progress, rates))
        said = now


def _live(snapshot: Snapshot, over: Event) -> None:
    if over.wait(FIRST_S):
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    rates = Rates()
    console = Console(file=text.people())
    live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)
    with live, text.lines_above(lambda line: console.print(Text(line))):
        while True:
            progress = snapshot()
            rates.look(progress)
            live.update(_drawing(progress, rates), refresh=True)
            if over.wait(LIVE_S):
                return


def _drawing(progress: Progress, rates: Rates) -> Any:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, share, rate, queue in group_rows(progress, rates):
        known = progress.total is not None
        bar = ProgressBar(total=1.0 if known else None, completed=share, width=30, pulse=not known)
        table.add_row(Text(text.shown(name)), bar, Text(rate), Text(queue))
    lines: list[Any] = [Text(text.shown(headline(progress, rates))), table]
    if progress.bottleneck:
        lines.append(Text(text.shown(progress.bottleneck), style="dim"))
    return Group(*lines)
