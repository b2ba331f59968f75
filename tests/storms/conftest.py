"""What storms share: pictures and what becomes of them undisturbed, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
import storm

FILES = 8000


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many small pictures."""
    return storm.lay_out(tmp_path_factory.mktemp("storm") / "in", FILES)


@pytest.fixture(scope="session")
def expected(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The outputs of an undisturbed run."""
    made = storm.undisturbed(tmp_path_factory.mktemp("undisturbed"), pictures)
    assert len(made) == FILES
    return made
