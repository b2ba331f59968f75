"""A watched folder: each file once, when it is whole; failures and notifications never stop the job."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from harness import DEADLINE_S, cli, command, environment, listed, plan_of, until
from pictures import ramp

from pipeline.contracts.frame import Item
from pipeline.journal import Options
from pipeline.supervisor import execution
from pipeline.supervisor.keeping import kept
from pipeline.supervisor.watching import Watched


class Watching:
    """A `pipeline watch` under way."""

    def __init__(self, folder: Path, *more: str, **keys: Any) -> None:
        self.folder = folder
        (folder / "in").mkdir(exist_ok=True)
        reader = {"use": "folder", "path": str(folder / "in"), **keys.pop("reader", {})}
        writer = {"use": "files", "path": f"{folder}/out/{{dir}}/{{stem}}.jpg", **keys.pop("writer", {})}
        plan_of(folder, reader, [[{"resize": {"width": 8, "height": 8}}]], writer, settle="300ms", **keys)
        args = command("watch", str(folder / "config.yaml"), "-q", "--json", "--log", str(folder / "log"), *more)
        self.process = subprocess.Popen(
            args, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def ended(self) -> list[tuple[str, str]]:
        """File and outcome of each end so far."""
        if not (self.folder / "log").exists():
            return []
        entries = [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]
        return [(os.path.basename(each["item"]), each["outcome"]) for each in entries if "item" in each]

    def done(self, *names: str) -> None:
        """Wait until these were done."""
        until(lambda: {*names} <= {name for name, outcome in self.ended() if outcome == "done"}, f"{names} are done")

    def stop(self, number: int = signal.SIGTERM) -> dict[str, Any]:
        """End it; its report."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=DEADLINE_S)
        assert self.process.returncode == 128 + number, err
        assert "Traceback" not in err
        report: dict[str, Any] = json.loads(out)
        return report


@contextmanager
def watching(folder: Path, *more: str, **keys: Any) -> Iterator[Watching]:
    watch = Watching(folder, *more, **keys)
    try:
        yield watch
    finally:
        if watch.process.poll() is None:
            watch.process.kill()
        watch.process.communicate()


@pytest.mark.parametrize("more", [[], ["--poll"]], ids=["events", "polling"])
def test_what_is_there_and_what_appears(tmp_path: Path, more: list[str]) -> None:
    """Also in new folders, moved in, and written anew; each once; SIGTERM drains."""
    ramp(tmp_path / "in/first.png", 20, 20)
    ramp(tmp_path / "moved.png", 20, 20)
    with watching(tmp_path, *more) as watch:
        watch.done("first.png")
        ramp(tmp_path / "in/new/deep/second.png", 20, 20)
        (tmp_path / "moved.png").rename(tmp_path / "in/moved.png")
        watch.done("second.png", "moved.png")
        ramp(tmp_path / "in/first.png", 30, 20)
        until(lambda: watch.ended().count(("first.png", "done")) == 2, "it is done again")
        report = watch.stop()
    assert sorted(watch.ended()) == [
        ("first.png", "done"), ("first.png", "done"), ("moved.png", "done"), ("second.png", "done")
    ]  # fmt: skip
    assert report["found"] == report["done"] == 4
    assert listed(tmp_path / "out") == ["first.jpg", "moved.jpg", "new"]


def test_a_file_that_is_copied_slowly_is_left_alone(tmp_path: Path) -> None:
    """No pause is as long as the settle time: it is taken when it is whole, and read once."""
    ramp(tmp_path / "whole.ppm", 60, 60)
    data = (tmp_path / "whole.ppm").read_bytes()
    with watching(tmp_path) as watch:
        with open(tmp_path / "in/slow.ppm", "wb", buffering=0) as file:
            for first in range(0, len(data), len(data) // 8):
                file.write(data[first : first + len(data) // 8])
                _pass(0.15)
        watch.done("slow.ppm")
        watch.stop(signal.SIGINT)
    assert watch.ended() == [("slow.ppm", "done")]


def _pass(seconds: float) -> None:
    """Somebody else takes so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        threading.Event().wait(0.01)


def test_a_failure_stops_nothing_and_is_mended(tmp_path: Path) -> None:
    """The broken file is named once; written anew it is done."""
    with watching(tmp_path, on_error={"max_failures": 0}) as watch:
        (tmp_path / "in/broken.png").write_bytes(b"no picture")
        until(lambda: ("broken.png", "failed") in watch.ended(), "it failed")
        ramp(tmp_path / "in/fine.png", 20, 20)
        watch.done("fine.png")
        ramp(tmp_path / "in/broken.png", 20, 20)
        watch.done("broken.png")
        watch.stop()
    assert sorted(watch.ended()) == [("broken.png", "done"), ("broken.png", "failed"), ("fine.png", "done")]


def test_a_later_watch_knows_what_was_done(tmp_path: Path) -> None:
    """One journal: nothing is done again, also by a plain run."""
    ramp(tmp_path / "in/a.png", 20, 20)
    with watching(tmp_path) as watch:
        watch.done("a.png")
        watch.stop()
    os.unlink(tmp_path / "log")
    with watching(tmp_path) as watch:
        ramp(tmp_path / "in/b.png", 20, 20)
        watch.done("b.png")
        watch.stop()
    assert watch.ended() == [("b.png", "done")]
    done = json.loads(cli("run", str(tmp_path / "config.yaml"), "--json", "-q").stdout)
    assert (done["up_to_date"], done["done"]) == (2, 0)


def test_others_are_told(tmp_path: Path) -> None:
    """A program gets the end of each item, without a shell; one that fails, and an address that does, stop nothing."""
    told: list[dict[str, Any]] = []

    class Hears(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hears)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    code = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + ' ' + sys.stdin.read() + '\\n'); sys.exit(3)"
    notify = {
        "command": [sys.executable, "-c", code, str(tmp_path / "heard"), "{outcome}; $(touch x)"], "per": "item",
        "url": f"http://127.0.0.1:{server.server_port}/",
    }  # fmt: skip
    try:
        with watching(tmp_path, "--allow-code", notify=notify) as watch:
            ramp(tmp_path / "in/a.png", 20, 20)
            (tmp_path / "in/b.png").write_bytes(b"no picture")
            watch.done("a.png")
            until(lambda: len(told) == 2, "the address was told")
            watch.stop()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    lines = sorted((tmp_path / "heard").read_text().splitlines())
    assert [line.partition(" {")[0] for line in lines] == ["done; $(touch x)", "failed; $(touch x)"]
    assert json.loads(lines[0].partition("touch x) ")[2])["item"].endswith("a.png")
    assert sorted(each["outcome"] for each in told) == ["done", "failed"]


def test_a_config_that_notifies_is_a_program(tmp_path: Path) -> None:
    """It needs the flag; and a reader that has no folder cannot be watched."""
    plan_of(
        tmp_path, {"use": "folder", "path": str(tmp_path)}, [],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}.jpg"}, notify={"command": ["true"]},
    )  # fmt: skip
    done = cli("watch", str(tmp_path / "config.yaml"))
    assert (done.returncode, "--allow-code" in done.stderr) == (2, True)
    (tmp_path / "list").write_text("")
    plan_of(
        tmp_path, {"use": "list", "path": str(tmp_path / "list")}, [],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}.jpg"},
    )  # fmt: skip
    done = cli("watch", str(tmp_path / "config.yaml"))
    assert (done.returncode, "reader of a folder" in done.stderr) == (2, True)


def test_lost_events_are_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look through the folder finds what no event told of; a burst may overrun the system's queue."""
    monkeypatch.setattr("pipeline.supervisor.watching.LOOK_S", 0.05)
    monkeypatch.setattr(Watched, "_hint", lambda *_: None)
    ramp(tmp_path / "in/a.png", 20, 20)
    plan = plan_of(
        tmp_path, {"use": "folder", "path": str(tmp_path / "in")}, [],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}.jpg"},
    )  # fmt: skip
    watched = Watched(plan.reader.build(), None, 0.1, polling=False)
    items = watched.items()
    assert next(items).name == "a.png"
    shutil.copy(tmp_path / "in/a.png", tmp_path / "in/b.png")
    names = {next(items).name for _ in range(6)}
    assert names == {"a.png", "b.png"}  # who asks the journal sees what is new
    watched.stop()
    items.close()  # type: ignore[attr-defined]
    assert watched._listener is not None
    watched._listener.join(DEADLINE_S)


def test_few_items_wait_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many a folder holds: a look through it goes on when there is room, and comes to all of them."""
    monkeypatch.setattr("pipeline.supervisor.watching.MOST_PENDING", 3)
    (tmp_path / "in").mkdir()
    for number in range(20):
        (tmp_path / "in" / f"{number:02d}.png").write_bytes(b"x")
    plan = plan_of(
        tmp_path, {"use": "folder", "path": str(tmp_path / "in")}, [],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}.jpg"},
    )  # fmt: skip
    watched = Watched(plan.reader.build(), None, 0.02, polling=True)
    items, seen, most = watched.items(), set(), 0
    while len(seen) < 20:
        seen.add(next(items).name)
        most = max(most, len(watched._pending))
    watched.stop()
    items.close()  # type: ignore[attr-defined]
    assert most <= 3


def test_what_was_done_as_it_is_waits_for_nothing(tmp_path: Path) -> None:
    """A folder of hundreds of thousands is looked through without all of them waiting to settle in memory."""
    for name in ("old.png", "new.png"):
        ramp(tmp_path / "in" / name, 20, 20)
    now = time.time()
    os.utime(tmp_path / "in/old.png", (now - 60, now - 60))
    plan = plan_of(
        tmp_path, {"use": "folder", "path": str(tmp_path / "in"), "include": ["old.png"]}, [],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}.jpg"},
    )  # fmt: skip
    reader = plan.reader.build()
    [item] = reader.discover(None)
    stamp = reader.stamp(item)
    assert stamp is not None
    execution.run(plan, keep=Options())
    with kept(plan, Options(), execution.NOTHING) as journal:
        assert journal is not None
        assert journal.saw(item, stamp)
        assert not journal.saw(item, stamp._replace(mtime_ns=stamp.mtime_ns + 1))
        assert not journal.saw(item._replace(source=str(tmp_path / "in/new.png"), name="new.png"), stamp)
        watched = Watched(reader, None, 3600.0, polling=True)
        watched.journal = journal
        items = watched.items()
        assert next(items).name == "old.png"
        watched.stop()
        items.close()  # type: ignore[attr-defined]


def test_a_file_that_is_renamed_keeps_the_name_of_its_output(tmp_path: Path) -> None:
    """`a.png` becomes `a.PNG` and has the output that it had; a hidden or excluded folder is not looked into."""
    ramp(tmp_path / "in/a.png", 20, 20)
    with watching(tmp_path, reader={"exclude": ["left/"]}) as watch:
        watch.done("a.png")
        (tmp_path / "in/a.png").rename(tmp_path / "in/a.PNG")
        for folder in (".staging", "left"):
            ramp(tmp_path / "in" / folder / "b.png", 20, 20)
        watch.done("a.PNG")
        ramp(tmp_path / "in/last.png", 20, 20)
        watch.done("last.png")
        watch.stop()
    assert sorted(watch.ended()) == [("a.PNG", "done"), ("a.png", "done"), ("last.png", "done")]
    assert listed(tmp_path / "out") == ["a.jpg", "last.jpg"]


def test_what_is_skipped_is_told_once(tmp_path: Path) -> None:
    """However often the folder is looked through; what is new is told, whatever `overwrite` makes of it."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link.png").symlink_to("nowhere")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/b.jpg").write_text("mine")
    with watching(tmp_path, "--poll", writer={"overwrite": "never"}) as watch:
        until(lambda: ("link.png", "skipped") in watch.ended(), "the link is told of")
        ramp(tmp_path / "in/b.png", 20, 20)
        until(lambda: ("b.png", "skipped") in watch.ended(), "it is told of")
        ramp(tmp_path / "in/c.png", 20, 20)  # one more look
        watch.done("c.png")
        watch.stop()
    assert sorted(watch.ended()) == [("b.png", "skipped"), ("c.png", "done"), ("link.png", "skipped")]


@pytest.fixture
def looked_at(tmp_path: Path) -> Iterator[tuple[Watched, Iterator[Item], list[str]]]:
    """A watched folder with one picture, its items, and what was said."""
    ramp(tmp_path / "in/a.png", 20, 20)
    plan = plan_of(
        tmp_path, {"use": "folder", "path": str(tmp_path / "in")}, [],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}.jpg"},
    )  # fmt: skip
    said: list[str] = []
    watched = Watched(plan.reader.build(), None, 0.05, polling=True, say=said.append)
    items = watched.items()
    yield watched, items, said
    watched.stop()
    items.close()  # type: ignore[attr-defined]


def test_a_folder_that_is_away_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looked_at: tuple[Watched, Iterator[Item], list[str]]
) -> None:
    """A share that is mounted anew: it is waited for, and said; at the first look it is an error."""
    for name in ("POLL_S", "AWAY_S", "SHARE"):
        monkeypatch.setattr(f"pipeline.supervisor.watching.{name}", 0.05)
    _, items, said = looked_at
    assert next(items).name == "a.png"
    assert next(items).name == "a.png"  # the second look
    (tmp_path / "in").rename(tmp_path / "away")
    back = threading.Timer(0.5, lambda: (tmp_path / "away").rename(tmp_path / "in"))
    back.start()
    until(lambda: next(items) and said[-1:] == ["the folder is there again"], "it is there again")
    back.join()
    assert "is away" in said[0]


def test_a_pause_after_a_failure_ends_by_itself(
    monkeypatch: pytest.MonkeyPatch, looked_at: tuple[Watched, Iterator[Item], list[str]]
) -> None:
    """No event, and no look through the folder, is needed; until then the item is left alone."""
    monkeypatch.setattr("pipeline.supervisor.watching.AGAIN_S", (0.3, 1.0))
    monkeypatch.setattr("pipeline.supervisor.watching.POLL_S", 3600.0)
    watched, items, _ = looked_at
    item = next(items)
    watched.ended(item, "failed")
    began = time.monotonic()
    assert next(items).name == "a.png"
    assert time.monotonic() - began >= 0.3


def test_a_clock_that_is_behind_lets_nothing_half_copied_in(
    monkeypatch: pytest.MonkeyPatch, looked_at: tuple[Watched, Iterator[Item], list[str]], tmp_path: Path
) -> None:
    """A file whose time lies hours back may still be growing: it is left alone as long as any other."""
    _, items, _ = looked_at
    hours_ago = time.time() - 7 * 3600
    os.utime(tmp_path / "in/a.png", (hours_ago, hours_ago))
    began = time.monotonic()
    next(items)
    assert time.monotonic() - began >= 0.05


def test_a_notification_of_a_batch_names_no_item(tmp_path: Path) -> None:
    """`{item}` means nothing there: exit 2 with the remedy."""
    plan_of(
        tmp_path, {"use": "folder", "path": str(tmp_path)}, [],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}.jpg"}, notify={"command": ["true", "{item}"]},
    )  # fmt: skip
    done = cli("watch", str(tmp_path / "config.yaml"), "--allow-code")
    assert (done.returncode, "per: item" in done.stderr) == (2, True)
