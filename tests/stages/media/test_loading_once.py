"""Shared modules are loaded when they are used, once, and no thread sees half of one."""

from __future__ import annotations

import subprocess
import sys
from threading import Event, Thread
from types import ModuleType
from typing import Any

import pytest

from stages import media


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`stages.media.names` as it is before anything in it was asked for."""
    monkeypatch.delitem(sys.modules, "stages.media.names", raising=False)
    monkeypatch.delattr(media, "names", raising=False)
    module: ModuleType = media.names
    return module


def test_no_thread_sees_half_a_module(fresh: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second thread that asks while the first one loads waits for the whole."""
    loader: Any = fresh.__spec__.loader  # type: ignore[union-attr]
    usual, begun, may_end, seen = type(loader).exec_module, Event(), Event(), list[Any]()

    def slow(self: Any, module: ModuleType) -> None:
        begun.set()
        may_end.wait(10)
        usual(self, module)

    monkeypatch.setattr(type(loader), "exec_module", slow)
    threads = [Thread(target=lambda: seen.append(fresh.ending)) for _ in range(2)]
    for thread in threads:
        thread.start()
        begun.wait(10)
    may_end.set()
    for thread in threads:
        thread.join(10)
    assert [ending("a.JPG") for ending in seen] == ["jpg", "jpg"]


def test_one_that_cannot_be_loaded_says_so_each_time(fresh: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not that it has no such name."""
    loader: Any = fresh.__spec__.loader  # type: ignore[union-attr]

    def broken(*_: object) -> None:
        raise ImportError("a library is missing")

    monkeypatch.setattr(type(loader), "exec_module", broken)
    for _ in range(2):
        with pytest.raises(ImportError, match="a library is missing"):
            _ = fresh.ending
    monkeypatch.undo()
    assert fresh.ending("a.png") == "png"


def test_a_codec_alone_loads_none_of_them() -> None:
    """Start-up pays for what it uses only."""
    asks = "'PICTURES' in vars(sys.modules['stages.media.names'])"
    code = f"import sys, stages.codecs.gif, stages.readers.folder; print({asks})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
