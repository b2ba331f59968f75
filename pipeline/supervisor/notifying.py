"""Telling others what ended while a folder is watched: a program, or an address on the network.

A thread of its own does it, with a time-out; what fails is counted and said, and never stops the job.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable
from queue import Empty, Full, Queue
from threading import Thread
from typing import Any

from ..config.keys import Notify

WAITING = 10_000  # ends that wait to be told; more are dropped and counted
BATCH_S = 1.0
BATCH = 1000
FIELD = re.compile(r"\{(item|output|outcome)\}")
News = dict[str, Any]


class Notifier:
    """Tells of ends. `ended` is called in the loop, `close` once at the end.

    Args:
        keys: whom to tell, and how.
        say: shows a line to the user, when a notification fails; the first of each kind.
    """

    def __init__(self, keys: Notify, say: Callable[[str], None]) -> None:
        self.failed = self.dropped = 0
        self._keys = keys
        self._say = say
        self._said: set[str] = set()
        self._queue: Queue[News | None] = Queue(WAITING)
        self._thread = Thread(target=self._run, name="notify", daemon=True)
        self._thread.start()

    def ended(self, ended: News) -> None:
        """An item ended: item, outcome, output, reason."""
        try:
            self._queue.put_nowait(ended)
        except Full:
            self.dropped += 1

    def close(self) -> None:
        """Tell what waits, as long as one time-out allows; safe to call twice."""
        if not self._thread.is_alive():
            return
        try:
            self._queue.put(None, timeout=1)
        except Full:
            pass
        self._thread.join(self._keys.timeout_s + 1)
        if self._thread.is_alive():
            self.dropped += self._queue.qsize()

    def notes(self) -> list[str]:
        """What was not told, in words."""
        told = [f"notify: {self.failed:,} notifications failed"] if self.failed else []
        return [*told, *([f"notify: {self.dropped:,} items were not told of"] if self.dropped else [])]

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            together, last = [first], False
            until = time.monotonic() + BATCH_S
            while self._keys.per == "batch" and len(together) < BATCH and not last:
                try:
                    found = self._queue.get(timeout=max(0.0, until - time.monotonic()))
                except Empty:
                    break
                last = found is None
                together += [found] if found is not None else []
            self._tell(together)
            if last:
                return

    def _tell(self, together: list[News]) -> None:
        data = json.dumps(together[0] if self._keys.per == "item" else {"items": together}).encode()
        for way in (self._call, self._post):
            try:
                way(together, data)
            except Exception as error:  # whatever it is, the job goes on
                self.failed += 1
                text = f"notify: {type(error).__name__}: {error}"
                if type(error).__name__ not in self._said:
                    self._said.add(type(error).__name__)
                    self._say(text)

    def _call(self, together: list[News], data: bytes) -> None:
        if not self._keys.command:
            return
        one = together[0] if len(together) == 1 else {}
        argv = [_filled(part, one) for part in self._keys.command]
        done = subprocess.run(  # noqa: S603 - the user allowed it: --allow-code
            argv, input=data, timeout=self._keys.timeout_s, check=False, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        if done.returncode:
            raise OSError(f"{argv[0]} ended with {done.returncode}: {done.stderr[-200:].decode(errors='replace')}")

    def _post(self, _: list[News], data: bytes) -> None:
        if not self._keys.url:
            return
        request = urllib.request.Request(  # noqa: S310 - the plan lets http and https through
            self._keys.url, data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=self._keys.timeout_s) as answer:  # noqa: S310
            answer.read(1)


def _filled(part: str, one: News) -> str:
    """In one pass: what an item's name holds is not filled in again."""
    return FIELD.sub(lambda found: str(one.get(found[1], "")), part)
