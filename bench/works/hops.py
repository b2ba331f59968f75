"""1080p frames through reader -> identity -> writer: the hand-off alone, with no codec in the way."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
from PIL import Image

from bench.process import Job, MeasureError, Sample, interleave, run
from bench.rows import Outcome, at_least, at_most, named, ratios
from bench.settings import CONFIGS, Settings, environment
from bench.works.thumbs import parent_us
from stages.readers.synthetic import Synthetic

OURS, TWO, QUEUE = "ours hops", "ours hops credit 2", "multiprocessing.Queue"
FRAMES = (100_000, 20_000)  # full, quick: some seconds of steady state for ours
PICKLED = (300, 60)


def measure(settings: Settings) -> Outcome:
    """Frames a second after the first, credit auto (8 here) and 2; the Queue peer does the same to each frame."""
    frames = settings.scaled(*FRAMES)
    peer = (sys.executable, "-m", "bench.peers.queue_frames", "--frames", str(settings.scaled(*PICKLED)))
    jobs = [Job(QUEUE, peer, environment())]
    if settings.pipeline:
        _check_pixels(settings)
        jobs = [_ours(OURS, "auto", frames, settings), *jobs, _ours(TWO, "2", frames, settings)]
    samples = interleave(jobs, rounds=settings.rounds)
    for sample in samples:
        _verify(sample, frames=frames if sample.job != QUEUE else settings.scaled(*PICKLED))
    work, hop = f"1080p frames, two hops, {frames} frames", "parent CPU a hop, 1080p frames"
    rows = []
    for name, credit in ((OURS, "auto (8 here)"), (TWO, "2")):
        rates = [sample.steady or float("nan") for sample in named(samples, name)]
        times = ratios(samples, name, QUEUE, lambda sample: sample.steady) if rates else []
        rows += [
            at_least(work, what=f"credit {credit}: steady", bar=10_000, values=rates, unit=" frames/s", form=",.0f"),
            at_least(work, what=f"credit {credit}: steady / multiprocessing.Queue", bar=300, values=times, form=",.0f"),
        ]
    rows += [
        at_most(hop, what="credit 2", bar=25, values=parent_us(samples, TWO), unit="us", form=".1f"),
        at_most(hop, what="credit auto (8 here)", bar=12, values=parent_us(samples, OURS), unit="us", form=".1f"),
    ]
    return Outcome(rows, samples, notes=[f"the Queue peer is given {settings.scaled(*PICKLED)} frames"])


def _ours(name: str, credit: str, frames: int, settings: Settings) -> Job:
    assert settings.pipeline is not None
    sets = ["--set", f"reader.frames={frames}", "--set", f"queues.credit={credit}"]
    command = (settings.pipeline, "run", str(CONFIGS / "hop.yaml"), *sets, "--json")
    return Job(name, command, environment())


def _check_pixels(settings: Settings) -> None:
    """The same chain on frames with every byte set, kept as PNG: they must equal what the reader says it makes."""
    out = settings.scratch / "checked"
    assert settings.pipeline is not None
    target = ("--set", f"writer.path={out}/{{stem}}.png")
    command = (settings.pipeline, "run", str(CONFIGS / "hop_check.yaml"), *target, "--json")
    run(Job("ours hops", command, environment(), out=out, expected=8))
    reader = Synthetic(height=1080, width=1920, channels=3, seed=0, fill="full")
    for number, path in enumerate(sorted(out.iterdir())):
        with Image.open(path) as opened:
            if not np.array_equal(np.asarray(opened), reader.pattern(number)):
                raise MeasureError(f"ours hops: frame {number} is not the one the reader made")
    shutil.rmtree(out)


def _verify(sample: Sample, *, frames: int) -> None:
    """Every frame came out; of the Queue peer also that the bytes its writer summed are those its reader stamped."""
    if sample.outputs != frames:
        told = json.dumps(sample.printed)[:300]
        raise MeasureError(f"{sample.job}: {sample.outputs} frames came out, want {frames}: {told}")
    pages = -(-1080 * 1920 * 3 // 4096)
    stamped = pages * sum(number % 256 for number in range(frames))
    if sample.job == QUEUE and sample.printed["checksum"] != stamped:
        raise MeasureError(f"{QUEUE}: the writer summed {sample.printed['checksum']}, the reader stamped {stamped}")
