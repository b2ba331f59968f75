"""What the journal costs, and how fast a run is that has nothing to do.

    python -m bench.journal cost --durability none      # 500x375 thumbnails: accounted CPU, and pairs with and without
    python -m bench.journal cost --durability batch --out FOLDER-ON-A-DISK
    python -m bench.journal rerun --files 200000        # everything is up to date; files and outputs on tmpfs
    python -m bench.journal bars                        # all of it beside its bars, in five minutes; ends `make fault`

2,000,000 files want a tmpfs of their own: `mount -t tmpfs -o nr_inodes=0,size=8G tmpfs FOLDER`, then
`rerun --files 2000000 --rounds 1 --tmpfs FOLDER`.

*Accounted* is the processor time of the journal's threads and of every call into it, over that of the whole run. A pair
is two runs with and two without, one kind between the two of the other, so that a machine that grows slower meanwhile
tells nothing; a ratio is with / without, so less is better. Every fourth pair has one more run whose calls into the
journal are timed. The interval is that of the median, by resampling the pairs (percentile
bootstrap, 95 %).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from bench import corpus
from bench.settings import CONFIGS, ROOT, environment

RESAMPLED = 10_000
HOOKS = ("look", "let_in", "is_claimed", "ended")


def child(settings: dict[str, Any]) -> None:
    """One run in this process, with or without a journal; prints its figures."""
    from pipeline.api import planned
    from pipeline.journal import Journal, Options
    from pipeline.supervisor import execution

    overrides = {
        "reader.path": settings["source"], "writer.path": f"{settings['out']}/{{stem}}.jpg",
        "durability": settings["durability"] or "none",
    }  # fmt: skip
    plan = planned(CONFIGS / "thumb_small.yaml", overrides, None, allow_code=False)
    clock_s = _clock_s()
    spent, calls = [0.0], [0]
    for name in HOOKS if settings["accounted"] else ():  # its clock costs too, so the pairs run without it
        setattr(Journal, name, _timed(getattr(Journal, name), spent, calls))
    began = time.perf_counter()
    report = execution.run(plan, keep=Options() if settings["durability"] else None)
    wall_s = time.perf_counter() - began
    assert report.ledger.done == settings["files"], report.ledger
    cpu_s = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    accounted = spent[0] - calls[0] * clock_s + report.journal.get("cpu_s", 0.0)
    print(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s, "accounted_s": accounted}))


def _clock_s() -> float:
    """What it takes to time a call that does nothing; it is no cost of the journal."""
    spent, calls = [0.0], [0]
    nothing = _timed(lambda: None, spent, calls)
    for _ in range(20_000):
        nothing()
    return spent[0] / calls[0]


def _timed(hook: Callable[..., Any], spent: list[float], calls: list[int]) -> Callable[..., Any]:
    """The same call, with the processor time of its thread added up."""

    def timed(*args: Any, **keywords: Any) -> Any:
        began = time.thread_time()
        try:
            return hook(*args, **keywords)
        finally:
            spent[0] += time.thread_time() - began
            calls[0] += 1

    return timed


def once(source: Path, out: Path, files: int, durability: str, *, accounted: bool = False) -> dict[str, float]:
    """A run in a process of its own, into an empty folder."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    settings = {"source": str(source), "out": str(out), "files": files, "durability": durability}
    settings["accounted"] = accounted
    argv = [sys.executable, "-m", "bench.journal", "child", json.dumps(settings)]
    done = subprocess.run(argv, cwd=ROOT, env=environment(), text=True, capture_output=True, check=True)
    shutil.rmtree(out)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def interval(values: list[float]) -> tuple[float, float]:
    """The 95 % interval of the median."""
    random = Random(1)
    medians = sorted(statistics.median(random.choices(values, k=len(values))) for _ in range(RESAMPLED))
    return medians[RESAMPLED // 40], medians[-RESAMPLED // 40]


def cost(args: argparse.Namespace) -> tuple[float, tuple[float, float], float]:
    """With and without, in pairs: share of CPU accounted, interval of the ratios of CPU, median ratio of wall time."""
    source = _many(args.cache, args.files)
    out = Path(args.out) / "bench-journal"
    accounted: list[float] = []
    ratios: dict[str, list[float]] = {"cpu": [], "wall": []}
    for pair in range(args.pairs):
        first, second = ["", args.durability] if pair % 2 else [args.durability, ""]
        figures: dict[str, list[dict[str, float]]] = {"": [], args.durability: []}
        for how in (first, second, second, first):
            figures[how].append(once(source, out, args.files, how))
        if pair % 4 == 0:
            looked_at = once(source, out, args.files, args.durability, accounted=True)
            accounted.append(looked_at["accounted_s"] / looked_at["cpu_s"])
        for name, told in ratios.items():
            kept, without = (sum(each[f"{name}_s"] for each in figures[how]) for how in (args.durability, ""))
            told.append(kept / without)
        last = "  ".join(f"{name} {told[-1]:.3f}" for name, told in ratios.items())
        print(f"  pair {pair + 1:2}  accounted {accounted[-1]:.2%}  {last}", flush=True)
    print(f"durability {args.durability}, {args.files} files, {args.pairs} pairs, out on {args.out}")
    print(f"accounted CPU  median {statistics.median(accounted):.2%}")
    for name, told in ratios.items():
        low, high = interval(told)
        print(f"{name:4} with / without  median {statistics.median(told):.3f}  [{low:.3f}, {high:.3f}]")
    return statistics.median(accounted), interval(ratios["cpu"]), statistics.median(ratios["wall"])


def _many(cache: Path, files: int) -> Path:
    """A folder of so many links to the pictures of the corpus, which are fewer."""
    source, folder = cache / "small", cache / "subsets" / f"many-{files}"
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(os.listdir(source))
    for number in range(len(os.listdir(folder)), files):
        os.link(source / names[number % len(names)], folder / f"{number:06d}.jpg")
    return folder


def rerun(args: argparse.Namespace) -> tuple[float, float]:
    """A folder of files whose outputs are all there: the shortest time in seconds, the parent's memory in MB."""
    times: list[float] = []
    rss = 0.0
    with tempfile.TemporaryDirectory(dir=args.tmpfs, prefix="bench-rerun-") as folder:
        _prepare(Path(folder), args.files)
        argv = [
            sys.executable, "-m", "pipeline.cli", "run", str(CONFIGS / "thumb_small.yaml"), "--json", "-q",
            "--set", f"reader.path={folder}/in", "--set", f"writer.path={folder}/out/{{dir}}/{{stem}}.jpg",
        ]  # fmt: skip
        for number in range(args.rounds):
            began = time.perf_counter()
            done = subprocess.run(argv, cwd=ROOT, env=environment(), text=True, capture_output=True, check=True)
            times.append(wall_s := time.perf_counter() - began)
            report = json.loads(done.stdout)
            assert report["up_to_date"] == args.files, report
            rss = report["parent"]["rss_nbytes"] / 1e6
            print(
                f"  run {number + 1}  {wall_s:.2f} s whole  {args.files / wall_s:,.0f} files/s  {rss:.0f} MB",
                flush=True,
            )
    return min(times), rss


def _with(args: argparse.Namespace, **more: Any) -> argparse.Namespace:
    return argparse.Namespace(**(vars(args) | more))


def bars(args: argparse.Namespace) -> None:
    """Every bar of the journal with what was measured; one that is missed is said, and fails nothing."""
    corpus.build(args.cache, large=1, small=2000)
    told = []
    few = _with(args, files=20_000, rounds=3, tmpfs="/dev/shm")
    seconds, _ = rerun(few)
    told.append((seconds <= 1.0, f"20,000 files up to date, best of 3: {seconds:.2f} s", "<= 1.0 s"))
    many = _with(args, files=200_000, rounds=3, tmpfs="/dev/shm")
    seconds, rss = rerun(many)
    pace = 200_000 / seconds
    told.append(
        (pace >= 40_000 and rss <= 150, f"200,000: {pace:,.0f} files/s, {rss:.0f} MB", ">= 40,000/s, <= 150 MB")
    )
    pairs = _with(args, durability="none", files=2000, pairs=20, out="/dev/shm")
    accounted, (_, high), _ = cost(pairs)
    told.append((accounted <= 0.02, f"journal, `none`: {accounted:.2%} of CPU accounted", "<= 2 %"))
    told.append((high <= 1.03, f"journal, `none`: upper end of the pairs {100 * (high - 1):+.1f} points", "<= +3"))
    on_disk = _with(args, durability="batch", files=2000, pairs=6, out=args.disk)
    _, _, wall = cost(on_disk)
    told.append((wall <= 1.10, f"journal, `batch` on {args.disk}: {100 * (wall - 1):+.1f} % of wall time", "<= 10 %"))
    print("figures of the journal")
    for met, what, bar in told:
        print(f"{'met   ' if met else 'MISSED'} {what}  (bar: {bar})")


def _prepare(folder: Path, files: int) -> None:
    """Inputs, outputs and a journal that knows them, without decoding anything."""
    from pipeline.api import planned
    from pipeline.journal import Journal
    from pipeline.supervisor.intake import Intake

    for number in range(files):
        where = f"{folder}/in/{number // 1000:05d}"
        if not number % 1000:
            os.makedirs(where)
        os.close(os.open(f"{where}/{number % 1000:03d}.jpg", os.O_CREAT | os.O_WRONLY))
    overrides = {
        "reader.path": f"{folder}/in", "writer.path": f"{folder}/out/{{dir}}/{{stem}}.jpg", "durability": "none",
    }  # fmt: skip
    plan = planned(CONFIGS / "thumb_small.yaml", overrides, None, allow_code=False)
    time.sleep(0.1)  # files that were made within the last tick may change once more without a sign of it
    (folder / "out").mkdir()
    journal = Journal(plan)
    for found in Intake(plan, journal=journal).entries():
        os.makedirs(os.path.dirname(found.target), exist_ok=True)
        os.close(os.open(found.target, os.O_CREAT | os.O_WRONLY))
        journal.ended(found.item, "done", None, 1000)
    journal.close(0, {})


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(corpus.DEFAULT_CACHE).expanduser())
    commands = parser.add_subparsers(dest="command", required=True)
    costs = commands.add_parser("cost")
    costs.add_argument("--durability", choices=("none", "batch", "each"), default="none")
    costs.add_argument("--files", type=int, default=10_000)
    costs.add_argument("--pairs", type=int, default=20)
    costs.add_argument("--out", default="/dev/shm")
    reruns = commands.add_parser("rerun")
    reruns.add_argument("--files", type=int, default=20_000)
    reruns.add_argument("--rounds", type=int, default=3)
    reruns.add_argument("--tmpfs", default="/dev/shm")
    all_bars = commands.add_parser("bars")
    all_bars.add_argument("--disk", default=tempfile.gettempdir())
    commands.add_parser("child").add_argument("settings", type=json.loads)
    args = parser.parse_args()
    if args.command == "child":
        child(args.settings)
    else:
        {"cost": cost, "rerun": rerun, "bars": bars}[args.command](args)


if __name__ == "__main__":
    main()
