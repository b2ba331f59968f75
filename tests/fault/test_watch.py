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

from pipeline.supervisor.watching import Watched


class Watching:
    """A `pipeline watch` under way."""

    def __init__(self, folder: Path, *more: str, **keys: Any) -> None:
        self.folder = folder
        (folder / "in").mkdir(exist_ok=True)
        plan_of(
            folder, {"use": "folder", "path": str(folder / "in")}, [[{"resize": {"width": 8, "height": 8}}]],
            {"use": "files", "path": f"{folder}/out/{{dir}}/{{stem}}.jpg"}, settle="300ms", **keys,
        )  # fmt: skip
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
