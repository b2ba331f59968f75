"""What is made of the frames of all items together: once a run is through, merged in a process, written by us."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Iterator

from ..errors import EnvironmentRefusal, StopRun
from ..journal import Journal
from ..journal.ownership import on_disk
from ..journal.partials import CLAIMED
from ..journal.store import refusals
from ..journal.verdict import OnDisk
from ..plan.model import Plan
from ..worker.merging import ResultFile, blocks, put, reduced

ENTRY = "import sys; sys.path[:] = sys.argv[1:]; from pipeline.worker.merging import main; main()"


def results_of(plan: Plan, journal: Journal, *, whole: bool, serial: bool = False) -> list[str]:
    """Bring the results up to date with the items that are done; paths of all files. After the journal's `flush`.

    Args:
        whole: whether this run has looked through the whole input.
        serial: whether to merge in this process.

    Raises:
        PipelineError: a reducer raised, or a file may not or cannot be written.
    """
    partials = journal.partials()
    with refusals(journal.path):
        if whole:
            partials.forget_others()
        digest, known = partials.digest(), partials.results()
        if known and all(was == digest and on_disk(os.fsdecode(path)) == left for path, (was, left) in known.items()):
            return sorted(os.fsdecode(path) for path in known)
        merge = reduced if serial else merged_apart
        written = []
        for file in merge(plan, partials.given()):
            path = _path_of(plan, file)
            _refuse_foreign(path, plan.overwrite, known.get(os.fsencode(path)))
            partials.claim(os.fsencode(path))
            written.append((os.fsencode(path), _written(path, file.data, journal)))
        partials.wrote(digest, written)
    _remove_others(known, {path for path, _ in written})
    return sorted(os.fsdecode(path) for path, _ in written)


def merged_apart(plan: Plan, given: Iterable[bytes]) -> Iterator[ResultFile]:
    """The files of all reducers, made in a process of its own.

    Raises:
        PipelineError: a reducer raised, or the process was ended.
    """
    python = [sys.executable, *subprocess._args_from_interpreter_flags()]  # type: ignore[attr-defined]
    with subprocess.Popen(  # noqa: S603 - this very Python, with code of our own
        [*python, "-c", ENTRY, *sys.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            # It answers only when it has all, so what it says meanwhile never fills the pipe.
            put(process.stdin.write, pickle.dumps(plan))
            for data in given:
                put(process.stdin.write, data)
            put(process.stdin.write, b"")
            process.stdin.flush()
            yield from _files(plan, blocks(process.stdout))
        except (BrokenPipeError, EOFError) as error:
            ended = process.wait()
            raise StopRun(f"the process that merges what reducers gave ended with {ended}") from error
        finally:
            process.kill()


def _files(plan: Plan, answers: Iterator[bytes]) -> Iterator[ResultFile]:
    for head in answers:
        if head.startswith(b"\0"):
            raise StopRun(head[1:].decode("utf-8", "replace"), remedy="`--serial --pdb` shows where")
        place, _, name = head.decode("utf-8", "surrogateescape").partition("\0")
        if not place.isdigit() or int(place) >= plan.reducing:
            raise StopRun("the process that merges what reducers gave says what it cannot know")
        yield ResultFile(int(place), name, next(answers)[1:])


def _path_of(plan: Plan, file: ResultFile) -> str:
    """Where a file belongs; raises StopRun for a name that leads out of the reducer's folder."""
    stage = plan.reducers[file.reducer]
    if "\0" in file.name or {"", ".", ".."} & set(file.name.split("/")):
        raise StopRun(f"{file.name!r} is not a name for a file of a result", where=stage.label)
    return os.path.join(stage.build().folder, file.name)


def _written(path: str, data: bytes, journal: Journal) -> OnDisk:
    """Write a file beside its place, then rename it; how it lies there."""
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{journal.token}.tmp")
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temporary, "wb") as target:
            target.write(data)
            if journal.durability != "none":
                target.flush()
                os.fsync(target.fileno())
        os.rename(temporary, path)
    except OSError as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise EnvironmentRefusal(
            f"a result cannot be written: {error.strerror}", where=path, remedy="run again: nothing is mapped twice"
        ) from error
    there = on_disk(path)
    assert there is not None
    return there


def _refuse_foreign(path: str, policy: str, known: tuple[bytes, OnDisk] | None) -> None:
    there = on_disk(path)
    if there is None or policy == "always" or (known is not None and known[1] in (there, CLAIMED)):
        return
    raise EnvironmentRefusal(
        f"there is a file {path!r} already that is not ours, or was changed", where="reducers",
        remedy="move it away and run again, or `--set writer.overwrite=always` replaces it",
    )  # fmt: skip


def _remove_others(known: dict[bytes, tuple[bytes, OnDisk]], written: set[bytes]) -> None:
    """Files of the last result that this one has no more, such as later pages, go; unless somebody changed them."""
    for path, (_, left) in known.items():
        if path not in written and on_disk(os.fsdecode(path)) == left:
            os.unlink(path)
