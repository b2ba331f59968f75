"""Inputs that change, vanish, wait or lie; the same from workers and from one process."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from folder_jobs import RUNS, Run, job, reasons
from harness import ROOT, cli, command, counts, environment, listed, plan_of, tree, until
from pictures import ramp
from PIL import Image

from pipeline.errors import Exit
from pipeline.supervisor import execution
from pipeline.supervisor.run_loop import RunLoop


def after_discovery(monkeypatch: pytest.MonkeyPatch, harm: Callable[[], None]) -> None:
    """Do something to the inputs when all were found and none was read."""
    turn = RunLoop.turn
    done: list[bool] = []

    def turned(self: RunLoop, timeout_s: float) -> None:
        if not done:
            done.append(True)
            assert self.discovery is not None
            until(lambda: self.discovery is not None and self.discovery.ended, "all inputs are found")
            harm()
        turn(self, timeout_s)

    monkeypatch.setattr(RunLoop, "turn", turned)


def test_a_file_that_vanishes_after_it_was_found_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was there when the folder was listed and is gone when it is read: one line, exit 1, the others are done."""
    for name in "abc":
        ramp(tmp_path / "in" / f"{name}.jpg")
    after_discovery(monkeypatch, (tmp_path / "in" / "b.jpg").unlink)
    report = execution.run(job(tmp_path))
    assert (report.exit_code, counts(report)) == (Exit.SOME_FAILED, {"done": 2, "failed": 1})
    assert reasons(report) == {"b.jpg": ("vanished", "no such file or directory")}


def test_a_file_that_becomes_something_else_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A FIFO, a folder or a link to nowhere in its place is not waited for."""
    for name in "abcd":
        ramp(tmp_path / "in" / f"{name}.jpg")

    def swap() -> None:
        for name in "abc":
            (tmp_path / "in" / f"{name}.jpg").unlink()
        os.mkfifo(tmp_path / "in" / "a.jpg")
        (tmp_path / "in" / "b.jpg").mkdir()
        (tmp_path / "in" / "c.jpg").symlink_to("nowhere")

    after_discovery(monkeypatch, swap)
    report = execution.run(job(tmp_path))
    assert counts(report) == {"done": 1, "failed": 3}
    assert {name: reason for name, (_, reason) in reasons(report).items()} == {
        "a.jpg": "is a FIFO, not a regular file",
        "b.jpg": "is a folder, not a regular file",
        "c.jpg": "no such file or directory",
    }


@RUNS
def test_devices_named_like_pictures_fail(tmp_path: Path, run: Run) -> None:
    """A socket, a FIFO and an endless device are refused at once; a link is skipped or followed to them."""
    import socket

    ramp(tmp_path / "in" / "fine.png")
    os.mkfifo(tmp_path / "in" / "fifo.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "in" / "socket.png"))
    (tmp_path / "in" / "zero.png").symlink_to("/dev/zero")
    report = run(job(tmp_path))
    assert counts(report) == {"done": 1, "failed": 2, "skipped": 1}
    report = run(job(tmp_path, follow_symlinks=True))
    assert counts(report) == {"done": 1, "failed": 3}
    assert reasons(report)["zero.png"][1] == "is a character device, not a regular file"


@RUNS
def test_a_huge_sparse_file_is_refused_unread(tmp_path: Path, run: Run) -> None:
    """A terabyte of nothing meets `limits: {file_size}` before a byte of it is read."""
    ramp(tmp_path / "in" / "a.jpg")
    with open(tmp_path / "in" / "huge.jpg", "wb") as file:
        file.truncate(1 << 40)
    report = run(job(tmp_path))
    assert counts(report) == {"done": 1, "failed": 1}
    assert "`limits: {file_size}` is 536.9 MB" in reasons(report)["huge.jpg"][1]


@RUNS
def test_hostile_names_stay_below_the_output(tmp_path: Path, run: Run) -> None:
    """A list may name anything: an output never leaves its folder, and undecodable bytes come through."""
    ramp(tmp_path / "pictures" / "a.jpg")
    os.rename(tmp_path / "pictures" / "a.jpg", os.fsencode(tmp_path) + b"/pictures/\xff\n.jpg")
    names = [b"pictures/../pictures/\xff\n.jpg", b"../../../../etc/passwd", b"..", b"/"]
    (tmp_path / "list").write_bytes(b"".join(os.fsencode(tmp_path) + b"/" + name + b"\0" for name in names))
    plan = plan_of(
        tmp_path,
        {"use": "list", "path": str(tmp_path / "list"), "null": True, "base": str(tmp_path / "pictures")},
        [],
        {"use": "files", "path": f"{tmp_path}/out/{{dir}}/{{name}}.png"},
    )
    report = run(plan)
    assert counts(report) == {"done": 1, "failed": 3}
    assert os.listdir(os.fsencode(tmp_path) + b"/out") == [b"\xff\n.jpg.png"]
    assert sorted(os.listdir(tmp_path)) == ["config.yaml", "list", "out", "pictures"]


@RUNS
def test_sizes_round_to_at_least_one_pixel(tmp_path: Path, run: Run) -> None:
    """However thin a picture is, one row and one column of it are left."""
    sizes = {(1, 1): (8, 8), (1, 900): (1, 8), (900, 1): (8, 1), (3, 1000): (1, 8)}
    for width, height in sizes:
        ramp(tmp_path / "in" / f"{width}x{height}.png", width, height)
    assert counts(run(job(tmp_path))) == {"done": 4}
    for (width, height), size in sizes.items():
        with Image.open(tmp_path / "out" / f"{width}x{height}.png") as made:
            assert made.size == size


# What lets root read everything is taken from the process before the command begins; others never had it.
UNPRIVILEGED = (
    "import ctypes, os, sys\n"
    "for capability in (1, 2): ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


@pytest.mark.parametrize("more", [[], ["--serial"]], ids=["workers", "serial"])
def test_a_locked_file_and_a_locked_folder_fail_with_permission(tmp_path: Path, more: list[str]) -> None:
    """Each fails with the reason of the system and kind permission, also a folder that cannot be listed; exit 1."""
    for name in ("fine.jpg", "locked.jpg", "cellar/deep.jpg"):
        ramp(tmp_path / "in" / name)
    job(tmp_path)
    for name in ("locked.jpg", "cellar"):
        (tmp_path / "in" / name).chmod(0)
    program, *rest = command("run", str(tmp_path / "config.yaml"), "--json", "-q", *more)
    done = subprocess.run(
        [program, "-c", UNPRIVILEGED, *rest], env=environment(), capture_output=True, text=True, check=False
    )
    (tmp_path / "in" / "cellar").chmod(0o755)
    report = json.loads(done.stdout)
    assert (done.returncode, report["done"], report["failed"]) == (1, 1, 2), done.stderr
    told = {os.path.basename(failure["item"].rstrip("/")): failure for failure in report["failures"]}
    assert set(told) == {"locked.jpg", "cellar"}
    assert {(failure["kind"], failure["reason"]) for failure in told.values()} == {("permission", "permission denied")}


def test_a_list_that_arrives_slowly_is_worked_on_meanwhile(tmp_path: Path) -> None:
    """Standard input stays open: the first paths are done before the last ones are written."""
    for name in "ab":
        ramp(tmp_path / "in" / f"{name}.jpg")
    plan_of(tmp_path, {"use": "list", "path": "-"}, [], {"use": "files", "path": f"{tmp_path}/out/{{stem}}.png"})
    args = command("run", str(tmp_path / "config.yaml"), "--json", "-q")
    with subprocess.Popen(
        args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdin is not None
        process.stdin.write(f"{tmp_path}/in/a.jpg\n")
        process.stdin.flush()
        until(lambda: (tmp_path / "out" / "a.png").exists(), "the first path is done")
        out, err = process.communicate(f"{tmp_path}/in/b.jpg\n")
    assert process.returncode == 0, err
    assert json.loads(out)["done"] == 2
    assert len(tree(tmp_path / "out")) == 2


def test_a_list_from_another_program_is_read_once(tmp_path: Path) -> None:
    """A named pipe in place of a list: counting for the ETA takes no path away from the run."""
    for number in range(30):
        ramp(tmp_path / "in" / f"{number:02d}.jpg")
    os.mkfifo(tmp_path / "list")
    plan_of(
        tmp_path,
        {"use": "list", "path": str(tmp_path / "list")},
        [],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}.png"},
    )
    args = command("run", str(tmp_path / "config.yaml"), "--json", "-q")
    with subprocess.Popen(
        args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        with open(tmp_path / "list", "w") as file:
            file.writelines(f"{tmp_path}/in/{number:02d}.jpg\n" for number in range(30))
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert json.loads(out)["done"] == 30


@pytest.mark.parametrize("more", [[], ["--serial"]], ids=["workers", "serial"])
def test_the_broken_samples_end_alike(tmp_path: Path, more: list[str]) -> None:
    """Each broken sample fails with its reason and its kind, the misnamed one is done; exit 1, over the budget too."""
    args = [str(ROOT / "configs/thumbnail.yaml"), "--json", "-q", *more]
    sets = (f"reader.path={ROOT}/samples/broken", f"writer.path={tmp_path}/out/{{stem}}.jpg")
    options = [part for setting in sets for part in ("--set", setting)]
    done = cli("run", *args, *options, "--set", "on_error.max_failures=none")
    report = json.loads(done.stdout)
    assert (done.returncode, report["done"], report["failed"]) == (1, 1, 6)
    kinds = {os.path.basename(failure["item"]): failure["kind"] for failure in report["failures"]}
    assert kinds == {
        "corrupt.png": "input", "empty.jpg": "input", "huge_header.jpg": "input", "lying_header.png": "input",
        "not_an_image.jpg": "format", "truncated.jpg": "input",
    }  # fmt: skip
    assert "--set limits.pixels" in next(f["reason"] for f in report["failures"] if "huge_header" in f["item"])
    assert listed(tmp_path / "out") == ["jpeg_named.jpg"]
    assert cli("run", *args, *options).returncode == 1, "all were tried: the budget stops runs, it renames none"
