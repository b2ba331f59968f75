"""A film whose workers are killed: a frame is tried again, or the film starts once more, and comes out the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from films import FAST, clips, made, reasons, see
from harness import FILM, HARM_FILM, PROJECTOR, counts, plan_of, restarts, stage, tree

from pipeline.supervisor import execution
from pipeline.supervisor.report import Report

pytestmark = pytest.mark.usefixtures("at_once")

AT = 100


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 frames with sound."""
    return made(tmp_path_factory.mktemp("film"), clips.Clip("film.mp4", 160, 96, 120, audio="aac"))


def run(folder: Path, film: Path, *, begin: Any = None, step: Any = None, end: Any = None) -> Report:
    """The film through two transform workers; `begin`, `step`, `end` say what harm is done in which role."""
    plan = plan_of(
        folder,
        {"use": PROJECTOR, "path": str(film), "threads": 1, **(begin or {})},
        [{"stages": [stage(HARM_FILM, **(step or {}))], "workers": 2}],
        {"use": FILM, "path": f"{folder}/out/{{stem}}.mp4", **FAST, "verify": True, **(end or {})},
        queues={"memory": "64MiB"},
    )
    return execution.run(plan)


@pytest.fixture(scope="module")
def undisturbed(film: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The output of a run in which nothing happens."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert counts(run(folder, film)) == {"done": 1}
    assert see(folder / "out/film.mp4").ids == list(range(120))
    return tree(folder / "out")


@pytest.mark.parametrize("how", ["kill", "segv"])
def test_a_transform_worker_that_dies_costs_one_try_of_a_frame(
    film: Path, undisturbed: dict[str, str], tmp_path: Path, how: str
) -> None:
    """At frame 100: only its worker is replaced, the writer goes on, and the file is the same byte for byte."""
    report = run(tmp_path, film, step={"how": how, "index": AT, "times": 1, "marker": str(tmp_path / "mark")})
    assert counts(report) == {"done": 1}, reasons(report)
    assert restarts(report) == {"step1": 1}
    assert tree(tmp_path / "out") == undisturbed
    assert len(list(tmp_path.glob("mark.*"))) == 2


def test_a_writer_that_dies_starts_the_film_once_more(film: Path, undisturbed: dict[str, str], tmp_path: Path) -> None:
    """At frame 100: its half file is swept, the second try is whole, and the file is the same byte for byte."""
    report = run(tmp_path, film, end={"how": "kill", "index": AT, "times": 1, "marker": str(tmp_path / "mark")})
    assert counts(report) == {"done": 1}, reasons(report)
    assert restarts(report)["writer"] == 1
    assert len(list(tmp_path.glob("mark.*"))) == 2, "the film came to frame 100 twice"
    assert tree(tmp_path / "out") == undisturbed


def test_a_reader_that_dies_starts_the_film_once_more(film: Path, undisturbed: dict[str, str], tmp_path: Path) -> None:
    """At frame 100: the frames that are under way are dropped, the writer starts over, the file is the same."""
    report = run(tmp_path, film, begin={"how": "kill", "index": AT, "times": 1, "marker": str(tmp_path / "mark")})
    assert counts(report) == {"done": 1}, reasons(report)
    assert restarts(report)["reader"] == 1
    assert tree(tmp_path / "out") == undisturbed


def test_a_frame_that_kills_every_time(film: Path, tmp_path: Path) -> None:
    """The film is quarantined with the stage and the signal, and nothing of it is left."""
    report = run(tmp_path, film, step={"how": "kill", "index": AT, "marker": str(tmp_path / "mark")})
    assert counts(report) == {"quarantined": 1}
    assert "HarmFilm" in reasons(report)
    assert "SIGKILL" in reasons(report)
    assert not tree(tmp_path / "out")
