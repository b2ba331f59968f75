"""`pipeline doctor`: what this machine has, what is missing, and what to do about it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from . import options, text

if TYPE_CHECKING:
    from pipeline.stage import Codec

LEAST_MEMORY_NBYTES = 64 << 20
LEAST_SHM_NBYTES = 16 << 20
MARKS = {"ok": "ok  ", "note": "note", "no": "NO  "}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: `state` is ok, note (something is not as it could be) or no (the main job cannot run)."""

    state: str
    subject: str
    says: str
    remedy: str = ""


@click.command(short_help="What this machine has, and what is missing.")
@options.JSON
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Look at cores, memory, codecs and libraries. Exit code 4 where making thumbnails could not work."""
    from pipeline.errors import Exit

    found = [*_system(), *_cores(), *_memory(), *_codecs(), *_opencv(), *_video(), *_sandbox()]
    bad = any(finding.state == "no" for finding in found)
    code = Exit.ENVIRONMENT if bad else Exit.OK
    if as_json:
        text.print_json({"findings": [asdict(finding) for finding in found], "exit_code": int(code)})
    else:
        for finding in found:
            line = f"{MARKS[finding.state]}  {finding.subject:13} {finding.says}"
            click.echo(text.shown(line + (f"; {finding.remedy}" if finding.remedy else "")))
        click.echo("\nthis machine cannot run it: see NO above" if bad else "\nall that thumbnails need is there")
    context.exit(int(code))


def _system() -> Iterator[Finding]:
    from pipeline import __version__

    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok", "pipeline", f"{__version__} on Python {version}, {sys.platform}")
    if sys.platform != "linux":
        yield Finding("no", "system", f"{sys.platform} is not supported", "use Linux; on Windows, WSL2")
    elif not hasattr(os, "pidfd_open"):
        yield Finding("no", "system", "this Python or kernel has no pidfd_open", "Linux 5.3 or newer is needed")


def _cores() -> Iterator[Finding]:
    """The cores that may be used, and why not all."""
    from pipeline.affinity import allowed_cores, usable_cores
    from pipeline.planner.placement import ranges

    there, mask, usable = os.cpu_count() or 1, allowed_cores(), usable_cores()
    why = []
    if len(mask) < there:
        why.append(f"the affinity mask of this process holds {len(mask)} of {there}")
    if len(usable) < len(mask):
        why.append(f"the cgroup's quota is worth {len(usable)}")
    says = f"{len(usable)} usable ({ranges(usable)}) of {there}" + (": " + ", ".join(why) if why else "")
    yield Finding("note" if why else "ok", "cores", says, "see taskset and the limits of the container" if why else "")


def _memory() -> Iterator[Finding]:
    """Memory for processes, and shared memory for frames."""
    from pipeline.affinity import SHM, memory_limit_nbytes, shm_free_nbytes

    limit, shared = memory_limit_nbytes(), shm_free_nbytes()
    state = "ok" if limit >= LEAST_MEMORY_NBYTES else "no"
    yield Finding(state, "memory", f"{text.size(limit)} may be used")
    if shared >= LEAST_SHM_NBYTES:
        quarter = min(limit, shared) // 4
        says = f"{text.size(shared)} free in {SHM}; `memory: auto` takes up to {text.size(quarter)} of it"
        yield Finding("ok", "shared memory", says)
    else:
        says = f"{text.size(shared)} free in {SHM}: frames will lie in anonymous memory instead"
        yield Finding("note", "shared memory", says, "in a container give more, as with docker run --shm-size=1g")


def _codecs() -> Iterator[Finding]:
    """Each codec must open; JPEG and the resizer must work, for the main job stands on them."""
    from pipeline import registry
    from pipeline.supervisor import versions

    main = {"jpeg"}
    for name in registry.names("codec"):
        try:
            codec: Codec = registry.load(registry.resolve("codec", name))()
            codec.open()
        except Exception as error:  # whatever a damaged installation does
            yield _failed("no" if name in main else "note", name, error)
            continue
        yield Finding("ok", f"codec {name}", "reads and writes ." + " .".join(codec.extensions))
    try:
        registry.load(registry.resolve("transform", "resize"))(width=1).open()
    except Exception as error:
        yield _failed("no", "resize", error)
    yield Finding("ok", "libraries", ", ".join(f"{name} {version}" for name, version in versions().items()))


def _failed(state: str, name: str, error: Exception) -> Finding:
    why = " ".join(str(error).split())
    return Finding(state, name, f"cannot be used: {type(error).__name__}: {why}", "install frame-pipeline anew")


def _opencv() -> Iterator[Finding]:
    """OpenCV, which only some stages use, needs libGL from the system."""
    try:
        import cv2
    except ImportError as error:
        remedy = "apt install libgl1, or install opencv-python-headless (blur, denoise and 16-bit PNG use it)"
        yield Finding("note", "opencv", f"cannot be imported: {' '.join(str(error).split())}", remedy)
    else:
        yield Finding("ok", "opencv", f"{cv2.__version__} imports, libGL is there")


def _video() -> Iterator[Finding]:
    """FFmpeg in PyAV, and the encoders that the writer `video` offers."""
    from pipeline import EnvironmentRefusal, registry
    from pipeline.libav import load_libav

    try:
        av = load_libav("video")
    except EnvironmentRefusal as error:
        yield Finding("note", "video", error.what, error.remedy or "")
        return
    declared = registry.load(registry.resolve("writer", "video")).encoders()
    have = [name for name, library in declared.items() if library in av.codecs_available]
    lacks = [name for name in declared if name not in have]
    says = f"FFmpeg in PyAV {av.__version__} encodes {', '.join(have)}" + (f", not {', '.join(lacks)}" if lacks else "")
    yield Finding("note" if lacks else "ok", "video", says, "install av from a wheel of PyPI" if lacks else "")


def _sandbox() -> Iterator[Finding]:
    """What the kernel offers to lock decoders in; nothing uses it yet, so it never counts against the machine."""
    try:
        with open("/sys/kernel/security/lsm") as file:
            landlock = "landlock" in file.read().split(",")
    except OSError:
        landlock = False
    has = "Landlock" if landlock else "no Landlock"
    yield Finding("ok" if landlock else "note", "sandbox", f"the kernel has {has}; decoders are not locked in yet")
