"""What tests of faults share."""

from __future__ import annotations

from pathlib import Path

import pytest
from kept_jobs import lay_out


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replacements start without the wait between deaths, which is tested apart."""
    monkeypatch.setattr("pipeline.scheduler.recovery.backoff_s", lambda _, **__: 0.0)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with pictures in `in`."""
    return lay_out(tmp_path)
