"""What a confined worker may not do, tried call by call; the kernel must have both features where CI runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from harness import ROOT, environment, plan_of

from pipeline.config.keys import Settings
from pipeline.errors import EnvironmentRefusal, UsageError
from pipeline.plan.confinement import Confinement, confinement
from pipeline.plan.model import Plan
from pipeline.supervisor.confining import check_sandbox, sandboxed
from pipeline.worker import sandbox

TRIES = """
import ctypes, fcntl, json, mmap, os, resource, socket, subprocess, sys, threading
from pipeline.plan.confinement import Confinement
from pipeline.worker import forbidden_calls as calls
from pipeline.worker import sandbox

inside, outside, writes = sys.argv[1], sys.argv[2], sys.argv[3] == "writer"
libc = ctypes.CDLL(None, use_errno=True)
os.umask(0)
child = os.getppid()
libraries = (sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64", "/proc/self")
sandbox.apply(Confinement((inside,), libraries, (inside,) if writes else (), False, 1 << 30))

def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")

def writing(path):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))

def grow():
    bytearray(2 << 30)

tries = {
    "socket": socket.socket, "socketpair": socket.socketpair, "exec": lambda: os.execv("/bin/true", ["true"]),
    "fork": os.fork, "spawn": lambda: subprocess.run(["/bin/true"]), "signal to another": lambda: os.kill(child, 0),
    "write outside": lambda: writing(outside + "/new"), "append outside": lambda: open(outside + "/there", "a"),
    "truncate outside": lambda: os.truncate(outside + "/there", 0),
    "remove outside": lambda: os.unlink(outside + "/there"),
    "rename outside": lambda: os.rename(outside + "/there", outside + "/gone"),
    "folder outside": lambda: os.mkdir(outside + "/folder"), "link out": lambda: os.symlink("/etc", outside + "/link"),
    "read outside": lambda: open(outside + "/there"), "list outside": lambda: os.listdir(outside),
    "through a link": lambda: open(inside + "/way out/there"),
    "hard link in": lambda: os.link(outside + "/there", inside + "/in"),
    "read passwd": lambda: open("/etc/passwd"), "memory": grow,
    "read inside": lambda: open(inside + "/there").close(), "list inside": lambda: os.listdir(inside),
    "write inside": lambda: writing(inside + "/new"), "change inside": lambda: open(inside + "/there", "a").close(),
    "rename inside": lambda: os.rename(inside + "/there", inside + "/there"),
    "signal to itself": lambda: os.kill(os.getpid(), 0),
    "a thread": lambda: (lambda it: (it.start(), it.join()))(threading.Thread(target=int)),
    "memory of its own": lambda: bytearray(100 << 20), "a memory file": lambda: os.close(os.memfd_create("x")),
    "shared memory": lambda: mmap.mmap(-1, 4096),
    "a limit of its own": lambda: resource.getrlimit(resource.RLIMIT_DATA),
    "a higher limit": lambda: resource.setrlimit(resource.RLIMIT_DATA, (1 << 40, 1 << 40)),
    "a limit of another": lambda: resource.prlimit(child, resource.RLIMIT_CPU, (0, 0)),
    "rights outside": lambda: os.chmod(outside + "/there", 0o777), "times inside": lambda: os.utime(inside + "/there"),
    "rights inside": lambda: os.chmod(inside + "/there", 0o777),
    "attributes": lambda: os.setxattr(inside + "/there", "user.x", b""),
    "an owner of signals": lambda: fcntl.fcntl(0, fcntl.F_SETOWN, child),
    "flags": lambda: fcntl.fcntl(0, fcntl.F_GETFL),
    "typing": lambda: fcntl.ioctl(0, 0x5412, b"x"), "link inside": lambda: os.symlink("/etc", inside + "/link"),
    "devnull": lambda: open(os.devnull, "w").close(),
}
column = sandbox.MACHINES[os.uname().machine][0]
for name, numbers in {**calls.FORBIDDEN, **calls.NETWORK, **({} if writes else calls.CHANGES)}.items():
    if numbers[column] >= 0:
        tries["call " + name] = lambda number=numbers[column]: call(number, 0, 0, 0, 0, 0, 0)
if column == 0:
    tries["call of another ABI"] = lambda: call(0x40000000 + 41, 2, 1, 0)
told = {}
for name, attempt in tries.items():
    try:
        attempt()
        told[name] = "allowed"
    except ValueError as error:  # how Python says that a limit cannot be raised
        told[name] = "Operation not permitted" if "not allowed to raise" in str(error) else str(error)
    except (OSError, MemoryError) as error:
        told[name] = type(error).__name__ if isinstance(error, MemoryError) else os.strerror(error.errno)
print(json.dumps(told))
"""
ALLOWED = {
    "read inside", "list inside", "signal to itself", "a thread", "memory of its own", "a limit of its own", "flags",
}  # fmt: skip
WRITER = {"write inside", "change inside", "rename inside", "devnull"}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """One that may be touched, with a link that leads out of it, and one that may not."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "there").write_text("words")
    (inside / "way out").symlink_to(outside)
    return inside, outside


def test_the_kernel_has_both_features() -> None:
    """Else nothing here means anything."""
    assert sandbox.has_seccomp()
    assert sandbox.landlock_abi()


@pytest.mark.parametrize("role", ["reader", "writer"])
def test_every_forbidden_call_is_refused(folders: tuple[Path, Path], role: str) -> None:
    """Sockets, programs, other processes, other files, more memory; what the role needs goes on."""
    inside, outside = folders
    done = subprocess.run(
        [sys.executable, "-c", TRIES, str(inside), str(outside), role], capture_output=True, text=True, check=False,
        env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, str] = json.loads(done.stdout)
    allowed = {name for name, how in told.items() if how == "allowed"}
    assert allowed == (ALLOWED | WRITER if role == "writer" else ALLOWED)
    refused = {how for name, how in told.items() if name not in allowed}
    assert refused <= {"Operation not permitted", "Permission denied", "MemoryError", "Invalid cross-device link"}
    assert {how for name, how in told.items() if name.startswith("call ")} == {"Operation not permitted"}
    assert (outside / "there").read_text() == "words"
    assert os.listdir(outside) == ["there"]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "in").mkdir()
    (tmp_path / "mark.png").touch()
    watermark = {"overlay": {"image": str(tmp_path / "mark.png")}}
    return plan_of(
        tmp_path, {"use": "folder", "path": str(tmp_path / "in")}, [[watermark]],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}.jpg"},
    )  # fmt: skip


def rules(plan: Plan, number: int) -> Confinement:
    found = confinement(plan, plan.groups[number])
    assert found is not None
    return found


def test_a_group_gets_what_it_needs(plan: Plan, tmp_path: Path) -> None:
    """Readers the inputs, transforms what their parameters name, writers the outputs; limits from the plan."""
    reader, middle, writer = (rules(plan, number) for number in range(3))
    assert (reader.reads, reader.writes) == ((f"{tmp_path}/in",), ())
    assert (middle.reads, middle.writes) == ((f"{tmp_path}/mark.png",), ())
    assert writer.writes == (f"{tmp_path}/out",)
    assert reader.data_nbytes == (512 << 20) + 24 * 100_000_000 + (1 << 30)
    assert writer.data_nbytes == (512 << 20) + 24 * 200_000_000 + (1 << 30)
    assert not any(each.network for each in (reader, middle, writer))


def test_a_list_may_lead_anywhere(tmp_path: Path) -> None:
    """Its paths are not known beforehand; below `base` they are."""
    (tmp_path / "list").touch()
    for more, reads in (({}, {"/"}), ({"base": str(tmp_path)}, {str(tmp_path)})):
        reader = {"use": "list", "path": str(tmp_path / "list"), **more}
        plan = plan_of(tmp_path, reader, [], {"use": "files", "path": f"{tmp_path}/out/{{stem}}.jpg"})
        assert reads <= set(rules(plan, 0).reads)


def test_code_of_the_user_is_free_and_told(tmp_path: Path) -> None:
    """Its own group, and the readers, which ask it for Specs; the writer stays confined."""
    (tmp_path / "mine.py").write_text("def f(pixels):\n    return pixels\n")
    (tmp_path / "in").mkdir()
    plan = plan_of(
        tmp_path, {"use": "folder", "path": str(tmp_path / "in")}, [[{"use": f"{tmp_path}/mine.py:f", "name": "f"}]],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}.jpg"},
    )  # fmt: skip
    assert [confinement(plan, group) is None for group in plan.groups] == [True, True, False]
    told = sandboxed(plan, {})
    assert told["step1"] == "none: they run f, which is not part of this program"
    assert "seccomp" in told["writer"]
    with pytest.raises(UsageError, match="cannot be confined"):
        check_sandbox(with_sandbox(plan, "require"))


def with_sandbox(plan: Plan, how: Any) -> Plan:
    settings: Settings = replace(plan.settings, sandbox=how)
    return replace(plan, settings=settings)


def test_what_is_required_and_cannot_be_had(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 4 before anything starts; `auto` goes on and says so."""
    check_sandbox(with_sandbox(plan, "require"))
    assert sandboxed(plan, {0: sandbox.SECCOMP})["reader"].startswith("seccomp; the system refused Landlock")
    monkeypatch.setattr(sandbox, "landlock_abi", lambda: 0)
    with pytest.raises(EnvironmentRefusal, match="gives seccomp"):
        check_sandbox(with_sandbox(plan, "require"))
    check_sandbox(plan)
    assert sandboxed(plan, {})["reader"] == "seccomp"
    assert sandboxed(with_sandbox(plan, "off"), {})["reader"] == "none: it is switched off"
    assert confinement(with_sandbox(plan, "off"), plan.groups[0]) is None


EVIL = """
import os, socket
import stages.codecs.png as codec  # the codec of the engine itself, taken over as by a flaw in a decoder

OUTSIDE = {outside!r}

def decode(*_, **__):
    def write():
        open(OUTSIDE + "/evil.txt", "w")

    def grow():
        bytearray(6 << 30)

    for attempt in (socket.socket, {further}):
        try:
            attempt()
        except (OSError, MemoryError):
            continue
        os.write(2, b"ESCAPED\\n")
    write()

codec.Png.decode = decode
"""


FURTHER = 'lambda: os.execv("/bin/true", ["true"]), os.fork, write, grow'


def taken_over(tmp_path: Path, fuse: str, further: str = FURTHER, **top: Any) -> tuple[dict[str, Any], str]:
    """The report and what was printed of a run whose PNG decoder tries what it may not."""
    for name, count in (("meadow_palette.png", 10), ("valley.jpg", 10)):
        for number in range(count):
            (tmp_path / "in").mkdir(exist_ok=True)
            (tmp_path / "in" / f"{number}{name}").write_bytes((ROOT / "samples/photos" / name).read_bytes())
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "sitecustomize.py").write_text(
        EVIL.replace("{outside!r}", repr(str(tmp_path))).replace("{further}", further)
    )
    plan_of(
        tmp_path, {"use": "folder", "path": str(tmp_path / "in")}, [],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}.jpg"}, fuse=fuse, limits={"pixels": 10_000_000}, **top,
    )  # fmt: skip
    env = environment()
    env["PYTHONPATH"] = os.pathsep.join((str(tmp_path / "evil"), env["PYTHONPATH"]))
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "run", str(tmp_path / "config.yaml"), "--json", "-q"], env=env,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    report: dict[str, Any] = json.loads(done.stdout)
    return report, done.stderr


@pytest.mark.parametrize("fuse", ["none", "all"])
def test_a_decoder_that_was_taken_over(tmp_path: Path, figure: Callable[..., None], fuse: str) -> None:
    """It opens no socket, starts nothing, writes nowhere, takes no memory; its items fail, the others are done."""
    figure(
        "a decoder that was taken over: socket, exec, fork, write, memory refused; the run goes on", "100 % of tries"
    )
    report, printed = taken_over(tmp_path, fuse)
    assert (report["done"], report["failed"]) == (10, 10), printed
    assert {failure["kind"] for failure in report["failures"]} == {"permission"}
    assert all("seccomp, Landlock" in held for held in report["sandbox"].values())
    assert not (tmp_path / "evil.txt").exists()
    assert "ESCAPED" not in printed
    assert sorted(os.listdir(tmp_path)) == ["config.yaml", "evil", "in", "out"]


def test_without_the_sandbox_it_escapes(tmp_path: Path) -> None:
    """So the test above would see it."""
    _, printed = taken_over(tmp_path, "none", "", sandbox="off")
    assert "ESCAPED" in printed
    assert (tmp_path / "evil.txt").exists()
