"""Duplicates planted among strangers: how many are found, how many are wrong, and what it costs beside thumbnails.

    python -m bench.duplicates [--files 20000] [--planted 500]

Strangers are regions of the photographs of the corpus, each once, so that no two show the same; regions of one tone
or of stripes are left out. Planted are copies (exact), pictures that show the same (resized, compressed anew,
mirrored, turned by quarter turns, cropped by 3 %, or two of these), and look-alikes that show something else: the
region moved by a fifth to two fifths of its size.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from bench import corpus
from bench.settings import ROOT, environment

WIDTH, HEIGHT, LARGER = 112, 84, 4  # of a region; pictures are that many times larger: 448x336
CONTRAST = 5.0  # levels (standard deviation) of a region that shows something
TURNS = [
    None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270,
]  # fmt: skip
CONFIG = """version: 1
reader: {{use: folder, path: {source}}}
transforms: [{{name: shrink, stages: [orient, resize: {{width: 64, height: 64, fit: fill}}]}}]
reducers: [duplicates: {{path: {out}}}]
durability: none
"""
THUMBNAILS = """version: 1
reader: {{use: folder, path: {source}}}
transforms: [{{name: shrink, stages: [orient, resize: {{width: 256, height: 256, fit: inside}}]}}]
writer: {{use: files, path: "{out}/{{dir}}/{{stem}}.jpg"}}
durability: none
"""


def regions(photos: list[Path], random: Random) -> list[tuple[Path, int, int]]:
    """Photograph, left and top of places that do not touch, and that are large enough to be moved within."""
    found = []
    for path in photos:
        with Image.open(path) as image:
            gray = image.convert("L")
        for left in range(0, gray.width - WIDTH, WIDTH + 4):
            for top in range(0, gray.height - HEIGHT, HEIGHT + 4):
                if contrast(np.asarray(cut(gray, left, top, 1).resize((32, 32)), float)) >= CONTRAST:
                    found.append((path, left, top))
    random.shuffle(found)
    return found


def contrast(gray: Any) -> float:
    """Of what is no tone and no stripe: parts of a sky, a wall or a blind show the same although they are others."""
    return float((gray - gray.mean(0) - gray.mean(1, keepdims=True) + gray.mean()).std())


def cut(photo: Image.Image, left: int, top: int, larger: int = LARGER) -> Image.Image:
    """The region of a photograph."""
    region = photo.crop((left, top, left + WIDTH, top + HEIGHT))
    return region.resize((WIDTH * larger, HEIGHT * larger), Image.Resampling.BICUBIC) if larger > 1 else region


def planted(image: Image.Image, random: Random) -> Image.Image:
    """The same in another form."""
    ways = random.sample(["resize", "turn", "crop", "compress"], random.randint(1, 2))
    if "crop" in ways:
        x, y = round(image.width * 0.03), round(image.height * 0.03)
        left, top = random.randint(0, x), random.randint(0, y)
        image = image.crop((left, top, left + image.width - x, top + image.height - y))
    if "turn" in ways:
        turn = random.choice(TURNS[1:])
        image = image.transpose(turn) if turn is not None else image
    if "resize" in ways:
        share = random.uniform(0.5, 1.5)
        image = image.resize((round(image.width * share), round(image.height * share)), Image.Resampling.LANCZOS)
    return image


def build(folder: Path, photos: list[Path], files: int, planting: int, seed: int = 1) -> dict[str, Any]:
    """The set; pairs of names that are exact, that are similar, and that only look alike."""
    random = Random(seed)
    places = regions(photos, random)
    if len(places) < files:
        print(f"the photographs have {len(places):,} regions: so many strangers are there", file=sys.stderr)
    places = places[:files]
    chosen = random.sample(range(len(places)), 3 * planting)
    exact, similar, alike = (set(chosen[n * planting : (n + 1) * planting]) for n in range(3))
    truth: dict[str, Any] = {"exact": [], "similar": [], "alike": []}
    by_photo: dict[Path, list[int]] = {}
    for number, (path, _, _) in enumerate(places):
        by_photo.setdefault(path, []).append(number)
    for path, numbers in by_photo.items():
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
        for number in numbers:
            _, left, top = places[number]
            image = cut(photo, left, top)
            name = f"{number % 100:02d}/{number:05d}.jpg"
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            image.save(target, quality=90)
            again = f"{number % 100:02d}/{number:05d}_again.jpg"
            if number in exact:
                shutil.copy(target, folder / again)
                truth["exact"].append([name, again])
            elif number in similar:
                planted(image, random).save(folder / again, quality=random.choice([60, 75, 85, 95]))
                truth["similar"].append([name, again])
            elif number in alike:
                x, y = (round(side * random.uniform(0.2, 0.4)) * random.choice([-1, 1]) for side in (WIDTH, HEIGHT))
                x = -x if not 0 <= left + x <= photo.width - WIDTH else x
                y = -y if not 0 <= top + y <= photo.height - HEIGHT else y
                cut(photo, left + x, top + y).save(folder / again, quality=90)
                truth["alike"].append([name, again])
    return truth


def judged(found: dict[str, Any], truth: dict[str, Any]) -> Iterator[tuple[bool, str, str]]:
    """Bars beside what was measured, of pairs within groups."""
    kinds: dict[str, set[frozenset[str]]] = {name: {frozenset(pair) for pair in pairs} for name, pairs in truth.items()}
    exact: set[frozenset[str]] = set()
    similar: set[frozenset[str]] = set()
    for group in found["found"]:
        for n, one in enumerate(group["files"]):
            for two in group["files"][n + 1 :]:
                same = one["sha256"] == two["sha256"]
                (exact if same else similar).add(frozenset((one["file"], two["file"])))
    right = len(similar & kinds["similar"])
    recall, precision = right / len(kinds["similar"]), right / max(1, len(similar))
    wrong = len(similar & kinds["alike"])
    yield exact >= kinds["exact"] and not exact - kinds["exact"], f"exact {len(exact & kinds['exact'])} found", "100 %"
    yield recall >= 0.98, f"perceptual recall {recall:.3f}", ">= 0.98"
    yield precision >= 0.99, f"precision {precision:.3f}, {wrong} look-alikes taken for the same", ">= 0.99"


def timed(config: Path, out: Path) -> float:
    shutil.rmtree(out, ignore_errors=True)
    began = time.perf_counter()
    subprocess.run(
        [Path(sys.executable).with_name("pipeline"), "run", config, "-q"], check=True, env=environment(),
        stderr=subprocess.DEVNULL, cwd=ROOT,
    )  # fmt: skip
    return time.perf_counter() - began


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--planted", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1, help="another one plants others")
    parser.add_argument("--cache", type=lambda text: Path(text).expanduser(), default=corpus.DEFAULT_CACHE.expanduser())
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
        home = Path(scratch)
        photos = corpus.photographs(args.cache, home / "photos")
        truth = build(home / "in", photos, args.files, args.planted, args.seed)
        (home / "truth.json").write_text(json.dumps(truth))
        configs = {}
        for name, text in (("duplicates", CONFIG), ("thumbnails", THUMBNAILS)):
            configs[name] = home / f"{name}.yaml"
            configs[name].write_text(text.format(source=home / "in", out=home / name))
        ratios = []
        for number in range(args.rounds):
            order = ("duplicates", "thumbnails") if number % 2 else ("thumbnails", "duplicates")
            seconds = {name: timed(configs[name], home / name) for name in order}
            print(f"  round {number + 1}: {seconds}", file=sys.stderr, flush=True)
            ratios.append(seconds["duplicates"] / seconds["thumbnails"])
        found = json.loads((home / "duplicates/duplicates.json").read_text())
        ratio = statistics.median(ratios)
        bars = [*judged(found, truth), (ratio <= 1.15, f"time beside thumbnails {ratio:.2f}", "<= 1.15")]
        print(f"{found['files']:,} files, {found['groups']:,} groups")
        for met, what, bar in bars:
            print(f"{'met   ' if met else 'MISSED'} {what}  (bar: {bar})")


if __name__ == "__main__":
    main()
