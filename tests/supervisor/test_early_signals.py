"""Ctrl-C before a run goes: what a library makes of the exception does not matter."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import EnvironmentRefusal, Exit
from pipeline.supervisor.signals import Early, Interrupt, Signals


@pytest.fixture(autouse=True)
def as_in_a_terminal() -> Iterator[None]:
    """Ctrl-C is not ignored, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_one_that_was_swallowed_counts_for_the_run() -> None:
    """The loop of the run is woken and finds that it is to stop; the next Ctrl-C is the second."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    hurried: list[int] = []
    signals = Signals(write, lambda: hurried.append(1))
    with Early().handled():
        with pytest.raises(Interrupt):
            signal.raise_signal(signal.SIGINT)
        with signals.handled():
            assert (signals.count, signals.exit_code, hurried) == (1, Exit.INTERRUPTED, [])
            assert os.read(read, 1)
            signal.raise_signal(signal.SIGINT)
            assert hurried == [1]
    os.close(read)
    os.close(write)


def test_without_one_a_run_begins_undisturbed() -> None:
    """And the handlers are what they were."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signals = Signals(write, lambda: None)
    with Early().handled(), signals.handled():
        assert signals.count == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("wrapped", [RuntimeError("calling __set_name__"), EnvironmentRefusal("needs a library")])
def test_one_that_a_library_wrapped_is_no_defect(monkeypatch: pytest.MonkeyPatch, wrapped: Exception) -> None:
    """Exit 130 and one line, whatever exception it became."""

    def interrupted() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise wrapped from error

    monkeypatch.setattr(app.main.commands["stages"], "callback", lambda **_: interrupted())
    told = CliRunner().invoke(app.main, ["stages"])
    assert told.exit_code == Exit.INTERRUPTED
    assert told.output == "pipeline: interrupted\n"


def test_where_ctrl_c_is_ignored_it_stays_ignored() -> None:
    """As under nohup, or in the background of a script."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Early().handled():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
