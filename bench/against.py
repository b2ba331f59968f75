"""This checkout beside another one, such as the commit before a change: baseline JPEG and start-up.

    git worktree add /tmp/before COMMIT && make -C /tmp/before .venv/runtime
    python -m bench.against /tmp/before [--pairs 20]

*jpeg* is a run over 32 photographs of 12 megapixels, *start-up* one over a single small one; thumbnails of 256 pixels,
onto tmpfs. A pair is two runs of ours around two of theirs (or the other way round), and a ratio ours over theirs. The
interval is that of the median, by resampling the pairs (percentile bootstrap, 95 %). The bar: it is not wholly above
1.02.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from bench import corpus
from bench.journal import interval
from bench.process import Job, Sample, run
from bench.settings import CONFIGS, ROOT, environment

MOST = 1.02
LARGE = 32


def _job(checkout: Path, source: Path, out: Path, files: int, config: str) -> Job:
    argv = (
        str(checkout / ".venv/bin/pipeline"), "run", str(CONFIGS / config), "--json", "-q",
        "--set", f"reader.path={source}", "--set", f"writer.path={out}/{{stem}}.jpg", "--set", "durability=none",
    )  # fmt: skip
    return Job(checkout.name, argv, environment(), out, files)


def compare(name: str, other: Path, source: Path, files: int, config: str, pairs: int, scratch: Path) -> None:
    """Prints the ratios of processor and wall time."""
    ratios: dict[str, list[float]] = {"cpu": [], "wall": []}
    for number in range(pairs):
        order = (ROOT, other, other, ROOT) if number % 2 else (other, ROOT, ROOT, other)
        samples: dict[Path, list[Sample]] = {ROOT: [], other: []}
        for checkout in order:
            samples[checkout].append(run(_job(checkout, source, scratch / "out", files, config)))
        for figure, told in ratios.items():
            ours, theirs = (sum(getattr(each, f"{figure}_s") for each in samples[who]) for who in (ROOT, other))
            told.append(ours / theirs)
        print(f"  {name} pair {number + 1} of {pairs}", file=sys.stderr, flush=True)
    for figure, told in ratios.items():
        low, high = interval(told)
        verdict = "MISSED" if low > MOST else "met   "
        print(f"{verdict} {name:9} {figure:4} {statistics.median(told):.3f}  [{low:.3f}, {high:.3f}]", flush=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=lambda text: Path(text).resolve())
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--cache", type=lambda text: Path(text).expanduser(), default=corpus.DEFAULT_CACHE.expanduser())
    args = parser.parse_args()
    corpus.build(args.cache, large=4, small=1)
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="bench-against-") as folder:
        scratch = Path(folder)
        large, one = scratch / "large", scratch / "one"
        large.mkdir()
        one.mkdir()
        photos = sorted((args.cache / "large").iterdir())[:4]
        for number in range(LARGE):
            shutil.copy(photos[number % len(photos)], large / f"{number:02d}.jpg")
        shutil.copy(min((args.cache / "small").iterdir()), one)
        compare("start-up", args.other, one, 1, "thumb_small.yaml", args.pairs, scratch)
        compare("jpeg", args.other, large, LARGE, "thumb_large.yaml", args.pairs, scratch)


if __name__ == "__main__":
    main()
