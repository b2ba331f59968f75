"""The wheel: what is in it, and that it runs from an empty folder without this repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = "version: 1\nreader: {use: synthetic, height: 9, width: 8, frames: 3}\nwriter: {use: null}\n"


def test_every_package_is_listed() -> None:
    """Packages are named one by one, so nothing else is shipped; a new folder must not be forgotten."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for top in ("pipeline", "stages")
        for file in (ROOT / top).rglob("*.py")
    }
    assert sorted(listed) == sorted(folders)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, so that nothing is left in the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("pipeline", "stages"):
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=skip)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / "source" / name)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        folder,
    ]
    subprocess.run([*command, folder / "source"], check=True, timeout=100)
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_two_packages_and_nothing_else(wheel: Path) -> None:
    """No tests, no configs, no benchmarks; the page about the machine and the type marker are there."""
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pipeline", "stages"}
    assert "pipeline/py.typed" in names
    assert {name for name in names if name.startswith("stages/")} == {
        str(path.relative_to(ROOT)) for path in (ROOT / "stages").rglob("*.py")
    }


def test_the_wheel_runs_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    """Installed apart, beside the libraries that are here: list, check and run, in an empty folder."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=60)
    python = tmp_path / "venv/bin/python"
    place = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    Path(place, "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, timeout=60)
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "c.yaml").write_text(CONFIG)
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}

    def pipe(*args: str) -> str:
        command = [tmp_path / "venv/bin/pipeline", *args]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=empty, env=environ, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = subprocess.run(
        [python, "-c", "import pipeline; print(pipeline.__file__)"],
        capture_output=True,
        text=True,
        cwd=empty,
        check=True,
    )
    assert where.stdout.startswith(place)
    assert {each["name"] for each in json.loads(pipe("stages", "--json"))["stages"]} >= {
        "folder",
        "resize",
        "files",
        "jpeg",
    }
    assert pipe("check", "c.yaml") == "c.yaml: ok\n"
    assert json.loads(pipe("run", "c.yaml", "--json", "--workers", "all=1"))["done"] == 3
    assert sorted(each.name for each in empty.iterdir()) == ["c.yaml"]
