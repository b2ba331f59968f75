"""Pictures that failed in the field, made anew as small files: each comes out as two independent decoders show it.

Those in `images` were made after reports of users; those in `further` are of the same kinds, made by its `make.py`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from harness import plan_of
from PIL import Image

from pipeline.supervisor import serial
from pipeline.supervisor.report import Report

HOMES = [Path(__file__).parent / name for name in ("images", "further")]
CASES: dict[str, Any] = {
    name: {**case, "home": home}
    for home in HOMES
    for name, case in json.loads((home / "cases.json").read_text()).items()
}


class Gallery(NamedTuple):
    """One run over all cases, and the folder that its outputs are in."""

    report: Report
    out: Path


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """Upright and in sRGB, at full size, without loss."""
    folder = tmp_path_factory.mktemp("field")
    (folder / "in").mkdir()
    for name in CASES:
        shutil.copy(CASES[name]["home"] / name, folder / "in" / name)
    plan = plan_of(
        folder, {"use": "folder", "path": str(folder / "in")}, [["orient"]],
        {"use": "files", "path": f"{folder}/out/{{name}}.png"},
    )  # fmt: skip
    return Gallery(serial.run(plan), folder / "out")


def difference(path: Path, reference: Path) -> float:
    """Mean difference in levels, on white where there is transparency."""
    shown = []
    for each in (path, reference):
        with Image.open(each) as image:
            if image.mode == "I;16":
                image = Image.fromarray(((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8))
            rgba = image.convert("RGBA")
            shown.append(np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)).astype(int))
    if shown[0].shape != shown[1].shape:
        return 255.0
    return float(np.abs(shown[0] - shown[1]).mean())


@pytest.mark.parametrize("name", sorted(name for name, case in CASES.items() if case["expect"] == "pixels"))
def test_it_looks_as_elsewhere(gallery: Gallery, name: str) -> None:
    """Within the codec's loss of a reference; of two right answers either will do."""
    case = CASES[name]
    failed = [failure.reason for failure in gallery.report.failures if failure.item.endswith(name)]
    assert not failed
    references = [case["home"] / other for other in (case["reference"], *case.get("or", ()))]
    best = min(difference(gallery.out / f"{name}.png", reference) for reference in references)
    assert best <= case["mean_abs_error"]


@pytest.mark.parametrize("name", sorted(name for name, case in CASES.items() if case["expect"] == "refused"))
def test_it_is_refused_and_not_shown_wrong(gallery: Gallery, name: str) -> None:
    """No output, and a reason that says what to do."""
    (reason,) = [failure.reason for failure in gallery.report.failures if failure.item.endswith(name)]
    assert "HDR" in reason
    assert "tone_map" in reason
    assert not (gallery.out / f"{name}.png").exists()
