"""The leak guard around every test, and the folders of test-only modules on the path."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
for folder in (str(HERE.parent), str(HERE)):  # spawned workers are sent this path, so they find test-only stages too
    if folder not in sys.path:
        sys.path.append(folder)

MARK = f"PIPELINE_TEST_{os.getpid()}"  # in the environment of every process that a test starts, whoever its parent is
os.environ[MARK] = "1"
UNWATCHED = ("PYTEST_", "QT_", "OPENCV_", "LD_LIBRARY_PATH")  # set by pytest for each test, and by importing cv2
QUEUE, ROOM = HERE, HERE / "fault"  # folders that are locked while a test runs
GRACE_S = 5.0  # for what has been told to end and has not been scheduled yet
KERNEL = (0, 2)  # the parents of the first process and of the threads of the kernel
strangers: set[str] = set()  # processes of others, which no test made: reading each again costs more than many a test
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1, signal.SIGPIPE, signal.SIGXFSZ)


def stat_of(pid: str) -> tuple[str, str, int]:
    """Name, state letter and parent of a process."""
    text = Path(f"/proc/{pid}/stat").read_text()
    head, _, tail = text.rpartition(")")
    state, parent = tail.split()[:2]
    return head.partition("(")[2], state, int(parent)


def relatives() -> set[str]:
    """Processes that this one or its children started; zombies are named as such."""
    own, tracker = os.getpid(), getattr(resource_tracker._resource_tracker, "_pid", None)
    mark = MARK.encode()
    found = set()
    listed = set(filter(str.isdigit, os.listdir("/proc")))
    strangers.intersection_update(listed)
    for pid in listed - strangers:
        if int(pid) in (own, tracker):
            continue
        try:
            name, state, parent = stat_of(pid)
            environ = b"" if parent in (own, *KERNEL) else Path(f"/proc/{pid}/environ").read_bytes()
            if parent == own or mark in environ:
                found.add(f"{pid} {name} ({state})")
            elif environ or parent in KERNEL:  # it is empty while a program is being loaded
                strangers.add(pid)
        except OSError:
            continue  # it ended while we looked
    return found


def descriptors() -> set[str]:
    """Open descriptors with what they lead to, less the pipe of the resource tracker, which a Pool of a test starts."""
    tracker = getattr(resource_tracker._resource_tracker, "_fd", None)
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue  # the one that listed the folder
        if int(fd) != tracker:
            found.add(f"{fd} -> {target}")
    return found


def segments() -> set[str]:
    """Named shared memory and semaphores; others may keep files of their own there."""
    names = os.listdir("/dev/shm") if os.path.isdir("/dev/shm") else []
    return {f"/dev/shm/{name}" for name in names if name.startswith(("psm_", "sem.", "pipeline"))}


def threads() -> set[str]:
    return {f"thread {thread.name} {thread.ident}" for thread in threading.enumerate()}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Storms take minutes: they run where they are asked for, in `make fault`."""
    return True if collection_path == HERE / "storms" and not any("storms" in arg for arg in config.args) else None


@contextmanager
def locked(folder: Path, *, whole: bool) -> Iterator[None]:
    """Hold a folder, alone or with others that do not need it alone; the lock ends with the process."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX if whole else fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A test that is marked `alone` waits for those of the other processes of pytest-xdist, and they wait for it.

    The queue before the door is a lock too: without it those that share the room would keep out the one that waits.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    alone = item.get_closest_marker("alone") is not None
    with ExitStack() as room:
        with locked(QUEUE, whole=True):
            room.enter_context(locked(ROOM, whole=alone))
        return (yield)


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Keeps what a test measured beside its bar, for the table at the end; without a value its passes are counted."""

    def keep(what: str, bar: str, measured: str = "") -> None:
        request.node.user_properties.append(("figure", (what, bar, measured)))

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures of all tests as one table."""
    counted: dict[tuple[str, str], list[tuple[bool, str]]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, kept in report.user_properties if report.when == "call" else ():
                if name == "figure":
                    counted.setdefault((kept[0], kept[1]), []).append((outcome == "passed", kept[2]))
    if not counted:
        return
    terminalreporter.section("figures")
    for (what, bar), each in counted.items():
        passed = sum(fine for fine, _ in each)
        measured = "; ".join(dict.fromkeys(text for _, text in each if text)) or f"{passed} of {len(each)}"
        terminalreporter.write_line(f"{'met   ' if passed == len(each) else 'MISSED'} {what}: {measured}  (bar: {bar})")


GROWING: tuple[Callable[[], set[str]], ...] = (relatives, descriptors, segments, threads)


def state() -> dict[str, Any]:
    """What a run changes for its time and must put back, by name."""
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=wakeup < 0)
    environ = {f"${name}": value for name, value in os.environ.items() if not name.startswith(UNWATCHED)}
    handlers = {number.name: signal.getsignal(number) for number in HANDLED}
    return {
        "cores": os.sched_getaffinity(0),
        "scheduler": os.sched_getscheduler(0),
        "wake-up descriptor": wakeup,
        "folder": os.getcwd(),
        "__main__": id(sys.modules["__main__"]),
        "switch interval": sys.getswitchinterval(),
        **handlers,
        **environ,
    }


def temporary_files(folder: Path) -> set[str]:
    """Outputs that were begun and neither renamed nor removed."""
    return {
        os.path.join(path, name)
        for path, _, names in os.walk(folder)
        for name in names
        if name.startswith(".") and ".pl-" in name and name.endswith(".tmp")
    }


@pytest.fixture(autouse=True)
def nothing_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """No process, descriptor, segment, thread or temporary file is left, and the state of this process is as it was."""
    folder: Path | None = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    was, before = state(), [look() for look in GROWING]
    yield
    deadline = time.monotonic() + GRACE_S
    while left := sorted(name for look, had in zip(GROWING, before, strict=True) for name in look() - had):
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    if folder is not None:
        left += sorted(temporary_files(folder))
    assert not left, "the test left these behind"
    now = state()
    changed = sorted(name for name in {*was, *now} if was.get(name) != now.get(name))
    assert not changed, "the test changed the state of this process"


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole gallery of clips, made once."""
    from films import clips  # imports PyAV, which most tests do without

    folder = tmp_path_factory.mktemp("gallery")
    for clip in clips.GALLERY.values():
        clips.make(clip, folder / clip.name)
    return folder
