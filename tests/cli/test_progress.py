"""The progress display: rates, lines and drawing, from looks at a run that is made up."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from pipeline.cli import progress
from pipeline.contracts.ledger import Ledger
from pipeline.supervisor.report import GroupReport, Progress


def look(seconds: float, done: int, *, total: int | None = 1000, state: str = "running") -> Progress:
    groups = (GroupReport("reader", 2, frames=done + 4), GroupReport("shrink", 3, frames=done))
    return Progress(
        Ledger(found=done + 8, done=done, failed=2), total, seconds, done, groups, (0, 5), (0, 8),
        "shrink is busy 98%", state,
    )  # fmt: skip


class Clock:
    """An event that is set after some waits, so that no test sleeps."""

    def __init__(self, waits: int) -> None:
        self.left = waits
        self.waited: list[float] = []

    def wait(self, timeout: float) -> bool:
        self.waited.append(timeout)
        self.left -= 1
        return self.left < 0


def test_rates_are_those_of_the_last_seconds() -> None:
    """A slow start is forgotten after the window."""
    pace = progress.Rates()
    for second in range(31):
        pace.look(look(second, done=0 if second < 15 else (second - 15) * 100))
    assert pace.frames(1) == pytest.approx(100)


def test_one_look_gives_the_mean_rate() -> None:
    """Before there are two looks the rate is that since the start; at the start it is 0."""
    pace = progress.Rates()
    pace.look(look(2, done=10))
    assert pace.frames(1) == 5.0
    pace = progress.Rates()
    pace.look(look(0, done=0))
    assert pace.frames(1) == pace.items == 0.0


def test_a_line_says_everything() -> None:
    """Count, rate, time left, failures, queues and the bottleneck."""
    pace = progress.Rates()
    pace.look(look(0, done=0))
    pace.look(look(10, done=98))
    assert progress.plain_line(look(10, done=98), pace) == (
        "10.0 s: 100 of 1,000, 9.8 files/s, 91.8 s left, 2 failed;"
        " reader x2 9.8/s; shrink x3 9.8/s queue 5/8; shrink is busy 98%"
    )


def test_without_a_total_there_is_no_time_left() -> None:
    """While files are still counted the line says how many were found; a state other than running is named."""
    pace = progress.Rates()
    unknown = look(10, done=98, total=None, state="draining")
    pace.look(unknown)
    assert progress.headline(unknown, pace) == "100 of 106 found so far, 10.0 files/s, 2 failed, draining"


def test_plain_lines_come_every_five_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal there is a line each time the clock allows, on stderr."""
    looks: Iterator[Progress] = iter([look(5, 10), look(10, 20)])
    clock = Clock(2)
    progress._plain(lambda: next(looks), clock)  # type: ignore[arg-type]
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 2)
    assert clock.waited == [progress.PLAIN_S] * 3


def test_a_short_run_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is over within the first moment never asks for a look."""
    progress._live(lambda: pytest.fail("looked"), Clock(0))  # type: ignore[arg-type]


def test_the_drawing_shows_a_bar_for_each_group() -> None:
    """Bars with rate and queue, the headline above, the bottleneck below."""
    from rich.console import Console

    pace = progress.Rates()
    pace.look(look(10, done=500))
    page = io.StringIO()
    Console(file=page, width=100).print(progress._drawing(look(10, done=500), pace))
    lines = page.getvalue().splitlines()
    assert lines[0].startswith("502 of 1,000")
    assert lines[1].startswith("reader x2")
    assert "queue 5/8" in lines[2]
    assert lines[3].strip() == "shrink is busy 98%"


def test_watching_draws_in_a_thread_and_ends_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread is gone when the block is left, also by an error; `silent` starts none."""
    import threading

    with pytest.raises(ZeroDivisionError), progress.watch(lambda: look(1, 1)):
        raise ZeroDivisionError
    with progress.silent(lambda: look(1, 1)):
        pass
    assert not [thread for thread in threading.enumerate() if thread.name == "progress"]
