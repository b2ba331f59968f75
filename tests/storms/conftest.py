"""What storms share: pictures and what becomes of them undisturbed, made once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import storm

FILES = 8000


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many small pictures."""
    return storm.lay_out(tmp_path_factory.mktemp("storm") / "in", FILES)


@pytest.fixture(scope="session")
def undisturbed(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], float]:
    """The outputs of an undisturbed run, and the seconds that it took."""
    began = time.monotonic()
    made = storm.undisturbed(tmp_path_factory.mktemp("undisturbed"), pictures)
    assert len(made) == FILES
    return made, time.monotonic() - began


@pytest.fixture(scope="session")
def expected(undisturbed: tuple[dict[str, str], float]) -> dict[str, str]:
    return undisturbed[0]


@pytest.fixture(scope="session")
def lasts_s(undisturbed: tuple[dict[str, str], float]) -> float:
    return undisturbed[1]
