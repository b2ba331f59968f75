"""The reducer `duplicates`: the same in any form is found, what looks alike is not, and nothing is touched."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import plan_of
from PIL import Image

from pipeline.journal import Options
from pipeline.supervisor import execution
from stages.media import likeness

Change = Callable[[Image.Image], Image.Image]
FORMS: dict[str, Change] = {
    "smaller": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "flipped": lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    "90": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "180": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "270": lambda image: image.transpose(Image.Transpose.ROTATE_270),
    "transposed": lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    "cropped": lambda image: image.crop((0, 5, round(image.width * 0.97), image.height)),
}


def scene(seed: int, *, moved: int = 0) -> Image.Image:
    """Blobs of colour of several sizes, larger than what is shown; `moved` shows another part of it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:240, 0:480]
    pixels = np.full((240, 480, 3), rng.uniform(60, 160, 3))
    for _ in range(40):
        place, size = rng.uniform((0, 0), (240, 480)), rng.uniform(8, 40)
        blob = np.exp(-((y - place[0]) ** 2 + (x - place[1]) ** 2) / (2 * size**2))
        pixels += blob[..., None] * rng.uniform(-90, 90, 3)
    shown = pixels[:180, moved : moved + 240]
    return Image.fromarray(shown.clip(0, 255).astype(np.uint8))


def report(home: Path, **params: Any) -> dict[str, Any]:
    plan = plan_of(
        home, {"use": "folder", "path": str(home / "in")}, [[{"resize": {"width": 64, "height": 64, "fit": "fill"}}]],
        {"use": "null"}, reducers=[{"duplicates": {"path": f"{home}/out", **params}}],
    )  # fmt: skip
    done = execution.run(plan, keep=Options())
    assert not done.failures
    found: dict[str, Any] = json.loads((home / "out/duplicates.json").read_text())
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "in/sub").mkdir(parents=True)
    for seed in range(12):  # strangers
        scene(seed).save(tmp_path / f"in/{seed:02d}.jpg", quality=92)
    return tmp_path


def names(group: dict[str, Any]) -> set[str]:
    return {each["file"] for each in group["files"]}


def test_strangers_are_strangers(home: Path) -> None:
    """Nor are two parts of one scene the same."""
    scene(3, moved=80).save(home / "in/moved.jpg", quality=92)
    assert report(home)["groups"] == 0


@pytest.mark.parametrize("form", FORMS)
def test_the_same_in_another_form(home: Path, form: str) -> None:
    """Found, as similar, the one with the most pixels as the best; compressed anew besides."""
    FORMS[form](scene(5)).save(home / "in/sub/other.jpg", quality=70)
    found = report(home)
    (group,) = found["found"]
    assert group["kind"] == "similar"
    assert names(group) == {"05.jpg", "sub/other.jpg"}
    assert group["files"][0]["best"]
    assert group["files"][0]["file"] == "05.jpg"
    assert found["duplicates"] == 1


def test_copies_are_exact_and_only_those_where_that_is_asked(home: Path) -> None:
    """Byte for byte, also of what has no contrast; `similar: false` takes nothing else."""
    shutil.copy(home / "in/04.jpg", home / "in/sub/a copy.jpg")
    FORMS["mirrored"](scene(5)).save(home / "in/sub/other.jpg")
    Image.new("RGB", (90, 60), (9, 9, 9)).save(home / "in/black.png")
    shutil.copy(home / "in/black.png", home / "in/sub/black.png")
    found = report(home, similar=False)
    assert {frozenset(names(group)) for group in found["found"]} == {
        frozenset({"04.jpg", "sub/a copy.jpg"}), frozenset({"black.png", "sub/black.png"}),
    }  # fmt: skip
    assert {group["kind"] for group in found["found"]} == {"exact"}


def test_the_script_moves_all_but_the_best(home: Path) -> None:
    """And nothing else; names with spaces and quotes too."""
    shutil.copy(home / "in/04.jpg", home / "in/sub/it's a copy.jpg")
    before = {path.name for path in (home / "in").rglob("*.jpg")}
    report(home)
    assert {path.name for path in (home / "in").rglob("*.jpg")} == before
    subprocess.run(["sh", str(home / "out/move.sh"), str(home / "in"), str(home / "aside")], check=True)
    assert [path.name for path in (home / "aside").rglob("*.jpg")] == ["it's a copy.jpg"]
    assert {path.name for path in (home / "in").rglob("*.jpg")} == before - {"it's a copy.jpg"}


def test_eight_positions_have_one_description() -> None:
    """What candidates are found by is the same for all of them, and the best position is told."""
    gray = np.asarray(scene(1).convert("L").resize((32, 32)))
    positions = np.stack([likeness.turn(gray, number) for number in range(8)])
    assert len({position.tobytes() for position in positions}) == 8
    found = likeness.unturned(likeness.coefficients(positions))
    assert np.abs(found - found[0]).max() < 1e-4


@pytest.mark.parametrize("picture", ["tone", "stripes", "slope"])
def test_what_shows_nothing_has_no_small_picture(picture: str) -> None:
    """Skies, blinds and walls are alike everywhere."""
    y, x = np.mgrid[0:100, 0:120]
    gray = {"tone": np.full((100, 120), 77), "stripes": 128 + 100 * np.sin(x / 5), "slope": x + y}[picture]
    assert likeness.small(gray.astype(np.int16)) is None
