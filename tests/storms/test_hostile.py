"""Twenty thousand malformed files; `make fault` runs them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from storm import SCALE

sys.path.insert(0, str(Path(__file__).parents[1] / "fault"))
from test_hostile import check, lay_out, thumbnails, wholes

FILES = 20_000 * SCALE
pytestmark = pytest.mark.timeout(1800 * SCALE)


def test_twenty_thousand(tmp_path: Path, figure: Callable[..., None]) -> None:
    """No hang, no dead worker, no cut file called done with other pixels."""
    count = lay_out(tmp_path / "in", rounds=FILES // len(wholes()) - 18)
    report = thumbnails(tmp_path, timeout_s=600.0 * SCALE)
    figure("malformed files", f"{FILES:,}", f"{count:,}: {report['done']:,} done, {report['failed']:,} failed")
    check(tmp_path, report)
