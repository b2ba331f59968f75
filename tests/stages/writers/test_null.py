"""The null writer writes nothing, and reads as much as it is told."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline import Frame, Item
from stages.readers.synthetic import Synthetic
from stages.writers.null import Null


@pytest.mark.parametrize("touch", ["all", "page", "none"])
def test_null_writes_nothing(touch: Any) -> None:
    """It returns 0 bytes, has no destination and leaves the pixels as they are."""
    reader = Synthetic(30, 40)
    pixels = reader.pattern(0)
    pixels.flags.writeable = False
    spec = reader.fixed_spec()
    assert spec is not None
    assert Null(touch).write(Frame(Item(0, ""), 0, spec, pixels), None) == 0  # type: ignore[arg-type]
    assert Null(touch).destination() is None
    assert Null("none").total(pixels) == 0
