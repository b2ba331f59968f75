"""Make the corpus: real photographs as 12-megapixel and as 500x375 JPEG files, from Debian's wallpaper packages.

    python -m bench.corpus [--cache DIR] [--large N] [--small N]

The packages are fetched with `apt-get download` from whatever mirror the machine is set up for and unpacked beside the
cache, never installed. File number i is cut from the same photograph, at the same place, on every machine (seeded
by its name), so a smaller corpus is the beginning of a larger one and a second call only makes what is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from bench.photos import PACKAGES, PHOTOS, Photo

DEFAULT_CACHE = Path("~/.cache/frame-pipeline-bench")
QUALITY = 90
RECIPE = 1  # raise it when the same file name would get other pixels: the old corpus is then made anew


@dataclass(frozen=True, slots=True)
class Kind:
    """One half of the corpus: `crop` is the range of the crop's side, as a share of the largest 4:3 crop."""

    name: str
    width: int
    height: int
    count: int
    crop: tuple[float, float]


KINDS = {
    "large": Kind("large", 4032, 3024, 600, (0.80, 1.0)),
    "small": Kind("small", 500, 375, 5000, (0.40, 1.0)),
}


class CorpusError(RuntimeError):
    """The corpus cannot be made here: the message says what is missing and what to do."""


def file_name(kind: Kind, index: int) -> str:
    return f"{kind.name}-{index:05d}.jpg"


def build(cache: Path, *, large: int, small: int) -> Path:
    """Bring the corpus under `cache` to at least this many files of each kind; return `cache`.

    Needs about 1.3 GB and, for the whole of it, some five minutes of one core the first time.
    """
    cache.mkdir(parents=True, exist_ok=True)
    wanted = {"large": large, "small": small}
    manifest = _manifest(cache)
    if manifest.get("recipe") != RECIPE:
        for name in KINDS:
            shutil.rmtree(cache / name, ignore_errors=True)
        manifest = {"recipe": RECIPE, "quality": QUALITY, "counts": {}}
    todo = {name: _missing(cache, KINDS[name], wanted[name]) for name in KINDS}
    if any(todo.values()):
        with_sources(cache, todo, manifest)
    return cache


def with_sources(cache: Path, todo: dict[str, list[int]], manifest: dict[str, Any]) -> None:
    """Fetch and unpack the packages, cut the missing files, write the manifest, drop the unpacked tree."""
    unpacked = cache / "unpacked"
    manifest["packages"] = [_fetch(package, cache / "packages", unpacked / package) for package in PACKAGES]
    photos = [photo for photo in PHOTOS if (unpacked / photo.package / photo.path).is_file()]
    if len(photos) < 20:
        raise CorpusError(f"only {len(photos)} of {len(PHOTOS)} photographs are in this release's packages; want 20")
    for name, indices in todo.items():
        _cut(KINDS[name], indices, photos, into=cache / name, unpacked=unpacked)
        files = sorted((cache / name).glob("*.jpg"))
        manifest["counts"][name] = len(files)
        manifest.setdefault("mean_nbytes", {})[name] = sum(f.stat().st_size for f in files) // max(1, len(files))
    manifest["photographs"] = [asdict(photo) for photo in photos]
    _replace(cache / "corpus.json", json.dumps(manifest, indent=1).encode())
    shutil.rmtree(unpacked)


def photographs(cache: Path, into: Path) -> list[Path]:
    """The photographs themselves, unpacked into a folder."""
    for package in PACKAGES:
        _fetch(package, cache / "packages", into / package)
    found = [into / photo.package / photo.path for photo in PHOTOS]
    return [path for path in found if path.is_file()]


def subset(cache: Path, kind: str, count: int) -> Path:
    """A folder with the first `count` files of `kind` as hard links: what a slow peer or a quick run is given."""
    source = cache / kind
    names = [file_name(KINDS[kind], i) for i in range(count)]
    if len(os.listdir(source)) == count:
        return source
    folder = cache / "subsets" / f"{kind}-{count}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in set(names) - set(os.listdir(folder)):
        os.link(source / name, folder / name)
    return folder


def _manifest(cache: Path) -> dict[str, Any]:
    path = cache / "corpus.json"
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _missing(cache: Path, kind: Kind, count: int) -> list[int]:
    folder = cache / kind.name
    folder.mkdir(exist_ok=True)
    present = set(os.listdir(folder))
    return [i for i in range(count) if file_name(kind, i) not in present]


def _fetch(package: str, debs: Path, into: Path) -> dict[str, object]:
    """Download `package` unless its .deb is already in `debs`, unpack it; return name, version and licence names."""
    debs.mkdir(parents=True, exist_ok=True)
    if not list(debs.glob(f"{package}_*.deb")):
        _call(["apt-get", "download", "-q", package], cwd=debs)
    deb = max(debs.glob(f"{package}_*.deb"))
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    _call(["dpkg-deb", "-x", str(deb), str(into)], cwd=debs)
    version = _call(["dpkg-deb", "-f", str(deb), "Version"], cwd=debs).strip()
    copyright_file = into / "usr/share/doc" / package / "copyright"
    text = copyright_file.read_text(errors="replace")
    licences = sorted({line[8:].strip() for line in text.splitlines() if line.startswith("License:")} - {""})
    return {"name": package, "version": version, "licences": licences}


def _call(argv: list[str], *, cwd: Path) -> str:
    try:
        return subprocess.run(argv, cwd=cwd, check=True, capture_output=True, text=True).stdout
    except FileNotFoundError as error:
        raise CorpusError(f"{argv[0]} is not here: the corpus needs a Debian or Ubuntu machine") from error
    except subprocess.CalledProcessError as error:
        reason = f"{error.stderr.strip() or error.stdout.strip()}; does `apt-get update` help?"
        raise CorpusError(f"`{' '.join(argv)}` failed: {reason}") from error


def _cut(kind: Kind, indices: list[int], photos: list[Photo], *, into: Path, unpacked: Path) -> None:
    """Cut the files with these numbers; grouped by photograph, so that each is decoded once."""
    per_photo: dict[Photo, list[int]] = defaultdict(list)
    order = _order(kind, photos)
    for index in indices:
        per_photo[order[index % len(order)]].append(index)
    for done, (photo, numbers) in enumerate(per_photo.items(), start=1):
        with Image.open(unpacked / photo.package / photo.path) as opened:
            picture = opened.convert("RGB")
        for index in numbers:
            _cut_one(kind, index, picture, into=into)
        print(f"{kind.name}: photograph {done} of {len(per_photo)}, {len(numbers)} files", file=sys.stderr, flush=True)


def _order(kind: Kind, photos: list[Photo]) -> list[Photo]:
    """The cycle of photographs the numbered files take: shuffled, so that neighbours differ in content and cost."""
    weighted = [photo for photo in photos for _ in range(photo.detail if kind.name == "large" else 2 + photo.detail)]
    random.Random(kind.name).shuffle(weighted)
    return weighted


def _cut_one(kind: Kind, index: int, picture: Image.Image, *, into: Path) -> None:
    """One file: a seeded 4:3 crop, mirrored half of the time, Lanczos to the size, JPEG 4:2:0 without metadata."""
    name = file_name(kind, index)
    choice = random.Random(name)
    unit = min(picture.width / 4, picture.height / 3) * choice.uniform(*kind.crop)
    left = choice.uniform(0, picture.width - 4 * unit)
    top = choice.uniform(0, picture.height - 3 * unit)
    box = (left, top, left + 4 * unit, top + 3 * unit)
    cut = picture.resize((kind.width, kind.height), Image.Resampling.LANCZOS, box=box)
    if choice.random() < 0.5:
        cut = ImageOps.mirror(cut)
    temporary = into / f".{name}"
    cut.save(temporary, "JPEG", quality=QUALITY, subsampling="4:2:0")
    temporary.rename(into / name)


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_bytes(data)
    temporary.rename(path)


def paths(folder: Path) -> Iterator[Path]:
    """The JPEG files of one corpus folder, in name order."""
    return iter(sorted(folder.glob("*.jpg")))


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the corpus of photographs that bench/ times.")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="folder that keeps it (default %(default)s)")
    parser.add_argument("--large", type=int, default=KINDS["large"].count, help="files of 4032x3024")
    parser.add_argument("--small", type=int, default=KINDS["small"].count, help="files of 500x375")
    args = parser.parse_args()
    try:
        cache = build(args.cache.expanduser(), large=args.large, small=args.small)
    except CorpusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 4
    print(json.dumps(_manifest(cache), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
