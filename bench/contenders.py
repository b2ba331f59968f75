"""The contenders of the thumbnail works: how each is started on a folder and where it writes."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.process import Job
from bench.settings import CONFIGS, TUNED_ALLOCATOR, Settings, environment

WORKERS = "2"
SIZE = "256"
# Files a vipsthumbnail process: few starts, and both cores busy to the end.
VIPS_FILES = {"large": "16", "small": "100"}

OURS = ("ours", "ours fuse: all", "ours credit 2", "ours gap 1")
GAP_1 = OURS[3]
TUNED, PLAIN, PILLOW, VIPS = "tuned Pool", "plain Pool", "Pillow Pool", "vipsthumbnail"
SHARP, SHARP_FAST, MAGICK = "sharp", "sharp fast shrink", "ImageMagick"
SHARP_PARALLEL = "4"  # pictures at a time, with as many threads in libuv's pool: the fastest of 2, 3 and 4 with 2 and 4

_SETS: dict[str, tuple[str, ...]] = {
    "ours": (),
    "ours fuse: all": ("--set", "fuse=all", "--set", "transforms.shrink.workers=auto"),
    "ours credit 2": ("--set", "queues.credit=2"),
    "ours gap 1": ("--set", "transforms.shrink.resize.reducing_gap=1.0"),
}


def node_modules(cache: Path) -> Path:
    """Where npm puts sharp."""
    return cache / "node"


def thumbnails(
    name: str, *, kind: str, source: Path, out: Path, settings: Settings, extension: str = "jpg", label: str = ""
) -> Job:
    """The job of contender `name` on the files of `source`; `kind` is "large" or "small", `label` renames it."""
    files = len(list(source.glob("*.jpg")))
    argv, extra = _command(name, kind=kind, source=source, out=out, extension=extension, settings=settings)
    return Job(label or name, tuple(argv), environment(**extra), out=out, expected=files)


def _command(
    name: str, *, kind: str, source: Path, out: Path, extension: str, settings: Settings
) -> tuple[list[str], dict[str, str]]:
    """The command line and what is added to its environment."""
    if name in OURS:
        assert settings.pipeline is not None
        target = f"writer.path={out}/{{stem}}.{extension}"
        config = str(CONFIGS / f"thumb_{kind}.yaml")
        sets = ["--set", f"reader.path={source}", "--set", target, *_SETS[name]]
        return [settings.pipeline, "run", config, *sets, "--json"], {}
    if name == VIPS:
        script = str(Path(__file__).parent / "peers" / "vips.sh")
        return ["sh", script, str(source), str(out), extension, WORKERS, VIPS_FILES[kind]], {}
    peers = Path(__file__).parent / "peers"
    if name == MAGICK:
        return ["sh", str(peers / "magick.sh"), str(source), str(out), extension, WORKERS, VIPS_FILES[kind]], {}
    if name in (SHARP, SHARP_FAST):
        fast = "fast" if name == SHARP_FAST else "no"
        command = ["node", str(peers / "sharp_thumbs.mjs"), str(node_modules(settings.cache))]
        return [*command, str(source), str(out), extension, SIZE, SHARP_PARALLEL, fast], {
            "UV_THREADPOOL_SIZE": SHARP_PARALLEL
        }
    module = "bench.peers.pillow_pool" if name == PILLOW else "bench.peers.pool"
    command = [sys.executable, "-m", module, str(source), str(out)]
    options = ["--size", SIZE, "--workers", WORKERS, "--extension", extension]
    return command + options, TUNED_ALLOCATOR if name == TUNED else {}
