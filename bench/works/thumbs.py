"""Thumbnails of photographs: 12 megapixels (decoding dominates) and 500x375 (the engine's own cost shows).

Slow peers are given fewer files; where a whole run is compared, theirs is stretched at their own steady rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench import corpus, pixels
from bench.contenders import MAGICK, OURS, PILLOW, PLAIN, SHARP, SHARP_FAST, TUNED, VIPS, thumbnails
from bench.process import Job, Sample, interleave
from bench.rows import Outcome, Row, Spread, at_least, at_most, named, ratios
from bench.settings import Settings

STAGED, FUSED, TWO, _ = OURS
FULL = {"large": 600, "small": 5000}
QUICK = {"large": 120, "small": 1000}
SLOW = {  # full, quick
    ("large", PILLOW): (100, 24), ("large", VIPS): (600, 48), ("small", VIPS): (1000, 400),
    ("large", MAGICK): (100, 24), ("small", MAGICK): (500, 200),
    ("large", SHARP): (300, 60), ("large", SHARP_FAST): (300, 60), ("small", SHARP): (2000, 500),
}  # fmt: skip
PSNR_DB = 55
SAMPLE = {"large": (60, 24), "small": (100, 60)}  # files whose pixels are checked: full, quick


def large(settings: Settings) -> Outcome:
    """4032x3024 to 256 px. Bars: the rate of the tuned Pool, the whole run of vipsthumbnail and of Pillow."""
    names = [STAGED, TUNED, PLAIN, VIPS, PILLOW]
    outcome, files = run("large", names, settings)
    samples, work = outcome.samples, f"12 MP -> 256 px, {files} files"
    outcome.rows += [
        _psnr(work, next((x for x in outcome.likeness if x.contender == STAGED), None)),
        at_least(work, what="steady / tuned Pool", bar=0.97, values=_steady(samples, STAGED, TUNED)),
        at_least(work, what="whole run / vipsthumbnail", bar=1.45, values=whole(samples, STAGED, VIPS, files)),
        at_least(work, what="whole run / Pillow Pool", bar=5, values=whole(samples, STAGED, PILLOW, files)),
        note(work, "whole run / plain Pool", whole(samples, STAGED, PLAIN, files)),
    ]
    return outcome


def small(settings: Settings) -> Outcome:
    """500x375 to 256 px, staged, fused and with drained batches; the parent's CPU a hop is read off the same runs."""
    names = [STAGED, TUNED, FUSED, PLAIN, TWO, VIPS]
    outcome, files = run("small", names, settings)
    samples, work = outcome.samples, f"500x375 -> 256 px, {files} files"
    hop = f"parent CPU a hop, {work}"
    outcome.rows += [
        at_least(work, what="staged steady / tuned Pool", bar=0.92, values=_steady(samples, STAGED, TUNED)),
        at_least(work, what="fuse: all steady / tuned Pool", bar=0.97, values=_steady(samples, FUSED, TUNED)),
        at_least(work, what="staged whole run / plain Pool", bar=1.1, values=whole(samples, STAGED, PLAIN, files)),
        at_least(work, what="staged whole run / vipsthumbnail", bar=3.5, values=whole(samples, STAGED, VIPS, files)),
        note(work, "fuse: all whole run / plain Pool", whole(samples, FUSED, PLAIN, files)),
        at_most(hop, what="credit 2", bar=25, values=parent_us(samples, TWO), unit="us", form=".1f"),
        at_most(hop, what="credit auto (8 here)", bar=12, values=parent_us(samples, STAGED), unit="us", form=".1f"),
    ]
    return outcome


def disk(settings: Settings) -> Outcome:
    """The 500x375 work with the output on a disk: no bar, told because most people write to one."""
    folder = settings.disk
    names = [name for name in (STAGED, TUNED, PLAIN) if name not in OURS or settings.pipeline]
    source = _source("small", PLAIN, settings)
    jobs = [thumbnails(name, kind="small", source=source, out=folder / "out", settings=settings) for name in names]
    warm([source])
    samples = interleave(jobs, rounds=settings.rounds)
    files = settings.scaled(FULL["small"], QUICK["small"])
    work = f"500x375, {files} files, output on disk"
    rows = [
        note(work, "staged steady / tuned Pool", _steady(samples, STAGED, TUNED)),
        note(work, "staged whole run / plain Pool", whole(samples, STAGED, PLAIN, files)),
    ]
    return Outcome(rows, samples)


def parent_us(samples: Sequence[Sample], job: str) -> list[float]:
    """Microseconds of the parent's CPU a hop, as the program reports them, one value a run."""
    return [float(sample.printed.get("parent", {}).get("cpu_us_per_hop", "nan")) for sample in named(samples, job)]


def run(kind: str, names: Sequence[str], settings: Settings) -> tuple[Outcome, int]:
    """Check the pixels of all, then time all; also the number of files of the full-speed contenders."""
    names = [name for name in names if name not in OURS or settings.pipeline]
    full = _source(kind, PLAIN, settings)
    files = list(corpus.paths(full))
    sample = files[:: max(1, len(files) // settings.scaled(*SAMPLE[kind]))]
    likeness = pixels.check(names, kind=kind, files=sample, settings=settings)
    jobs = [_job(name, kind, settings) for name in names]
    warm([full])
    outcome = Outcome(samples=interleave(jobs, rounds=settings.rounds), likeness=likeness)
    fewer = [f"{job.name} {job.expected}" for job in jobs if job.expected != len(files)]
    if fewer:
        note = f"{kind}: fewer files for slow peers, their whole run stretched at their steady rate: "
        outcome.notes.append(note + ", ".join(fewer))
    return outcome, len(files)


def _job(name: str, kind: str, settings: Settings) -> Job:
    out = settings.scratch / "out"
    return thumbnails(name, kind=kind, source=_source(kind, name, settings), out=out, settings=settings)


def _source(kind: str, name: str, settings: Settings) -> Path:
    """The folder a contender reads: the corpus, or hard links to its beginning."""
    counts = SLOW.get((kind, name), (FULL[kind], QUICK[kind]))
    return corpus.subset(settings.cache, kind, settings.scaled(*counts))


def warm(folders: Sequence[Path]) -> None:
    """Bring the input into the page cache: what is timed is the work, not the disk's first read."""
    for folder in folders:
        for path in corpus.paths(folder):
            path.read_bytes()


def _steady(samples: Sequence[Sample], over: str, under: str) -> list[float]:
    return ratios(samples, over, under, lambda sample: sample.steady) if named(samples, over) else []


def whole(samples: Sequence[Sample], ours: str, peer: str, files: int) -> list[float]:
    """How many times as long the peer takes for `files` files, start-up and exit included."""
    return ratios(samples, peer, ours, lambda sample: sample.whole_s(files)) if named(samples, ours) else []


def _psnr(work: str, likeness: pixels.Likeness | None) -> Row:
    """The median file of the sample against the bar; the worst stands beside it."""
    bar = f"PSNR >= {PSNR_DB} dB against full-size Lanczos"
    if likeness is None:
        return Row(work, bar, "not measured")
    text = f"{likeness.median_db:.1f} dB, median of {likeness.files} files (worst {likeness.worst_db:.1f})"
    return Row(work, bar, text, likeness.median_db >= PSNR_DB)


def note(work: str, what: str, values: Sequence[float]) -> Row:
    return Row(work, f"{what} (no bar)", f"{Spread.of(values).text()}x" if values else "not measured")
