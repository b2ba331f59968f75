"""Identity: the step that does nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from harness import counts, plan_of, tree
from pictures import frame_of, noise, ramp

from pipeline import Size, Spec
from pipeline.supervisor import serial
from stages.transforms.identity import Identity


@pytest.mark.parametrize("spec", [Spec(3, 4), Spec.of("cmyk", 3, 4), Spec.of("yuv420", 3, 5, orientation=6)], ids=str)
def test_every_spec_stays(spec: Spec) -> None:
    """Inks, planes and turned frames too; it only looks, so the reader may decode as small as the next stage takes."""
    assert Identity().inspect
    assert Identity().output_spec(spec) == spec
    assert Identity().required_input(spec, Size(1, 1)) == spec.size


def test_nothing_is_written() -> None:
    """`out` keeps what it held."""
    out = np.full((3, 4, 3), 7, np.uint8)
    Identity().process(frame_of(noise(3, 4)), out)
    assert (out == 7).all()


def test_outputs_are_those_of_a_job_without_it(tmp_path: Path) -> None:
    """Byte for byte."""
    ramp(tmp_path / "in/a.png")
    made = []
    for steps in ([], [["identity"]]):
        writer = {"use": "files", "path": f"{tmp_path}/out{len(steps)}/{{stem}}.png"}
        report = serial.run(plan_of(tmp_path, {"use": "folder", "path": str(tmp_path / "in")}, steps, writer))
        assert counts(report) == {"done": 1}
        made.append(tree(tmp_path / f"out{len(steps)}"))
    assert made[0] == made[1]
