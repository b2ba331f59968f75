"""`pipeline doctor`: what this machine has, what is missing, and what to do about it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click

from . import options, text

LEAST_MEMORY_NBYTES = 64 << 20
LEAST_SHM_NBYTES = 16 << 20
MARKS = {"ok": "ok  ", "note": "note", "no": "NO  "}


@dataclass(frozen=True, slots=True)
class Check:
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
    from ..errors import Exit

    found = [*_system(), *_cores(), *_memory(), *_components(), *_opencv(), *_sandbox()]
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


def _system() -> Iterator[Check]:
    from pipeline import __version__

    version = ".".join(map(str, sys.version_info[:3]))
    yield Check("ok", "pipeline", f"{__version__} on Python {version}, {sys.platform}")
    if sys.platform != "linux":
        yield Check("no", "system", f"{sys.platform} is not supported", "use Linux; on Windows, WSL2")
    elif not hasattr(os, "pidfd_open"):
        yield Check("no", "system", "this Python or kernel has no pidfd_open", "Linux 5.3 or newer is needed")


def _cores() -> Iterator[Check]:
    """The cores that may be used, and why not all."""
    from ..plan.machine import allowed_cores, ranges, usable_cores

    there, mask, usable = os.cpu_count() or 1, allowed_cores(), usable_cores()
    why = []
    if len(mask) < there:
        why.append(f"the affinity mask of this process holds {len(mask)} of {there}")
    if len(usable) < len(mask):
        why.append(f"the cgroup's quota is worth {len(usable)}")
    says = f"{len(usable)} usable ({ranges(usable)}) of {there}" + (": " + ", ".join(why) if why else "")
    yield Check("note" if why else "ok", "cores", says, "see taskset and the limits of the container" if why else "")


def _memory() -> Iterator[Check]:
    """Memory for processes, and shared memory for frames."""
    from ..plan.machine import SHM, memory_limit_nbytes, shm_free_nbytes

    limit, shared = memory_limit_nbytes(), shm_free_nbytes()
    state = "ok" if limit >= LEAST_MEMORY_NBYTES else "no"
    yield Check(state, "memory", f"{text.size(limit)} may be used")
    if shared >= LEAST_SHM_NBYTES:
        quarter = min(limit, shared) // 4
        says = f"{text.size(shared)} free in {SHM}; `memory: auto` takes up to {text.size(quarter)} of it"
        yield Check("ok", "shared memory", says)
    else:
        says = f"{text.size(shared)} free in {SHM}: frames will lie in anonymous memory instead"
        yield Check("note", "shared memory", says, "in a container give more, as with docker run --shm-size=1g")


def _components() -> Iterator[Check]:
    """What each component says of its library; JPEG and the resizer must work, for the main job stands on them."""
    from .. import EnvironmentRefusal, registry
    from ..journal.versions import versions

    for kind in ("codec", "reader", "transform", "reducer", "writer"):
        for name in registry.names(kind):
            label = f"codec {name}" if kind == "codec" else name
            try:
                health = registry.load(registry.resolve(kind, name)).health()
            except EnvironmentRefusal as error:
                yield Check("note", label, error.what, error.remedy or "")
            except Exception as error:  # whatever a damaged installation does
                yield _failed("no" if (kind, name) == ("codec", "jpeg") else "note", name, error)
            else:
                if health is not None:
                    yield Check("note" if health.lacks else "ok", label, health.says, health.remedy)
    try:
        registry.load(registry.resolve("transform", "resize"))(width=1).open()
    except Exception as error:
        yield _failed("no", "resize", error)
    yield Check("ok", "libraries", ", ".join(f"{name} {version}" for name, version in versions().items()))


def _failed(state: str, name: str, error: Exception) -> Check:
    why = " ".join(str(error).split())
    return Check(state, name, f"cannot be used: {type(error).__name__}: {why}", "install frame-pipeline anew")


def _opencv() -> Iterator[Check]:
    """OpenCV, which only some stages use, needs libGL from the system."""
    from .. import EnvironmentRefusal, load_opencv

    try:
        load_opencv("blur, denoise and 16-bit PNG")
    except EnvironmentRefusal as error:
        yield Check("note", "opencv", error.what, error.remedy or "")
    else:
        yield Check("ok", "opencv", "it imports, libGL is there")


def _sandbox() -> Iterator[Check]:
    """What the kernel offers to confine workers with; without it they run all the same, so it is a note at most."""
    from ..worker import sandbox

    if sandbox.has_seccomp() and sandbox.landlock_abi():
        yield Check("ok", "sandbox", f"workers are confined by {sandbox.features()}")
    else:
        gives = sandbox.features() or "neither seccomp nor Landlock"
        yield Check("note", "sandbox", f"this system gives {gives}", "Linux 5.13 and later give both")
