"""Workers that are killed, crash, hang or stop: nothing is lost, the guilty item is named, the innocent are done."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import FILES, HARM, LOG, NUMBERED, counts, fused, plan_of, restarts, stage, tree
from stages_for_tests import numbered

from pipeline.errors import Exit
from pipeline.plan.model import Plan
from pipeline.scheduler import Scheduler
from pipeline.supervisor import execution, serial
from pipeline.supervisor.fork_server import ForkServer
from pipeline.supervisor.hearing import Hearing
from pipeline.supervisor.report import Report

ITEMS = 8
ROLES = ("reader", "transform", "writer", "fused")


def attempts(folder: Path, number: int) -> int:
    """How often a stage was about to do harm at an item."""
    return len(list(folder.glob(f"mark.{number}.*")))


def harmed(
    folder: Path, role: str, how: str, *, at: int = 3, times: int = -1, when: str = "before", **top: Any
) -> Plan:
    """Numbered pictures to files, with harm in one role at one item; the outputs are in `out`."""
    harm = {"how": how, "at": [at], "times": times, "marker": str(folder / "mark")}
    place = "transform" if role == "fused" else role
    plan = plan_of(
        folder,
        {"use": NUMBERED, "items": ITEMS, **(harm if place == "reader" else {})},
        [[stage(HARM, **(harm if place == "transform" else {}))]],
        {"use": FILES, "path": f"{folder}/out/{{stem}}.png", **({**harm, "when": when} if place == "writer" else {})},
        **top,
    )
    return fused(plan, 1) if role == "fused" else plan


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replacements start without the wait between deaths, which is tested apart."""
    monkeypatch.setattr("pipeline.scheduler.recovery.backoff_s", lambda _: 0.0)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The outputs of an undisturbed run."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert counts(execution.run(harmed(folder, "transform", ""))) == {"done": ITEMS}
    return tree(folder / "out")


@pytest.mark.parametrize("role", ROLES)
def test_a_worker_killed_at_work_costs_one_retry(tmp_path: Path, role: str, expected: dict[str, str]) -> None:
    """SIGKILL in the middle of an item: it is done again by a new worker, and all outputs are right."""
    report = execution.run(harmed(tmp_path, role, "kill", times=1))
    assert (report.exit_code, counts(report)) == (Exit.OK, {"done": ITEMS})
    assert tree(tmp_path / "out") == expected
    assert attempts(tmp_path, 3) == 2
    assert restarts(report) == {{"transform": "step1", "fused": "all"}.get(role, role): 1}


@pytest.mark.parametrize("when", ["within", "after"])
def test_a_writer_killed_within_or_after_its_write(tmp_path: Path, when: str, expected: dict[str, str]) -> None:
    """Half a temporary file is swept; an output whose Done never came is written again, the same."""
    report = execution.run(harmed(tmp_path, "writer", "kill", times=1, when=when))
    assert counts(report) == {"done": ITEMS}
    assert tree(tmp_path / "out") == expected
    assert attempts(tmp_path, 3) == 2


@pytest.mark.parametrize("role", ROLES)
def test_poison_is_quarantined_and_the_others_are_done(tmp_path: Path, role: str, expected: dict[str, str]) -> None:
    """An item that kills its worker each time has three attempts; stage and signal are told, no other is blamed."""
    report = execution.run(harmed(tmp_path, role, "kill", queues={"credit": 4}))
    assert (report.exit_code, counts(report)) == (Exit.SOME_FAILED, {"done": ITEMS - 1, "quarantined": 1})
    assert tree(tmp_path / "out") == {name: hash_ for name, hash_ in expected.items() if name != "003.png"}
    assert attempts(tmp_path, 3) == 3
    (failure,) = report.failures
    assert failure.item == "numbered:003"
    assert failure.stage == {"reader": "Numbered", "writer": "Files"}.get(role, "Harm")
    assert failure.kind == "memory"  # what SIGKILL from outside most often means
    assert "SIGKILL" in failure.reason
    assert "3 attempts" in failure.reason
    assert sum(restarts(report).values()) <= 4  # three deaths, and one worker made fresh for the last attempt


def test_two_poisons_leased_together(tmp_path: Path) -> None:
    """Only the guilty are charged, though two of them and innocent ones lie in the hands of one worker."""
    plan = plan_of(
        tmp_path,
        {"use": NUMBERED, "items": ITEMS},
        [[stage(HARM, how="kill", at=[2, 3], marker=str(tmp_path / "mark"))]],
        {"use": "null"},
        queues={"credit": 4},
    )
    report = execution.run(plan)
    assert counts(report) == {"done": ITEMS - 2, "quarantined": 2}
    assert {failure.item for failure in report.failures} == {"numbered:002", "numbered:003"}
    assert [attempts(tmp_path, number) for number in (2, 3)] == [3, 3]


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_retries_are_as_many_as_asked_for(tmp_path: Path, retries: int) -> None:
    """`on_error: {retries: N}` makes N further attempts."""
    report = execution.run(harmed(tmp_path, "transform", "kill", on_error={"retries": retries}))
    assert counts(report) == {"done": ITEMS - 1, "quarantined": 1}
    assert attempts(tmp_path, 3) == retries + 1


@pytest.mark.parametrize(("how", "name"), [("segv", "SIGSEGV"), ("abort", "SIGABRT")])
def test_a_crash_in_a_fused_group_names_its_stage(tmp_path: Path, how: str, name: str) -> None:
    """The third of five stages of a worker crashes: stage, signal and faulthandler's words are in the report."""
    plan = plan_of(
        tmp_path,
        {"use": NUMBERED, "items": 4},
        [
            [
                "identity",
                stage(HARM, how=how, at=[1], marker=str(tmp_path / "mark")),
                {"crop": {"width": 2, "height": 2}},
            ]
        ],
        {"use": "null"},
    )
    report = execution.run(fused(plan, 1))
    assert counts(report) == {"done": 3, "quarantined": 1}
    (failure,) = report.failures
    assert (failure.item, failure.stage, failure.kind) == ("numbered:001", "Harm", "crash")
    assert name in failure.reason
    assert "Fatal Python error" in failure.reason


@pytest.mark.parametrize("how", ["sleep", "spin", "stop"])
def test_a_worker_that_hangs_meets_the_timeout(tmp_path: Path, how: str, expected: dict[str, str]) -> None:
    """Asleep, in an endless loop or stopped by a signal: its item is quarantined as timed out after its attempts."""
    report = execution.run(harmed(tmp_path, "transform", how, timeout="300ms", on_error={"retries": 1}))
    assert counts(report) == {"done": ITEMS - 1, "quarantined": 1}
    assert tree(tmp_path / "out") == {name: hash_ for name, hash_ in expected.items() if name != "003.png"}
    (failure,) = report.failures
    assert (failure.item, failure.stage, failure.kind) == ("numbered:003", "Harm", "timeout")
    assert "`timeout`" in failure.reason
    assert attempts(tmp_path, 3) == 2


@pytest.mark.parametrize("how", ["sleep", "stop"])
def test_a_hang_that_does_not_come_back_is_done(tmp_path: Path, how: str, expected: dict[str, str]) -> None:
    """One time-out is an attempt, and no more than that."""
    report = execution.run(harmed(tmp_path, "reader", how, times=1, timeout="300ms"))
    assert counts(report) == {"done": ITEMS}
    assert tree(tmp_path / "out") == expected


@pytest.mark.parametrize("times", [1, -1])
def test_an_expanding_worker_killed_among_its_parts(tmp_path: Path, times: int) -> None:
    """Parts that were sent on before the death are made once only; a poison among them costs its own item."""
    trees = []
    for harm in (0, times):
        folder = tmp_path / str(harm)
        folder.mkdir()
        tiles = stage(
            "stages_for_tests.steps:Tiles", side=4, how="kill", at=[1], times=harm, marker=str(folder / "mark")
        )
        plan = plan_of(
            folder,
            {"use": NUMBERED, "items": 4, "width": 12},
            [[tiles]],
            {"use": "files", "path": f"{folder}/out/{{stem}}-{{index}}.png"},
        )
        report = execution.run(plan)
        assert counts(report) == ({"done": 3, "quarantined": 1} if harm < 0 else {"done": 4})
        trees.append(tree(folder / "out"))
    whole = {name: hash_ for name, hash_ in trees[0].items() if times > 0 or not name.startswith("001")}
    assert {name: hash_ for name, hash_ in trees[1].items() if times > 0 or not name.startswith("001")} == whole


# ---- idle workers ------------------------------------------------------------------------------------------------


@pytest.fixture
def gate() -> Iterator[Any]:
    """The reader's discovery waits until the test lets it go on."""
    numbered.OPEN.clear()
    yield numbered.OPEN
    numbered.OPEN.set()


def killed_when_ready(monkeypatch: pytest.MonkeyPatch, gate: Any, group: str, number: int = signal.SIGKILL) -> None:
    """The first worker of a group gets a signal once it is ready and has nothing; items come when that was noticed."""
    ready, lost = Hearing._on_ready, Scheduler.lost
    victims: list[int] = []

    def on_ready(self: Hearing, handle: Any, record: Any) -> None:
        ready(self, handle, record)
        if handle.worker.group.name == group and not victims:
            victims.append(handle.process.pid)
            os.kill(handle.process.pid, number)

    def noticed(self: Scheduler, worker: Any, running: int, cause: Any) -> None:
        assert not worker.leases
        lost(self, worker, running, cause)
        gate.set()

    monkeypatch.setattr(Hearing, "_on_ready", on_ready)
    monkeypatch.setattr(Scheduler, "lost", noticed)


@pytest.mark.parametrize("group", ["reader", "step1", "writer"])
def test_an_idle_worker_killed_costs_nobody_an_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Any, group: str
) -> None:
    """A death between two items: no attempt is charged, even where none may be made twice."""
    plan = plan_of(
        tmp_path,
        {"use": NUMBERED, "waits": True},
        [["identity"]],
        {"use": FILES, "path": f"{tmp_path}/out/{{stem}}.png"},
        on_error={"retries": 0},
    )
    killed_when_ready(monkeypatch, gate, group)
    report = execution.run(plan)
    assert (report.exit_code, counts(report)) == (Exit.OK, {"done": 6})
    assert restarts(report) == {group: 1}
    assert len(tree(tmp_path / "out")) == 6


# ---- workers that never get ready --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "reason"),
    [("missing", "No module named 'no_such_library'"), ("kill", "SIGKILL"), ("exit", "status 7"), ("segv", "SIGSEGV")],
)
def test_a_group_that_cannot_start_stops_the_run(tmp_path: Path, how: str, reason: str) -> None:
    """More than five workers in a row that end before Ready: exit 3, with the reason, and no item is blamed."""
    unready = stage("stages_for_tests.steps:Unready", how=how, marker=str(tmp_path / "mark.0"))
    report = execution.run(plan_of(tmp_path, {"use": NUMBERED}, [[unready]], {"use": "null"}))
    assert report.exit_code == Exit.STOPPED
    assert set(counts(report)) == {"cancelled"}
    assert "group 'step1' cannot start" in report.stopped
    assert reason in report.stopped
    assert attempts(tmp_path, 0) == 6


def test_a_missing_library_ends_the_run_at_once(tmp_path: Path) -> None:
    """What no worker can get over is the machine's fault: exit 4, with the remedy, and no worker is tried again."""
    unfit = stage("stages_for_tests.steps:Unready", how="unfit", marker=str(tmp_path / "mark.0"))
    report = execution.run(plan_of(tmp_path, {"use": NUMBERED}, [[unfit]], {"use": "null"}))
    assert report.exit_code == Exit.ENVIRONMENT
    assert "blur needs OpenCV: no libGL; apt install libgl1" in report.stopped
    assert set(counts(report)) == {"cancelled"}
    assert attempts(tmp_path, 0) == 1


def test_backoff_grows_and_ends() -> None:
    """0.1 s after the first death in a row, doubled each time, at most 5 s; none after a worker that got on."""
    from pipeline.scheduler.budget import backoff_s

    assert [backoff_s(deaths) for deaths in range(9)] == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


# ---- streams -----------------------------------------------------------------------------------------------------


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


# ---- the fork server -------------------------------------------------------------------------------------------------


def test_the_fork_server_killed_takes_its_workers_along_and_costs_nobody_an_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that workers are forked from dies amidst the run: all workers are replaced, every item is done."""
    pump, killed = Scheduler.pump, list[int]()
    made: list[ForkServer] = []
    start = ForkServer._start

    def started(self: ForkServer) -> None:
        start(self)
        made.append(self)

    def pumped(core: Scheduler) -> None:
        pump(core)
        if core.moved >= 20 and not killed and made:
            killed.append(made[0]._process.pid)
            os.kill(killed[0], signal.SIGKILL)

    monkeypatch.setattr(ForkServer, "_start", started)
    monkeypatch.setattr(Scheduler, "pump", pumped)
    plan = plan_of(
        tmp_path,
        {"use": "synthetic", "height": 30, "width": 40, "frames": 60, "workers": 2},
        [{"stages": ["identity"], "workers": 2}],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}-{{index}}.png"},
        on_error={"retries": 0},
    )
    report = execution.run(plan)
    assert counts(report) == {"done": 60}
    assert killed
    assert len(made) == 2
    assert len(tree(tmp_path / "out")) == 60


# ---- kills at random ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_random_kills_of_any_worker_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """A dozen workers are killed or crash at random: each item is done once, and every output is right."""
    chance = random.Random(seed)
    pump, ready = Scheduler.pump, Hearing._on_ready
    handles: dict[int, Any] = {}
    kills = 12

    def on_ready(self: Hearing, handle: Any, record: Any) -> None:
        handles[handle.worker.name] = handle
        ready(self, handle, record)

    def pumped(core: Scheduler) -> None:
        nonlocal kills
        pump(core)
        up = [handle for handle in handles.values() if handle.process is not None and handle.worker.up]
        if kills and up and core.moved and chance.random() < 0.1:
            kills -= 1
            os.kill(chance.choice(up).process.pid, chance.choice((signal.SIGKILL, signal.SIGSEGV)))

    monkeypatch.setattr(Hearing, "_on_ready", on_ready)
    monkeypatch.setattr(Scheduler, "pump", pumped)
    reader = {"use": "synthetic", "height": 30, "width": 40, "random_sizes": True, "workers": 2}
    reader |= ({"frames": 200}, {"frames": 50, "fan_out": 4}, {"frames": 40, "streams": 4}, {"frames": 120})[seed]
    groups: list[Any] = [["identity", {"resize": {"width": 20, "height": 20}}]]
    if seed == 3:
        groups.append([stage("stages_for_tests.steps:Tiles", side=10, most=4)])
    made = []
    for run in (execution.run, serial.run):
        out = tmp_path / run.__module__
        report = run(
            plan_of(
                tmp_path,
                reader,
                [{"stages": group, "workers": 2} for group in groups],
                {"use": "files", "path": f"{out}/{{stem}}-{{index}}.png", "workers": 2},
                queues={"order": "input" if seed % 2 else "completed"},
                on_error={"retries": 10},
            )
        )
        assert set(counts(report)) == {"done"}
        made.append(tree(out))
    assert made[0] == made[1]
    assert kills < 12
