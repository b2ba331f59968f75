"""The reducer `statistics` beside a loop of numpy over a Pool of two processes, which adds up the same figures.

    python -m bench.whole_set [--files 60000] [--rounds 3]

Pictures of 500x375; those of the corpus under several names where it has fewer. The loop decodes with Pillow and takes
sums, squares, a histogram and the variance of the Laplacian of each, with `imap_unordered` and a chunk of 16; it writes
nothing down, so it could not go on where it stopped. Ratio: its time over ours, medians of interleaved rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import corpus
from bench.settings import ROOT, environment

CONFIG = """version: 1
reader: {{use: folder, path: {source}}}
transforms: []
reducers: [statistics: {{path: {out}, files: false}}]
durability: none
"""
MOST = 5000


def laid_out(cache: Path, folder: Path, files: int) -> Path:
    """So many names for the small files of the corpus."""
    source = corpus.subset(cache, "small", min(files, MOST))
    names = sorted(path.name for path in source.glob("*.jpg"))
    for number in range(files):
        home = folder / f"{number // 1000:03d}"
        home.mkdir(parents=True, exist_ok=True)
        os.symlink(source / names[number % len(names)], home / f"{number:06d}.jpg")
    return folder


def timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, env=environment(), cwd=ROOT, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=lambda text: Path(text).expanduser(), default=corpus.DEFAULT_CACHE.expanduser())
    args = parser.parse_args()
    corpus.build(args.cache, large=0, small=min(args.files, MOST))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
        home = Path(scratch)
        source = laid_out(args.cache, home / "in", args.files)
        config = home / "config.yaml"
        config.write_text(CONFIG.format(source=source, out=home / "out"))
        pipeline = str(Path(sys.executable).with_name("pipeline"))
        follow = ["--set", "reader.follow_symlinks=true", "-q"]
        commands = {
            "ours": [pipeline, "run", str(config), *follow],
            "loop": [
                sys.executable,
                str(ROOT / "bench/peers/numpy_statistics.py"),
                str(source),
                str(home / "loop.json"),
            ],
        }
        ratios = []
        for number in range(args.rounds):
            shutil.rmtree(home / "out", ignore_errors=True)
            order = ("ours", "loop") if number % 2 else ("loop", "ours")
            seconds = {name: timed(commands[name]) for name in order}
            ratios.append(seconds["loop"] / seconds["ours"])
            print(f"  round {number + 1}: {seconds}", file=sys.stderr, flush=True)
        ours = json.loads((home / "out/statistics.json").read_text())
        theirs = json.loads((home / "loop.json").read_text())
        apart = max(abs(a - b) for name in ("mean", "std") for a, b in zip(ours[name], theirs[name], strict=True))
        ratio = statistics.median(ratios)
        print(f"{ours['files']:,} files; mean and std differ by {apart:.6f} at most")
        print(f"{'met   ' if ratio >= 0.95 else 'MISSED'} rate beside the loop {ratio:.2f}  (bar: >= 0.95)")


if __name__ == "__main__":
    main()
