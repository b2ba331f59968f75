"""Every config of the gallery runs as it stands on the samples, and its outputs are what its first lines promise."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from films import clips, see
from harness import ROOT, STATE
from PIL import Image

from pipeline import config
from pipeline.cli.app import main
from pipeline.journal import Options
from pipeline.plan import planning
from pipeline.supervisor import serial

GALLERY = sorted((ROOT / "configs").glob("*.yaml"))
Pictures = dict[str, Image.Image]
TEXTS = (".json", ".csv", ".html", ".sh")


def thumbnails(made: Pictures) -> None:
    assert len(made) == 12
    assert all(max(image.size) == 256 for image in made.values())


def webp(made: Pictures) -> None:
    assert len(made) == 12
    assert all(image.format == "WEBP" for image in made.values())
    assert made["meadow_turned"].size == (360, 480)
    assert made["leaf_alpha"].mode == "RGBA"


def watermark(made: Pictures) -> None:
    """Whiter in the lower right corner than the picture is there, and the same in the upper left one."""
    assert len(made) == 12
    with Image.open(ROOT / "samples/photos/mountains.jpg") as file:
        before = np.asarray(file).astype(int)
    after = np.asarray(made["mountains"]).astype(int)
    height, width = after.shape[:2]
    corner = slice(height * 7 // 10, None), slice(width * 3 // 4, None)
    assert (after - before)[corner].max() > 60
    assert abs((after - before)[: height // 3, : width // 3].mean()) < 1


def dataset(made: Pictures) -> None:
    assert "line_1x200" not in made
    assert {(image.size, image.mode) for image in made.values()} == {((224, 224), "RGB")}
    assert len(made) == 11


def tiles(made: Pictures) -> None:
    """Pictures are covered by parts of one size; in a direction in which one is smaller, a part has its size."""
    assert made["line_1x200_000_000"].size == (1, 200)
    assert made["leaf_alpha_000_000"].size == (120, 160)
    assert [made[f"meadow_444_000_{column:03d}"].size for column in range(2)] == [(256, 240), (256, 240)]
    assert {image.size for stem, image in made.items() if stem.startswith("valley")} == {(256, 256)}
    assert {stem for stem in made if stem.startswith("mountains")} == {
        f"mountains_{row:03d}_{column:03d}" for row in range(2) for column in range(3)
    }
    with Image.open(ROOT / "samples/photos/mountains.jpg") as file:
        before = np.asarray(file)
    assert (np.asarray(made["mountains_001_002"]) == before[-256:, -256:]).all()
    assert (np.asarray(made["mountains_000_001"]) == before[:256, 224:480]).all()


def grayscale(made: Pictures) -> None:
    assert {image.mode for image in made.values()} == {"L"}
    assert len(made) == 12


def shrunk_films(made: dict[str, Any]) -> None:
    """Every frame at its time, upright, with its sound; none is enlarged."""
    assert set(made) == {"walk", "vfr", "turned"}
    for stem, film in made.items():
        source = see(ROOT / f"samples/clips/{stem}.mp4")
        assert film.ids == list(range(len(source.times)))
        assert film.times == source.times
        assert film.rotation == 0
        assert [crc for _, crc in film.sounds] == [crc for _, crc in source.sounds]
    assert made["turned"].size == (180, 320)
    assert (made["walk"].title, made["walk"].chapters) == ("Walk", ["Out", "Back"])


def frames(made: Pictures) -> None:
    """One picture each second; the frame that is on the screen then."""
    seen = {stem: clips.read_index(np.asarray(image)) for stem, image in made.items()}
    assert {stem: index for stem, index in seen.items() if stem.startswith("walk")} == {
        "walk_000000": 0, "walk_000001": 25, "walk_000002": 50
    }  # fmt: skip
    assert sum(stem.startswith("vfr") for stem in seen) == 4
    assert made["turned_000000"].size == (180, 320)


def timelapse(made: dict[str, Any]) -> None:
    film = made["timelapse"]
    assert film.ids == list(range(1, 13))
    assert film.size == (640, 360)
    assert film.times[-1] == Fraction(11, 6)


def statistics(made: dict[str, Any]) -> None:
    """Of the pictures that were made with them."""
    told = json.loads(made["statistics.json"])
    pictures = [image for image in made.values() if isinstance(image, Image.Image)]
    assert told["files"] == len(pictures) == 12
    flat = np.concatenate([np.asarray(image).reshape(-1, 3) for image in pictures]) / 255
    assert told["mean"] == pytest.approx(flat.mean(0).tolist(), abs=1e-5)
    assert told["std"] == pytest.approx(flat.std(0).tolist(), abs=1e-5)


def sheets(made: Pictures) -> None:
    assert made["sheet"].size == (4 * 168 + 8, 3 * 186 + 8)


def duplicates(made: dict[str, Any]) -> None:
    """Three meadows and two sunsets, and none is another: all that has contrast was compared."""
    told = json.loads(made["duplicates.json"])
    assert (told["files"], told["found"]) == (12, [])
    assert made["move.sh"].startswith("#!/bin/sh")


def members(path: Path) -> Pictures:
    """Of a tar of pictures, by name."""
    with tarfile.open(path) as archive:
        files = {info.name: archive.extractfile(info) for info in archive}
        return {name: Image.open(io.BytesIO(file.read())) for name, file in files.items() if file is not None}


def shards(made: dict[str, Any]) -> None:
    """What a training script reads: pictures of one size by their names, how many there are, and the mean."""
    found = made["shard-000000"]
    assert len(found) == 12
    assert {(image.size, image.mode, image.format) for image in found.values()} == {((224, 224), "RGB", "JPEG")}
    index = json.loads(made["shard-index.json"])
    assert [(shard["url"], shard["nsamples"]) for shard in index["shardlist"]] == [("shard-000000.tar", 12)]
    told = json.loads(made["statistics.json"])
    flat = np.concatenate([np.asarray(image).reshape(-1, 3) for image in found.values()]) / 255
    assert told["mean"] == pytest.approx(flat.mean(0).tolist(), abs=0.01)
    assert told["std"] == pytest.approx(flat.std(0).tolist(), abs=0.01)


def tile_shards(made: dict[str, Any]) -> None:
    """Put together again, tiles are the picture."""
    found = made["tiles-000000"]
    whole = {tuple(map(int, name[:-4].rsplit("_", 2)[1:])) for name in found if name.startswith("mountains_")}
    assert whole == {(row, column) for row in range(2) for column in range(3)}
    with Image.open(ROOT / "samples/photos/mountains.jpg") as file:
        before = np.asarray(file)
    assert (np.asarray(found["mountains_000_000.png"]) == before[:256, :256]).all()
    assert json.loads(made["tiles-index.json"])["shardlist"][0]["nsamples"] == len(found)


PROMISES = {
    "dataset_resize": shards, "tiles_to_shards": tile_shards,
    "dataset_statistics": statistics, "contact_sheet": sheets, "find_duplicates": duplicates,
    "video_720p": shrunk_films, "extract_frames": frames, "timelapse": timelapse,
    "thumbnail": thumbnails, "convert_to_webp": webp, "watermark": watermark, "dataset_224": dataset,
    "grayscale_clean": grayscale, "tiles": tiles,
}  # fmt: skip


def test_each_config_has_its_promise() -> None:
    """A new config comes with what it promises."""
    assert {path.stem for path in GALLERY} == set(PROMISES)


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_a_config_does_what_it_says(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One command, exit code 0, nothing failed; in one process it makes the same bytes."""
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    command = [sys.executable, "-m", "pipeline.cli", "run", str(path), "--json"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["failed"] == 0
    made_here = [file for file in (tmp_path / "out").rglob("*.*") if STATE not in file.parts]
    files = {file.name if file.suffix in TEXTS else file.stem: file for file in made_here}
    made: dict[str, Any] = {}
    for stem, file in files.items():
        if file.suffix == ".mp4":
            made[stem] = see(file)
            continue
        if file.suffix in TEXTS:
            made[stem] = file.read_text()
            continue
        if file.suffix == ".tar":
            made[stem] = members(file)
            continue
        with Image.open(file) as image:
            image.load()
        made[stem] = image
    PROMISES[path.stem](made)
    monkeypatch.chdir(tmp_path)
    before = {stem: file.read_bytes() for stem, file in files.items()}
    assert serial.run(planning.build(config.load(path)), keep=Options(fresh=True)).exit_code == 0
    assert {stem: file.read_bytes() for stem, file in files.items()} == before


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_the_first_line_points_editors_to_the_schema(path: Path) -> None:
    """The file beside it is what `pipeline schema` prints: run `pipeline schema > configs/pipeline.schema.json`."""
    first, second = path.read_text().splitlines()[:2]
    assert first == "# yaml-language-server: $schema=pipeline.schema.json"
    assert second.startswith("# ")
    told = (ROOT / "configs/pipeline.schema.json").read_text()
    assert told == CliRunner().invoke(main, ["schema"]).stdout
