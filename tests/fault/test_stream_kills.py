"""Streams whose workers die: each is begun again and written whole, once and in order."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import FILES, HARM, LOG, NUMBERED, attempts, counts, plan_of, restarts, stage, tree

from pipeline.errors import Exit
from pipeline.supervisor import execution
from pipeline.supervisor.report import Report

pytestmark = pytest.mark.usefixtures("at_once")


def streamed(folder: Path, role: str, how: str, times: int, *, at: int = 1, index: int = 2) -> Report:
    """Three streams of five frames to files in `out`, harm at one frame of one of them."""
    harm = {"how": how, "at": [at], "index": index, "times": times, "marker": str(folder / "mark")} if role else {}
    plan = plan_of(
        folder,
        {
            "use": NUMBERED,
            "items": 3,
            "frames": 5,
            "streamed": True,
            "workers": 2,
            **(harm if role == "reader" else {}),
        },
        [{"stages": [stage(HARM, **(harm if role == "transform" else {}))], "workers": 2}],
        {
            "use": FILES,
            "path": f"{folder}/out/{{stem}}-{{index}}.png",
            "workers": 2,
            **(harm if role == "writer" else {}),
        },
    )
    return execution.run(plan)


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The outputs of undisturbed streams."""
    folder = tmp_path_factory.mktemp("streams")
    assert counts(streamed(folder, "", "", 0)) == {"done": 3}
    return tree(folder / "out")


@pytest.mark.parametrize("role", ["reader", "transform", "writer"])
def test_a_stream_survives_the_death_of_any_worker(tmp_path: Path, role: str, streams: dict[str, str]) -> None:
    """A transform's death costs one frame's retry, a reader's or writer's a new start; the output is the same."""
    report = streamed(tmp_path, role, "kill", 1)
    assert (report.exit_code, counts(report)) == (Exit.OK, {"done": 3})
    assert tree(tmp_path / "out") == streams
    assert attempts(tmp_path, 1) == 2
    assert restarts(report)[{"transform": "step1"}.get(role, role)] >= 1
    if role == "transform":
        assert restarts(report) == {"step1": 1}
        assert report.frames == 15


@pytest.mark.parametrize("role", ["reader", "transform", "writer"])
def test_a_poisoned_stream_is_quarantined_alone(tmp_path: Path, role: str, streams: dict[str, str]) -> None:
    """A frame that kills each time ends its stream, after as many attempts as any other; the others are done."""
    report = streamed(tmp_path, role, "kill", -1)
    assert (report.exit_code, counts(report)) == (Exit.SOME_FAILED, {"done": 2, "quarantined": 1})
    assert attempts(tmp_path, 1) == 3
    (failure,) = report.failures
    assert failure.item == "numbered:001"
    assert failure.stage == {"reader": "Numbered", "transform": "Harm", "writer": "Files"}[role]
    others = {name: hash_ for name, hash_ in streams.items() if not name.startswith("001")}
    assert {name: hash_ for name, hash_ in tree(tmp_path / "out").items() if not name.startswith("001")} == others


@pytest.mark.parametrize("role", ["reader", "transform", "writer"])
def test_an_error_ends_its_stream_alone(tmp_path: Path, role: str) -> None:
    """A stage that raises fails its stream at once, without a second attempt, and no other."""
    report = streamed(tmp_path, role, "value", -1)
    assert counts(report) == {"done": 2, "failed": 1}
    assert attempts(tmp_path, 1) == 1
    assert report.failures[0].reason.startswith("ValueError: bad luck on two lines (")


@pytest.mark.parametrize(("role", "times"), [("", 0), ("reader", 1), ("writer", 1)])
def test_a_stream_is_written_in_order_and_finished_once(tmp_path: Path, role: str, times: int) -> None:
    """The writer gets the frames of a stream in order, each start from the first one, and the end after the last."""
    harm = {"how": "kill", "at": [1], "times": times, "marker": str(tmp_path / "mark")} if role else {}
    plan = plan_of(
        tmp_path,
        {
            "use": NUMBERED,
            "items": 3,
            "frames": 6,
            "streamed": True,
            "workers": 2,
            **(harm if role == "reader" else {}),
        },
        [{"stages": [stage(HARM)], "workers": 2}],
        {"use": LOG, "log": str(tmp_path / "log"), "workers": 2, **(harm if role == "writer" else {})},
    )
    assert counts(execution.run(plan)) == {"done": 3}
    lines = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    for number in range(3):
        seen = [what for item, what in lines if int(item) == number]
        assert seen[-7:] == [*map(str, range(6)), "end"]
        assert seen.count("end") == 1
