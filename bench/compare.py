"""Two trees of this project beside each other: CPU of the whole tree of processes, before and after a change.

    git worktree add ../before COMMIT
    python -m bench.compare ../before --pairs 15

Pairs are run ABBA, so that what drifts on the machine meets both alike; a ratio is before / after of one pair, so more
than 1 is better. The lower bound is that of the median, by resampling the pairs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from bench import corpus
from bench.process import Job, run
from bench.settings import CONFIGS, ROOT, environment

LEAST_MEDIAN, LEAST_BOUND = 0.98, 0.95
RESAMPLED = 10_000
BEFORE, AFTER = "before", "after"
Make = Callable[[str, Path, argparse.Namespace], Job]


def _job(name: str, tree: Path, *arguments: str, out: Path | None = None, expected: int | None = None) -> Job:
    """A run of one tree's command, from its own source whatever is installed."""
    argv = (sys.executable, "-m", "pipeline.cli", "run", *arguments, "--json")
    return Job(name, argv, _environment(tree), out=out, expected=expected)


def _environment(tree: Path) -> dict[str, str]:
    """One in which `pipeline` is that of the tree: safe path, else `-m` would look in the current folder first."""
    return environment(PYTHONPATH=str(tree), PYTHONSAFEPATH="1")


def _ensure_runs(tree: Path) -> None:
    """Raise SystemExit where the tree's source would not be what runs."""
    question = "import pipeline, stages; print(pipeline.__file__, stages.__file__)"
    answer = subprocess.run(
        [sys.executable, "-c", question], cwd=ROOT, env=_environment(tree), text=True, capture_output=True, check=True
    )
    for file in answer.stdout.split():
        if not Path(file).is_relative_to(tree):
            raise SystemExit(f"error: not the source of {tree} would run, but {file}")


def hops(name: str, tree: Path, args: argparse.Namespace) -> Job:
    """1080p frames through two hops."""
    return _job(name, tree, str(CONFIGS / "hop.yaml"), "--set", f"reader.frames={args.frames}")


def small(name: str, tree: Path, args: argparse.Namespace) -> Job:
    """500x375 photographs to thumbnails."""
    source = corpus.subset(args.cache, "small", args.files)
    sets = ("--set", f"reader.path={source}", "--set", f"writer.path={args.scratch}/{{stem}}.jpg")
    return _job(name, tree, str(CONFIGS / "thumb_small.yaml"), *sets, out=args.scratch, expected=args.files)


def startup(name: str, tree: Path, args: argparse.Namespace) -> Job:
    """One picture: all that is not work."""
    sets = ("--set", f"writer.path={args.scratch}/{{stem}}.jpg", "--limit", "1")
    return _job(name, tree, "configs/thumbnail.yaml", *sets, out=args.scratch, expected=1)


WORKS: dict[str, Make] = {"hops": hops, "small": small, "startup": startup}


def lower_bound(ratios: list[float]) -> float:
    """The lower end of the 95 % interval of the median (percentile bootstrap, one-sided 97.5 %)."""
    random = Random(1)
    medians = sorted(statistics.median(random.choices(ratios, k=len(ratios))) for _ in range(RESAMPLED))
    return medians[RESAMPLED // 40]


def compare(work: str, args: argparse.Namespace) -> bool:
    """Run the pairs of one work and print a line; whether it meets the bars."""
    trees = {BEFORE: args.before, AFTER: ROOT}
    cpu: list[float] = []
    wall: list[float] = []
    for pair in range(args.pairs):
        order = (BEFORE, AFTER) if pair % 2 == 0 else (AFTER, BEFORE)
        seen = {name: run(WORKS[work](name, trees[name], args)) for name in order}
        cpu.append(seen[BEFORE].cpu_s / seen[AFTER].cpu_s)
        wall.append(seen[BEFORE].wall_s / seen[AFTER].wall_s)
        print(f"  {work} pair {pair + 1:2}: CPU {cpu[-1]:.3f}, wall {wall[-1]:.3f}", file=sys.stderr, flush=True)
    middle, bound = statistics.median(cpu), lower_bound(cpu)
    met = middle >= LEAST_MEDIAN and bound >= LEAST_BOUND
    print(
        f"{work:8} CPU before/after: median {middle:.3f} (bar {LEAST_MEDIAN}), lower bound {bound:.3f} (bar"
        f" {LEAST_BOUND}), {len(cpu)} pairs; wall {statistics.median(wall):.3f}: {'met' if met else 'MISSED'}"
    )
    return met


def main() -> int:
    """Compare this tree with another one."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("before", type=Path, help="the other tree")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--only", action="append", choices=WORKS)
    parser.add_argument("--frames", type=int, default=40_000, help="of hops")
    parser.add_argument("--files", type=int, default=2_000, help="of small")
    parser.add_argument("--cache", type=Path, default=corpus.DEFAULT_CACHE, help="the corpus (default %(default)s)")
    args = parser.parse_args()
    args.before, args.cache = args.before.resolve(), args.cache.expanduser()
    home = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=home) as scratch:
        args.scratch = Path(scratch) / "out"
        for tree in (args.before, ROOT):
            _ensure_runs(tree)
        met = [compare(work, args) for work in args.only or WORKS]
        return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
