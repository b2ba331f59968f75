"""Does memory grow with the length of a run? The same 50 files 20 times, and 400 times.

45 small and 5 large photographs, so that grants of very different sizes follow one another. Each repetition has a name
of its own (a hard link), so that the writer makes as many files; a `list` file names them in order.
"""

from __future__ import annotations

import os
from pathlib import Path

from bench import corpus
from bench.process import Job, Sample, Watch, interleave
from bench.rows import Outcome, Row, Spread, at_most, named
from bench.settings import CONFIGS, Settings, environment
from bench.watch import Tree, apart

SHORT, LONG = "ours 50 files short", "ours 50 files long"
REPEATS = {SHORT: (20, 10), LONG: (400, 40)}  # full, quick
BUDGET_NBYTES = 64 << 20  # queues.memory of configs/memory.yaml
PERCENT = 5.0


def measure(settings: Settings) -> Outcome:
    """Peak resident size of each process, short run against long, from /proc; the arena's peak from the report."""
    if not settings.pipeline:
        return Outcome([Row("memory", "arena within budget, resident size < 5 % apart", "not measured")])
    repeats = {name: settings.scaled(*counts) for name, counts in REPEATS.items()}
    jobs = [_job(name, count, settings) for name, count in repeats.items()]
    trees: dict[str, list[Tree]] = {name: [] for name in repeats}

    def watcher(name: str) -> Watch:
        def watch(pid: int) -> Tree:
            trees[name].append(Tree(pid))
            return trees[name][-1]

        return watch

    samples = interleave(jobs, rounds=settings.rounds, watches={name: watcher(name) for name in repeats})
    work = f"memory: 50 files {repeats[SHORT]} and {repeats[LONG]} times"
    pairs = list(zip(trees[SHORT], trees[LONG], strict=True))
    workers = [apart(short.workers_nbytes, long.workers_nbytes) for short, long in pairs]
    parents = [apart([short.parent_nbytes], [long.parent_nbytes]) for short, long in pairs]
    private = [apart(short.private_nbytes, long.private_nbytes) for short, long in pairs]
    rows = [
        _arena(work, samples),
        at_most(work, what="resident, workers", bar=PERCENT, values=workers, unit="% apart", form=".1f"),
        Row(work, "of it private (RssAnon), workers (no bar)", Spread.of(private).text(".1f") + " % apart"),
        at_most(work, what="resident, parent", bar=PERCENT, values=parents, unit="% apart", form=".1f"),
    ]
    short, long = pairs[-1]
    note = f"resident MB, parent then workers: {_megabytes(short)} short, {_megabytes(long)} long"
    return Outcome(rows, samples, notes=[note, *_reported(samples)])


def _job(name: str, repeats: int, settings: Settings) -> Job:
    assert settings.pipeline is not None
    links = _links(settings.cache, repeats)
    listing = settings.scratch / f"list-{repeats}.txt"
    listing.write_text("".join(f"{path}\n" for path in links))
    out = settings.scratch / "out"
    sets = ["--set", f"reader.path={listing}", "--set", f"writer.path={out}/{{stem}}.jpg"]
    command = (settings.pipeline, "run", str(CONFIGS / "memory.yaml"), *sets, "--json")
    return Job(name, command, environment(), out=out, expected=len(links))


def _links(cache: Path, repeats: int) -> list[Path]:
    """Hard links to the same 50 files, `repeats` times over, in the order they are to be read."""
    small = [cache / "small" / corpus.file_name(corpus.KINDS["small"], i) for i in range(45)]
    large = [cache / "large" / corpus.file_name(corpus.KINDS["large"], i) for i in range(5)]
    fifty = [path for i, big in enumerate(large) for path in (*small[9 * i : 9 * i + 9], big)]
    folder = cache / "repeats"
    folder.mkdir(exist_ok=True)
    present = set(os.listdir(folder))
    links = []
    for repeat in range(repeats):
        for path in fifty:
            link = folder / f"r{repeat:03d}-{path.name}"
            links.append(link)
            if link.name not in present:
                os.link(path, link)
    return links


def _arena(work: str, samples: list[Sample]) -> Row:
    """The most bytes of the arena that were ever allocated, against its budget."""
    peaks = [sample.printed.get("peak_memory", {}).get("arena_nbytes") for sample in samples]
    bar = f"arena <= {BUDGET_NBYTES >> 20} MiB, its budget"
    told = [peak for peak in peaks if peak is not None]
    if len(told) < len(peaks):
        return Row(work, bar, "the report does not say", False)
    return Row(work, bar, f"{max(told) / (1 << 20):.1f} MiB at most", max(told) <= BUDGET_NBYTES)


def _megabytes(tree: Tree) -> str:
    return " ".join(f"{size / 1e6:.0f}" for size in (tree.parent_nbytes, *tree.workers_nbytes))


def _reported(samples: list[Sample]) -> list[str]:
    """What the program itself says of its largest worker in each group, to stand beside the figures from /proc."""
    lines = []
    for name in REPEATS:
        groups = named(samples, name)[-1].printed.get("groups", [])
        told = ", ".join(f"{group.get('name')} {group.get('rss_nbytes', 0) / 1e6:.0f}" for group in groups)
        lines.append(f"{name}, resident MB by its report: {told}")
    return lines
