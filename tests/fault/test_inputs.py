"""Inputs that change, vanish, wait or lie where outputs go; the same from workers and from one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import ROOT, cli, command, counts, environment, plan_of, tree, until
from PIL import Image

from pipeline.contracts.problem import ConfigError
from pipeline.errors import Exit
from pipeline.supervisor import execution, serial
from pipeline.supervisor.run_loop import RunLoop

RUNS = pytest.mark.parametrize("run", [execution.run, serial.run], ids=["workers", "serial"])
Run = Callable[..., Any]


def good(path: Path, width: int = 24, height: int = 16) -> None:
    """A small picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ramp = (np.arange(width * height * 3) * 7 % 256).astype(np.uint8)
    Image.fromarray(ramp.reshape(height, width, 3)).save(path)


def job(folder: Path, target: str = "out/{dir}/{stem}.png", **reader: Any) -> Any:
    """Pictures of `in` through a resize to files."""
    return plan_of(
        folder,
        {"use": "folder", "path": str(folder / "in"), **reader},
        [["orient", {"resize": {"width": 8, "height": 8, "fit": "inside"}}]],
        {"use": "files", "path": f"{folder}/{target}"},
    )


def reasons(report: Any) -> dict[str, tuple[str, str]]:
    """Kind and reason of each failure."""
    return {os.path.basename(failure.item): (failure.kind, failure.reason) for failure in report.failures}


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
        good(tmp_path / "in" / f"{name}.jpg")
    after_discovery(monkeypatch, (tmp_path / "in" / "b.jpg").unlink)
    report = execution.run(job(tmp_path))
    assert (report.exit_code, counts(report)) == (Exit.SOME_FAILED, {"done": 2, "failed": 1})
    assert reasons(report) == {"b.jpg": ("vanished", "no such file or directory")}


def test_a_file_that_becomes_something_else_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A FIFO, a folder or a link to nowhere in its place is not waited for."""
    for name in "abcd":
        good(tmp_path / "in" / f"{name}.jpg")

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

    good(tmp_path / "in" / "fine.png")
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
    good(tmp_path / "in" / "a.jpg")
    with open(tmp_path / "in" / "huge.jpg", "wb") as file:
        file.truncate(1 << 40)
    report = run(job(tmp_path))
    assert counts(report) == {"done": 1, "failed": 1}
    assert "`limits: {file_size}` is 536.9 MB" in reasons(report)["huge.jpg"][1]


@RUNS
def test_the_first_of_two_inputs_for_one_output_is_the_one_in_input_order(tmp_path: Path, run: Run) -> None:
    """Whatever is faster: the second in the order of the input collides, and it names the first."""
    for name in ("a.png", "a.jpg", "a.jpeg", "b.jpg"):
        good(tmp_path / "in" / name)
    report = run(job(tmp_path))
    assert counts(report) == {"done": 2, "failed": 2}
    assert {name: kind for name, (kind, _) in reasons(report).items()} == {"a.jpg": "collision", "a.png": "collision"}
    assert all(f"collides with '{tmp_path}/in/a.jpeg'" in reason for _, reason in reasons(report).values())


def test_names_that_only_the_frame_decides_collide_too(tmp_path: Path) -> None:
    """Two pictures of one size for a name made of sizes: one is done, the other collides, nothing is overwritten."""
    good(tmp_path / "in" / "a.jpg")
    good(tmp_path / "in" / "b.jpg")
    good(tmp_path / "in" / "c.jpg", 30, 10)
    for run in (execution.run, serial.run):
        report = run(job(tmp_path, "out/{width}x{height}.png"))
        assert counts(report) == {"done": 2, "failed": 1}
        assert "collides with" in report.failures[0].reason


@RUNS
def test_outputs_replace_those_of_an_earlier_run(tmp_path: Path, run: Run) -> None:
    """A second run does everything again and leaves the same files, also where one of them was damaged or a link."""
    good(tmp_path / "in" / "a.jpg")
    good(tmp_path / "in" / "deep" / "b.jpg")
    run(job(tmp_path))
    first = tree(tmp_path / "out")
    (tmp_path / "out" / "a.png").write_bytes(b"half")
    (tmp_path / "out" / "deep" / "b.png").unlink()
    (tmp_path / "out" / "deep" / "b.png").symlink_to("nowhere")
    assert counts(run(job(tmp_path))) == {"done": 2}
    assert tree(tmp_path / "out") == first


def test_outputs_beside_their_inputs_are_refused(tmp_path: Path) -> None:
    """`in/{stem}-small.jpg` over `in` would be read by the next run: the plan says so, with both remedies."""
    good(tmp_path / "in" / "a.jpg")
    with pytest.raises(ConfigError, match=r"among the inputs.*folder of their own.*'\*\*/\*-small.jpg'"):
        job(tmp_path, "in/{stem}-small.jpg")
    assert job(tmp_path, "in/{stem}-small.jpg", include=["**/*.png"])
    with pytest.raises(ConfigError, match="among the inputs"):
        job(tmp_path, "in/{stem}-small.jpg", include=["a*.jpg"])


def test_outputs_beside_their_inputs_may_be_excluded(tmp_path: Path) -> None:
    """With `exclude` the second run finds the same inputs, and replaces its earlier outputs."""
    good(tmp_path / "in" / "a.jpg")
    looks = []
    for _ in range(2):
        report = execution.run(job(tmp_path, "in/{stem}-small.jpg", exclude=["**/*-small.jpg"]))
        looks.append((counts(report), tree(tmp_path / "in")))
    assert looks[0] == looks[1]
    assert looks[0][0] == {"done": 1}


@pytest.mark.parametrize("target", ["in/{stem}.png", "in/{name}", "in/{dir}/{stem}.{ext}", "other/{stem}.png"])
def test_outputs_with_the_names_of_their_inputs_are_refused(tmp_path: Path, target: str) -> None:
    """The same names, directly or through a linked folder: nothing is started."""
    good(tmp_path / "in" / "a.png")
    (tmp_path / "other").symlink_to("in")
    with pytest.raises(ConfigError, match="among the inputs"):
        job(tmp_path, target)


@RUNS
def test_a_source_is_never_written_over(tmp_path: Path, run: Run) -> None:
    """An output whose name is a link to its source: the item fails and the source has its bytes."""
    good(tmp_path / "in" / "a.png")
    before = tree(tmp_path / "in")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").hardlink_to(tmp_path / "in" / "a.png")
    report = run(job(tmp_path, "out/{stem}.png"))
    assert counts(report) == {"failed": 1}
    assert "would overwrite" in report.failures[0].reason
    assert tree(tmp_path / "in") == before


@RUNS
def test_hostile_names_stay_below_the_output(tmp_path: Path, run: Run) -> None:
    """A list may name anything: an output never leaves its folder, and undecodable bytes come through."""
    good(tmp_path / "pictures" / "a.jpg")
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
        good(tmp_path / "in" / f"{width}x{height}.png", width, height)
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
        good(tmp_path / "in" / name)
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
        good(tmp_path / "in" / f"{name}.jpg")
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
        good(tmp_path / "in" / f"{number:02d}.jpg")
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
    """Each broken sample fails with its reason and its kind, the misnamed one is done; exit 1, or 3 over the budget."""
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
    assert os.listdir(tmp_path / "out") == ["jpeg_named.jpg"]
    assert cli("run", *args, *options).returncode == 3


MANY = 200_000


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder with so many names of a few pictures."""
    folder = tmp_path_factory.mktemp("crowd")
    each = 20_000  # names of one file: file systems bound them
    for number in range(MANY):
        path = f"{folder}/{number:06d}.png"
        if number % each == 0:
            good(Path(path))
            first = path
        else:
            os.link(first, path)
    return folder


PEAK = """
import resource, subprocess, sys
with open(sys.argv[1], "wb") as out:
    code = subprocess.run(sys.argv[2:], stdout=out, stderr=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def peak(*args: str, out: Path) -> tuple[int, int]:
    """Exit code and largest resident size in bytes of the command's processes.

    Started by a small process: the figure of a child begins with the size of whoever starts it, and pytest is large.
    """
    wrapped = [sys.executable, "-c", PEAK, str(out), *command(*args)]
    done = subprocess.run(wrapped, env=environment(), capture_output=True, text=True, check=True)
    code, nbytes = map(int, done.stdout.split())
    return code, nbytes


def test_a_folder_of_very_many_files_is_never_a_list_of_paths(crowd: Path, tmp_path: Path) -> None:
    """Each of 200,000 has its line and a name of its own; a list of them all would take 50 MB more."""
    (tmp_path / "in").symlink_to(crowd)
    job(tmp_path)
    few, many = (
        peak(
            "run", str(tmp_path / "config.yaml"), "--dry-run", *more,
            out=tmp_path / f"lines{len(more)}",
        )
        for more in (["--limit", "1000"], [])
    )  # fmt: skip
    assert few[0] == many[0] == Exit.OK
    lines = (tmp_path / "lines0").read_text().splitlines()
    assert len(lines) == len({line.partition(" -> ")[2] for line in lines}) == MANY
    assert {line.partition(" -> ")[0] for line in lines} == {
        f"{tmp_path}/in/{number:06d}.png" for number in range(MANY)
    }
    assert many[1] - few[1] < 40 << 20


def test_a_few_of_very_many_files(crowd: Path, tmp_path: Path) -> None:
    """A hundred of them, exactly, and the parent is no larger for the rest."""
    (tmp_path / "in").symlink_to(crowd)
    job(tmp_path)
    code, nbytes = peak(
        "run", str(tmp_path / "config.yaml"), "--json", "-q", "--limit", "100",
        out=tmp_path / "report",
    )  # fmt: skip
    report = json.loads((tmp_path / "report").read_text())
    assert (code, report["found"], report["done"]) == (0, 100, 100)
    assert nbytes < 100 << 20
