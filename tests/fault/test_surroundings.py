"""What clusters and old machines surround a run with: limits on address space, a locale that knows ASCII only."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from functools import partial
from pathlib import Path

import pytest
from harness import cli, command, environment, listed, write_config
from pictures import ramp

from pipeline.errors import Exit

ADDRESS_SPACE = 1_500_000 << 10  # `ulimit -v 1500000`


def job(folder: Path, memory: str, *names: str) -> Path:
    """Pictures of these names through a resize."""
    (folder / "in").mkdir()
    for name in names:
        ramp(folder / "in" / name)
    return write_config(
        folder, {"use": "folder", "path": str(folder / "in")}, [[{"resize": {"width": 8, "height": 8}}]],
        {"use": "files", "path": f"{folder}/out/{{stem}}.png"}, queues={"memory": memory},
    )  # fmt: skip


def limited(*args: str, kind: int = resource.RLIMIT_AS) -> subprocess.CompletedProcess[str]:
    """The command line under a limit of its address space, or of its data."""
    limit = partial(resource.setrlimit, kind, (ADDRESS_SPACE, ADDRESS_SPACE))
    return cli(*args, "--json", preexec_fn=limit)


@pytest.mark.parametrize("kind", [resource.RLIMIT_AS, resource.RLIMIT_DATA])
def test_memory_auto_heeds_a_limit(tmp_path: Path, kind: int) -> None:
    """The arena is a quarter of the limit at most; the run ends well and says nothing more."""
    config = str(job(tmp_path, "auto", "a.png", "b.png"))
    assert json.loads(limited("plan", config, kind=kind).stdout)["memory_nbytes"] <= ADDRESS_SPACE // 4
    done = limited("run", config, "-q", kind=kind)
    assert (done.returncode, done.stderr) == (Exit.OK, "")
    assert json.loads(done.stdout)["done"] == 2


def test_an_arena_that_cannot_be_mapped(tmp_path: Path) -> None:
    """Exit 4 with the limit and the remedy in one line, and not a word of Python's resource tracker."""
    done = limited("run", str(job(tmp_path, "1490MB", "a.png")), "-q")
    assert done.returncode == Exit.ENVIRONMENT
    (line,) = done.stderr.splitlines()
    for part in ("cannot map 1420 MiB of shared memory", "`ulimit -v`", "raise that limit, or set `queues: {memory"):
        assert part in line


def test_names_beyond_the_locale(tmp_path: Path) -> None:
    """In a locale of ASCII a file whose name is UTF-8 is read, and its output has the same bytes in its name."""
    name = "gr\u00f6\u00dfe_\u65e5\u672c"
    ascii_only = environment(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    config = job(tmp_path, "16MiB", f"{name}.png")
    args = command("run", str(config), "--json", "-q")
    done = subprocess.run(args, env=ascii_only, capture_output=True, check=False, timeout=60)
    assert done.returncode == Exit.OK, done.stderr
    assert listed(tmp_path / "out") == [f"{name}.png"]


def test_one_core(tmp_path: Path) -> None:
    """Under `taskset` with one core `auto` means one worker a group; a pin to another core is refused at its line."""
    (tmp_path / "in").mkdir()
    ramp(tmp_path / "in/a.png")
    ends = {"use": "folder", "path": str(tmp_path / "in")}, {"use": "files", "path": f"{tmp_path}/out/{{stem}}.png"}
    first, *others = sorted(os.sched_getaffinity(0))
    config = write_config(
        tmp_path, {**ends[0], "workers": "auto"}, [{"stages": ["identity"], "workers": "auto"}],
        {**ends[1], "workers": "auto"},
    )  # fmt: skip
    pinned = partial(os.sched_setaffinity, 0, {first})
    report = json.loads(cli("run", str(config), "--json", preexec_fn=pinned).stdout)
    assert report["done"] == 1
    assert [group["workers"] for group in report["groups"]] == [1, 1, 1]
    outside = others[0] if others else first + 1
    write_config(tmp_path, ends[0], [{"stages": ["identity"], "cores": [outside]}], ends[1])
    refused = cli("run", str(config), preexec_fn=pinned)
    assert refused.returncode == Exit.USAGE
    assert "config.yaml:1:" in refused.stderr
