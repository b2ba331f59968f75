"""What tests of faults share."""

from __future__ import annotations

import pytest


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replacements start without the wait between deaths, which is tested apart."""
    monkeypatch.setattr("pipeline.scheduler.recovery.backoff_s", lambda _: 0.0)
