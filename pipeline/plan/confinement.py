"""What the workers of a group may touch, from the plan alone: the paths that they read and write, and how much memory.

Groups with code that is not part of this program are free: nobody knows what it needs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from glob import glob

from .model import GroupPlan, Plan, StagePlan

OURS = "stages."
LIBRARY_FOLDERS = ("site-packages", "dist-packages")
# Beside Python itself: the loader's cache, time zones, fonts, and what libraries ask about the processor.
SYSTEM = (
    "/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/proc/self", "/proc/cpuinfo",
    "/proc/meminfo", "/proc/stat", "/sys/devices/system", "/sys/fs/cgroup", "/dev/urandom", "/dev/zero",
)  # fmt: skip
PIXEL_NBYTES = 24  # private memory a pixel while a picture is decoded: 4 channels of 16 bits, three times
MADE_PIXELS = 100_000_000  # of a picture that a stage enlarges; parameters decide it, no header
SPARE_NBYTES = 1 << 30  # libraries, threads, reference frames of a decoder


@dataclass(frozen=True, slots=True)
class Confinement:
    """What is allowed; all else is forbidden.

    Attributes:
        reads: folders and files that may be read. libraries: the same, of Python and its libraries.
        writes: folders that may be written to; none for a group that writes nothing.
        network: whether sockets may be opened.
        data_nbytes: how much private memory may be added; None for no limit.
    """

    reads: tuple[str, ...]
    libraries: tuple[str, ...]
    writes: tuple[str, ...] = ()
    network: bool = False
    data_nbytes: int | None = None


def confinement(plan: Plan, group: GroupPlan) -> Confinement | None:
    """What the workers of a group may do; None leaves them free."""
    if plan.settings.sandbox == "off" or free_because(plan, group):
        return None
    reads = {*_inputs(plan, group), *_named(group.stages), *_named([plan.encoder] if plan.encoder else [])}
    root = plan.output_root if group.writes else None
    writes: tuple[str, ...] = () if root is None else (root,)
    if group.writes:
        writes += tuple(folder for folder in (plan.partials_dir, plan.staging_dir) if folder is not None)
    return Confinement(
        reads=tuple(sorted(reads)),
        libraries=tuple(sorted({*_python(), *_loader(), *SYSTEM})),
        writes=writes,
        network=any(stage.build().network for stage in group.stages),
        data_nbytes=_data_nbytes(plan, group),
    )


def confinement_of_reducing(plan: Plan) -> Confinement | None:
    """What the process that merges may do: look at libraries, nothing else. None leaves it free."""
    if plan.settings.sandbox == "off" or not all(stage.ref.startswith(OURS) for stage in plan.reducers):
        return None
    reads = tuple(sorted(_named(plan.reducers)))
    return Confinement(reads=reads, libraries=tuple(sorted({*_python(), *_loader(), *SYSTEM})))


def _data_nbytes(plan: Plan, group: GroupPlan) -> int | None:
    """How much private memory a worker may need at most; None for an encoder of videos, which keeps many frames.

    A reader decodes one picture; where a worker makes others of it, each step may hold one, and they may be enlarged.
    """
    if group.writes and plan.destination is not None and plan.encoder is None:
        return None
    limits = plan.settings.limits
    most = limits.file_nbytes + PIXEL_NBYTES * limits.pixels + SPARE_NBYTES
    made = limits.pixels * (len(group.stages) - 1) + MADE_PIXELS
    return most if group.reads and len(group.stages) == 1 else most + PIXEL_NBYTES * made


def free_because(plan: Plan, group: GroupPlan) -> str:
    """Why the workers of a group are not confined although it was not switched off; "" where they are."""
    own = [stage.label for stage in _stages(plan, group) if not stage.ref.startswith(OURS)]
    return f"they run {own[0]}, which is not part of this program" if own else ""


def _stages(plan: Plan, group: GroupPlan) -> Iterator[StagePlan]:
    """What its workers load; those that read, or look at sources again, ask every stage of the chain for its Spec."""
    asks = group.reads or (group.writes and plan.writer.build().asks_source)
    for other in plan.groups if asks else (group,):
        yield from other.stages
    yield from plan.codecs if asks else ()
    if group.writes and plan.encoder is not None:
        yield plan.encoder


def _inputs(plan: Plan, group: GroupPlan) -> tuple[str, ...]:
    """Readers read them, and writers that copy sound or hash a source; those of a list may lie anywhere."""
    if not (group.reads or group.writes):
        return ()
    reader = plan.reader.build()
    anywhere = reader.root is None or getattr(reader, "follow_symlinks", False)
    return ("/",) if anywhere else (reader.root,)


def _named(stages: Iterable[StagePlan]) -> Iterator[str]:
    """Files that parameters name, such as a watermark: those whose declaration says `file`."""
    for stage in stages:
        instance = stage.build()
        for field in fields(instance):
            value = getattr(instance, field.name)
            if field.metadata.get("file") and isinstance(value, str) and os.path.exists(value):
                yield os.path.abspath(value)


def _python() -> Iterator[str]:
    """Where Python, its libraries and this program lie; not the folder that a command was given in, or a script's."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix}
    yield from prefixes
    given = {os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path}
    here = {os.getcwd(), os.path.expanduser("~"), "/"}
    for path in map(os.path.abspath, filter(None, sys.path)):
        if os.path.basename(path) in LIBRARY_FOLDERS or (path in given and path not in here):
            yield path
    program = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    yield from (os.path.join(program, name) for name in ("pipeline", "stages"))


def _loader() -> Iterator[str]:
    """Where the loader finds libraries beside those of the system: Nix, Guix, modules of a cluster, /opt."""
    yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep))
    yield from (path for path in ("/nix/store", "/gnu/store") if os.path.isdir(path))
    for name in glob("/etc/ld.so.conf.d/*.conf"):
        try:
            with open(name, encoding="utf-8", errors="replace") as file:
                yield from (line.strip() for line in file if line.startswith("/"))
        except OSError:
            continue
