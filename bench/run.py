"""`python -m bench`: check the pixels, run every work, print the table, write the raw rows."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

from bench import corpus, results, table
from bench.process import MeasureError
from bench.rows import Outcome, Row
from bench.settings import Settings
from bench.works import hops, memory, pressure, rivals, startup, thumbs, tuning, video

WORKS: dict[str, Callable[[Settings], Outcome]] = {
    "startup": startup.measure,
    "hops": hops.measure,
    "small": thumbs.small,
    "large": thumbs.large,
    "rivals-large": rivals.large,
    "rivals-small": rivals.small,
    "disk": thumbs.disk,
    "memory": memory.measure,
    "pressure": pressure.measure,
    "tune": tuning.measure,
    "video-effects": video.effects,
    "video-scale": video.scale,
    "video-memory": video.memory,
}
QUICK_ROUNDS, ROUNDS = 3, 5
TMPFS = Path("/dev/shm")


def main(argv: list[str] | None = None) -> int:
    """Exit 0 when everything was measured (missed bars are told in the table), 1 when something failed, 3 with
    `--strict` when a bar was missed."""
    args = _arguments(argv)
    rounds = args.rounds or (QUICK_ROUNDS if args.quick else ROUNDS)
    names = args.only or list(WORKS)
    facts = table.machine()
    print(f"works: {' '.join(names)}; {rounds} rounds{'; QUICK' if args.quick else ''}", file=sys.stderr)
    cache = args.cache.expanduser()
    try:
        _corpus(cache, names, quick=args.quick)
    except corpus.CorpusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    outcomes = _measure(names, args, rounds, cache)
    result = table.text(outcomes, facts, quick=args.quick, rounds=rounds)
    print(result)
    if args.json:
        args.json.write_text(table.as_json(outcomes, facts, quick=args.quick, rounds=rounds) + "\n")
    if args.keep:
        whole = {name: outcome for name, outcome in outcomes.items() if results.is_whole(outcome)}
        results.keep(whole, facts, date=date.today().isoformat(), rounds=rounds, order=list(WORKS))
    rows = [row for outcome in outcomes.values() for row in outcome.rows]
    if any(row.measured.startswith("failed") for row in rows):
        return 1
    return 3 if args.strict and any(row.met is False for row in rows) else 0


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Time `pipeline` beside its peers.")
    beside = Path(sys.executable).with_name("pipeline")
    parser.add_argument("--quick", action="store_true", help="fewer files and rounds: an indication in three minutes")
    parser.add_argument("--only", action="append", choices=WORKS, metavar="NAME", help=f"of {' '.join(WORKS)}")
    parser.add_argument("--rounds", type=int, help=f"rounds of each work (default {ROUNDS}, quick {QUICK_ROUNDS})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run there")
    parser.add_argument("--cache", type=Path, default=corpus.DEFAULT_CACHE, help="the corpus (default %(default)s)")
    parser.add_argument("--pipeline", default=str(beside), help="the command to time (default: beside this Python)")
    parser.add_argument("--peers-only", action="store_true", help="time the others alone")
    parser.add_argument("--keep", action="store_true", help="keep the works measured, and make the pages again")
    parser.add_argument("--strict", action="store_true", help="exit 3 when a bar is missed")
    args = parser.parse_args(argv)
    if args.keep and (args.quick or args.peers_only or (args.rounds or ROUNDS) < ROUNDS):
        parser.error(f"--keep wants full runs of all contenders and at least {ROUNDS} rounds")
    if not args.peers_only and shutil.which(args.pipeline) is None:
        parser.error(f"no command {args.pipeline}; install the project, or give --pipeline or --peers-only")
    return args


def _corpus(cache: Path, names: list[str], *, quick: bool) -> None:
    """Make the files these works read, no more."""
    counts = {kind: (thumbs.QUICK if quick else thumbs.FULL)[kind] for kind in corpus.KINDS}
    large = counts["large"] if {"large", "rivals-large"} & set(names) else 5 if "memory" in names else 0
    small = (
        counts["small"] if {"small", "disk", "rivals-small", "tune"} & set(names) else 45 if "memory" in names else 0
    )
    if large or small:
        corpus.build(cache, large=large, small=small)


def _measure(names: list[str], args: argparse.Namespace, rounds: int, cache: Path) -> dict[str, Outcome]:
    """Run the works in order; one that fails becomes a row that says so, and the others go on."""
    scratch = Path(tempfile.mkdtemp(prefix="frame-pipeline-bench-", dir=TMPFS if TMPFS.is_dir() else None))
    disk = Path(tempfile.mkdtemp(prefix="frame-pipeline-bench-", dir=cache if cache.is_dir() else None))
    pipeline = None if args.peers_only else str(Path(shutil.which(args.pipeline) or args.pipeline).absolute())
    settings = Settings(cache=cache, scratch=scratch, disk=disk, pipeline=pipeline, rounds=rounds, quick=args.quick)
    outcomes = {}
    try:
        for name in names:
            print(f"{name}:", file=sys.stderr, flush=True)
            try:
                outcomes[name] = WORKS[name](settings)
            except MeasureError as error:
                outcomes[name] = Outcome([Row(name, "all of its bars", f"failed: {error}".replace("\n", " "), False)])
            print(table.rows_table(outcomes[name].rows), file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(disk, ignore_errors=True)
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
