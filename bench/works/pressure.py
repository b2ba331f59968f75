"""A fast reader before a slow writer, frames of random sizes up to half the arena: bounded, and never stuck."""

from __future__ import annotations

from bench.process import Job, Sample, interleave
from bench.rows import Outcome, Row
from bench.settings import CONFIGS, Settings, environment
from bench.watch import Tree

NAME = "ours back-pressure"
FRAMES = (10_000, 1_000)  # full, quick
BUDGET_NBYTES = 64 << 20  # queues.memory of configs/pressure.yaml; its largest frame is half of it
MARGIN_NBYTES = 4 << 20  # shared memory of the rest of the machine, control pages: what /proc cannot tell apart


def measure(settings: Settings) -> Outcome:
    """Never above the budget, by the report and by the machine's shared memory; every frame out, exit 0, no stall."""
    frames = settings.scaled(*FRAMES)
    work = f"writer 100x slower than the reader, random sizes to half the arena, {frames} frames"
    if not settings.pipeline:
        return Outcome([Row(work, "never above the budget, never a stall", "not measured")])
    command = (settings.pipeline, "run", str(CONFIGS / "pressure.yaml"), "--set", f"reader.frames={frames}", "--json")
    trees: list[Tree] = []

    def watch(pid: int) -> Tree:
        trees.append(Tree(pid))
        return trees[-1]

    job = Job(NAME, command, environment())
    samples = interleave([job], rounds=settings.rounds, watches={NAME: watch})
    rows = [_budget(work, samples, trees), _stall(work, samples, frames)]
    return Outcome(rows, samples, notes=_slower(samples[-1]))


def _budget(work: str, samples: list[Sample], trees: list[Tree]) -> Row:
    bar = f"arena <= {BUDGET_NBYTES >> 20} MiB, its budget"
    told = max(sample.printed.get("peak_memory", {}).get("arena_nbytes", 1 << 62) for sample in samples)
    seen = max(tree.shared_nbytes for tree in trees)
    text = f"{told / (1 << 20):.1f} MiB by its report, {seen / (1 << 20):.1f} MiB of shared memory on the machine"
    return Row(work, bar, text, told <= BUDGET_NBYTES and seen <= BUDGET_NBYTES + MARGIN_NBYTES)


def _slower(sample: Sample) -> list[str]:
    """How much slower the writer really was: busy seconds a frame of the last group over those of the first."""
    busy = [group.get("busy_s") for group in sample.printed.get("groups", [])]
    if len(busy) < 2 or not busy[0] or not busy[-1]:
        return []
    return [f"pressure: the writer was busy {busy[-1] / busy[0]:.0f} times as long a frame as the reader"]


def _stall(work: str, samples: list[Sample], frames: int) -> Row:
    """A stall ends the run with exit 70, which `process.run` raises; so what is left is that no frame is missing."""
    short = [sample.outputs for sample in samples if sample.outputs != frames]
    rates = [sample.steady or 0.0 for sample in samples]
    text = f"{len(samples)} runs, {min(rates):,.0f}-{max(rates):,.0f} frames/s"
    return Row(work, "never a stall, every frame out", f"{text}, short: {short}" if short else text, not short)
