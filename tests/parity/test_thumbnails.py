"""The slow path is the oracle: the outputs of the workers are those of one process, byte for byte."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from harness import ROOT, counts, tree
from PIL import Image

from pipeline import config
from pipeline.plan import planning
from pipeline.plan.model import Plan
from pipeline.supervisor import execution, serial
from pipeline.supervisor.report import Report

SHAPES = list(itertools.product(("input", "completed"), ("none", "all"), (1, 2), (1, 2, 8)))


def thumbnails(pictures: Path, out: Path, order: str, fuse: str, workers: int, credit: int) -> Plan:
    """configs/thumbnail.yaml with another input and output."""
    overrides = [
        f"reader.path={pictures}", f"writer.path={out}/{{dir}}/{{stem}}.jpg", f"queues.order={order}",
        f"queues.credit={credit}", "queues.memory=64MiB", f"fuse={fuse}", "on_error.max_failures=none",
    ]  # fmt: skip
    return planning.build(config.load(ROOT / "configs/thumbnail.yaml", overrides, [f"all={workers}"]))


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small folder with all that a run meets: sizes, formats, a name taken twice, a broken file, a link."""
    folder = tmp_path_factory.mktemp("album")
    rng = np.random.default_rng(5)
    for number in range(14):
        height, width = (int(side) for side in rng.integers(1, 700, 2))
        coarse = rng.integers(0, 256, (4, 5, 3), np.uint8)
        picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        home = folder / ("deep/er" if number % 3 else "")
        home.mkdir(parents=True, exist_ok=True)
        picture.save(home / f"{number:02d}.{'png' if number % 4 == 0 else 'jpg'}")
    Image.new("L", (300, 200), 77).save(folder / "gray.jpg")
    Image.new("RGBA", (90, 400), (200, 10, 10, 99)).save(folder / "gray.png")  # collides with gray.jpg
    (folder / "cut.jpg").write_bytes((folder / "gray.jpg").read_bytes()[:200])
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes((folder / "gray.jpg").read_bytes())
    (folder / "link.jpg").symlink_to(folder / "gray.jpg")
    return folder


class Oracle:
    """What one process makes of pictures; order, workers and credit are nothing to it, so it is asked once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[tuple[Path, str], tuple[Report, Path]] = {}

    def __call__(self, pictures: Path, fuse: str) -> tuple[Report, Path]:
        """Its report, and where the outputs are."""
        key = (pictures, fuse)
        if key not in self.known:
            out = self.folder / f"{len(self.known)}"
            self.known[key] = serial.run(thumbnails(pictures, out, "input", fuse, 1, 1)), out
        return self.known[key]


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    return Oracle(tmp_path_factory.mktemp("serial"))


@pytest.mark.parametrize(("order", "fuse", "workers", "credit"), SHAPES)
def test_samples_give_the_same_files(
    oracle: Oracle, tmp_path: Path, order: str, fuse: str, workers: int, credit: int
) -> None:
    """The sample photographs come out the same in either order, fused or not, with any workers and credit."""
    plan = thumbnails(ROOT / "samples/photos", tmp_path / "parallel", order, fuse, workers, credit)
    report = execution.run(plan)
    expected, out = oracle(ROOT / "samples/photos", fuse)
    assert (report.exit_code, counts(report)) == (expected.exit_code, counts(expected)) == (0, {"done": 12})
    assert tree(tmp_path / "parallel") == tree(out)


@pytest.mark.parametrize(("order", "fuse", "workers", "credit"), SHAPES)
def test_an_album_gives_the_same_files_and_ledger(
    oracle: Oracle, album: Path, tmp_path: Path, order: str, fuse: str, workers: int, credit: int
) -> None:
    """Broken files, collisions and links fail alike too, each with the same stage and reason."""
    report = execution.run(thumbnails(album, tmp_path / "parallel", order, fuse, workers, credit))
    expected, out = oracle(album, fuse)
    assert counts(report) == counts(expected) == {"done": 16, "skipped": 1, "failed": 2}
    assert report.exit_code == expected.exit_code == 1
    assert tree(tmp_path / "parallel") == tree(out)
    assert report.skips == expected.skips
    told = {(failure.item, failure.stage, failure.reason) for failure in report.failures}
    assert told == {
        (failure.item, failure.stage, failure.reason.replace(str(out), f"{tmp_path}/parallel"))
        for failure in expected.failures
    }
