"""Archives at either end beside folders: 256-pixel thumbnails of JPEGs of 500x375, all on /dev/shm.

    python -m bench.archives [--files 50000] [--rounds 3]

folder     files to files
tar        members of one tar to files
shards in  members of ten tars to files
zip        members of a zip to files
shards     files to WebDataset shards
both       members of ten tars to shards

Rate of each by that of `folder` in the same round, medians; and the resident size of the parent, which must not grow
with the number of members. Files are hard links to those of the corpus, so all of them lie in memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from bench import corpus
from bench.settings import ROOT, environment

CONFIG = """version: 1
reader: {{use: {reader}, path: {source}}}
transforms: [{{stages: [resize: {{width: 256, height: 256, fit: inside}}]}}]
writer: {writer}
durability: none
"""
FILES, SHARDS = (
    "{{use: files, path: '{out}/{{dir}}/{{stem}}.jpg'}}", "{{use: archive, path: '{out}/s-{{shard}}.tar'}}",
)  # fmt: skip
WAYS = {
    "folder": ("folder", "in", FILES), "tar": ("archive", "one.tar", FILES), "shards in": ("archive", "shards", FILES),
    "zip": ("archive", "one.zip", FILES), "shards": ("folder", "in", SHARDS), "both": ("archive", "shards", SHARDS),
}  # fmt: skip
MOST = 5000  # pictures of the corpus
BAR = 0.95


def laid_out(cache: Path, home: Path, files: int) -> None:
    """The same pictures as files of a folder, members of one tar, of ten, and of a zip."""
    small = corpus.subset(cache, "small", min(files, MOST))
    own = home / "pictures"
    own.mkdir()
    names = sorted(path.name for path in small.glob("*.jpg"))
    for name in names:
        shutil.copyfile(small / name, own / name)
    placed = [(f"{number // 1000:03d}/{number:06d}.jpg", own / names[number % len(names)]) for number in range(files)]
    for name, path in placed:
        (home / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(path, home / "in" / name)
    (home / "shards").mkdir()
    packed(home / "one.tar", placed)
    for shard in range(10):
        packed(home / f"shards/s-{shard:06d}.tar", placed[files * shard // 10 : files * (shard + 1) // 10])
    with zipfile.ZipFile(home / "one.zip", "w") as archive:
        for name, path in placed:
            archive.writestr(name, path.read_bytes())


def packed(target: Path, placed: list[tuple[str, Path]]) -> None:
    with tarfile.open(target, "w") as archive:
        for name, path in placed:
            info = tarfile.TarInfo(name)
            info.size = path.stat().st_size
            with path.open("rb") as file:
                archive.addfile(info, file)


def run(home: Path, way: str) -> dict[str, Any]:
    """One run of a way; its report."""
    shutil.rmtree(home / "out", ignore_errors=True)
    reader, source, writer = WAYS[way]
    config = home / "config.yaml"
    config.write_text(CONFIG.format(reader=reader, source=home / source, writer=writer.format(out=home / "out")))
    command = [str(Path(sys.executable).with_name("pipeline")), "run", str(config), "--json", "-q"]
    done = subprocess.run(command, check=True, env=environment(), cwd=ROOT, stdout=subprocess.PIPE)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--cache", type=lambda text: Path(text).expanduser(), default=corpus.DEFAULT_CACHE.expanduser())
    args = parser.parse_args()
    corpus.build(args.cache, large=0, small=min(args.files, MOST))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
        home = Path(scratch)
        laid_out(args.cache, home, args.files)
        ratios: dict[str, list[float]] = {way: [] for way in args.ways}
        sizes: dict[str, float] = {}
        for number in range(args.rounds):
            seconds = {}
            for way in args.ways if number % 2 == 0 else reversed(args.ways):
                report = run(home, way)
                assert report["done"] == args.files, report
                seconds[way] = report["seconds"]
                sizes[way] = report["parent"]["rss_nbytes"] / 1e6
            for way in args.ways:
                ratios[way].append(seconds["folder"] / seconds[way])
            told = ", ".join(f"{way} {args.files / took:,.0f}/s" for way, took in seconds.items())
            print(f"  round {number + 1}  {told}", flush=True)
        print(f"{args.files:,} members, rate by that of the folder, medians of {args.rounds}; parent")
        for way in args.ways:
            ratio = statistics.median(ratios[way])
            print(f"{'met   ' if ratio >= BAR else 'missed'} {way:10} {ratio:.2f}  {sizes[way]:.0f} MB  (bar: {BAR})")


if __name__ == "__main__":
    main()
