"""Video: effects beside the loop in one process, scaling beside ffmpeg, memory of a long film beside a short one."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from bench import films
from bench.process import Job, MeasureError, Sample, Watch, interleave, run
from bench.rows import Outcome, Row, Spread, at_least, at_most, ratios
from bench.settings import CONFIGS, Settings, environment
from bench.watch import Tree, apart

OURS, LOOP, LOOP_1, FFMPEG = "ours", "PyAV loop", "PyAV loop, 1 thread", "ffmpeg"
FRAMES = (600, 60)  # full, quick
MINUTE = (1500, 150)
TIMES = 5
CORES = 2
SHORT, LONG = "ours 1 minute", "ours 5 minutes"
PERCENT = 5.0


def effects(settings: Settings) -> Outcome:
    """1080p H.264, CLAHE + bilateral + half size to x264 veryfast. Bars: the loop with default threads and with one."""
    frames = settings.scaled(*FRAMES)
    film = films.film(settings.cache, height=1080, width=1920, frames=frames)
    out = settings.scratch / "out"
    loop = (sys.executable, "-m", "bench.peers.video_loop", str(film), str(out / film.name))
    jobs = [
        *_ours(settings, OURS, "video_effects", film),
        Job(LOOP, (*loop, "0"), environment(), out=out, expected=1),
        Job(LOOP_1, (*loop, "1"), environment(), out=out, expected=1),
    ]
    _check(jobs, frames)
    samples = interleave(jobs, rounds=settings.rounds)
    work = f"1080p, {frames} frames, effects, half size -> x264"
    bound = [sample.cpu_s / CORES / sample.wall_s for sample in samples if sample.job == OURS]
    return Outcome(
        [
            at_least(work, what="whole run / PyAV loop", bar=1.3, values=_faster(samples, LOOP)),
            at_least(work, what="whole run / PyAV loop, 1 thread", bar=2, values=_faster(samples, LOOP_1)),
            at_least(work, what="share of the CPU bound (CPU seconds / 2)", bar=0.9, values=bound),
        ],
        samples,
        notes=_limits(samples),
    )


def scale(settings: Settings) -> Outcome:
    """1080p to 960x540 with x264 veryfast, nothing else. Bar: 0.8 of ffmpeg with the same settings."""
    if shutil.which("ffmpeg") is None:
        raise MeasureError("no ffmpeg here; install Debian's package ffmpeg")
    frames = settings.scaled(*FRAMES)
    film = films.film(settings.cache, height=1080, width=1920, frames=frames)
    out = settings.scratch / "out"
    command = (
        "ffmpeg", "-v", "error", "-y", "-i", str(film), "-vf", "scale=960:540:flags=bicubic", "-c:v", "libx264",
        "-preset", "veryfast", "-crf", "23", "-an", "-movflags", "+faststart", str(out / film.name),
    )  # fmt: skip
    jobs = [*_ours(settings, OURS, "video_scale", film), Job(FFMPEG, command, environment(), out=out, expected=1)]
    _check(jobs, frames)
    samples = interleave(jobs, rounds=settings.rounds)
    work = f"1080p, {frames} frames, half size -> x264"
    cpu = ratios(samples, OURS, FFMPEG, lambda sample: sample.cpu_s)
    rows = [
        at_least(work, what="whole run / ffmpeg", bar=0.8, values=_faster(samples, FFMPEG)),
        Row(work, "CPU / ffmpeg (no bar)", Spread.of(cpu).text() + "x"),
    ]
    return Outcome(rows, samples, notes=_limits(samples))


def memory(settings: Settings) -> Outcome:
    """Peak resident size of each process on a film of one minute and of five."""
    if not settings.pipeline:
        return Outcome([Row("memory of a film", "resident size < 5 % apart", "not measured")])
    short = films.film(settings.cache, height=360, width=640, frames=settings.scaled(*MINUTE))
    lengths = {SHORT: short, LONG: films.longer(short, TIMES)}
    jobs = [job for name, film in lengths.items() for job in _ours(settings, name, "video_scale", film)]
    trees: dict[str, list[Tree]] = {name: [] for name in lengths}

    def watcher(name: str) -> Watch:
        def watch(pid: int) -> Tree:
            trees[name].append(Tree(pid))
            return trees[name][-1]

        return watch

    samples = interleave(jobs, rounds=settings.rounds, watches={name: watcher(name) for name in lengths})
    pairs = list(zip(trees[SHORT], trees[LONG], strict=True))
    workers = [apart(one.workers_nbytes, five.workers_nbytes) for one, five in pairs]
    parents = [apart([one.parent_nbytes], [five.parent_nbytes]) for one, five in pairs]
    arenas = {s.job: s.printed.get("peak_memory", {}).get("arena_nbytes", 0) for s in samples}
    work = f"640x360, {settings.scaled(*MINUTE)} frames against {TIMES} times as many"
    return Outcome(
        [
            at_most(work, what="resident, workers", bar=PERCENT, values=workers, unit="% apart", form=".1f"),
            at_most(work, what="resident, parent", bar=PERCENT, values=parents, unit="% apart", form=".1f"),
            Row(work, "arena, 1 and 5 minutes (no bar)", " and ".join(f"{n / 2**20:.1f} MiB" for n in arenas.values())),
        ],
        samples,
    )


def _ours(settings: Settings, name: str, config: str, film: Path) -> list[Job]:
    if settings.pipeline is None:
        return []
    out = settings.scratch / "out"
    sets = ["--set", f"reader.path={film}", "--set", f"writer.path={out}/{{stem}}.mp4"]
    command = (settings.pipeline, "run", str(CONFIGS / f"{config}.yaml"), *sets, "--allow-code", "--json")
    return [Job(name, command, environment(PYTHONPATH="."), out=out, expected=1)]


def _check(jobs: list[Job], frames: int) -> None:
    """Every contender writes every frame; told before anything is timed."""
    for job in jobs:
        assert job.out is not None
        run(job)
        found = [films.frames_of(path) for path in job.out.glob("*.mp4")]
        if found != [frames]:
            raise MeasureError(f"{job.name}: {found} frames, want {frames}")


def _faster(samples: list[Sample], than: str) -> list[float]:
    """How many times as fast as another contender, round by round."""
    if not any(sample.job == OURS for sample in samples):
        return []
    return ratios(samples, than, OURS, lambda sample: sample.wall_s)


def _limits(samples: list[Sample]) -> list[str]:
    told = [sample.printed.get("bottleneck", "") for sample in samples if sample.job == OURS]
    return [f"ours says: {told[-1]}"] if told else []
