"""A watched folder under load: bursts of thousands of files, slow copies among them, and memory that stands still."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from harness import command, environment, plan_of

BURSTS, FILES = 20, 500
SETTLE_S = 1.0
LONG, WARM = 100_000, 80_000  # items; the caches of three databases, 2 MB each, fill first
SLOPE_NBYTES = 1 << 20  # a hundred thousand items
pytestmark = pytest.mark.timeout(900)


def watching(folder: Path) -> subprocess.Popen[str]:
    """`pipeline watch` over FOLDER/in, logging to FOLDER/log."""
    (folder / "in").mkdir()
    plan_of(
        folder, {"use": "folder", "path": str(folder / "in"), "workers": 2}, [],
        {"use": "files", "path": f"{folder}/out/{{dir}}/{{stem}}.png", "workers": 1}, settle=f"{SETTLE_S}s",
    )  # fmt: skip
    args = command("watch", str(folder / "config.yaml"), "-q", "--log", str(folder / "log"))
    return subprocess.Popen(args, env=environment(), text=True, stderr=subprocess.PIPE)


def picture(number: int) -> bytes:
    """A small picture with pixels of its own."""
    return b"P6 8 8 255\n" + number.to_bytes(4, "little") * 48


def ended(folder: Path) -> list[str]:
    """`name outcome` of each end so far."""
    lines = (folder / "log").read_text().splitlines() if (folder / "log").exists() else []
    entries = [json.loads(line) for line in lines]
    return [f"{os.path.basename(each['item'])} {each['outcome']}" for each in entries if "item" in each]


def wait_for(process: subprocess.Popen[str], folder: Path, count: int, deadline_s: float) -> None:
    deadline = time.monotonic() + deadline_s
    while (folder / "log").exists() is False or (folder / "log").read_bytes().count(b'"outcome"') < count:
        assert process.poll() is None
        assert time.monotonic() < deadline, f"{len(ended(folder))} of {count} have ended"
        threading.Event().wait(0.2)


def copied_slowly(folder: Path, first: int, count: int) -> None:
    """Files that grow at the same time, without a pause as long as the settle time."""
    files = [open(folder / f"{first + n:06d}.ppm", "wb", buffering=0) for n in range(count)]  # noqa: SIM115
    for part in range(8):
        for n, file in enumerate(files):
            data = picture(first + n)
            file.write(data[len(data) * part // 8 : len(data) * (part + 1) // 8])
        threading.Event().wait(SETTLE_S / 3)
    for file in files:
        file.close()


def test_ten_thousand_files_in_bursts(tmp_path: Path, figure: Callable[..., None]) -> None:
    """Half of them copied slowly: each is done once, none is read before it is whole."""
    process = watching(tmp_path)
    try:
        slow = []
        for burst in range(BURSTS):
            first = burst * FILES
            thread = threading.Thread(target=copied_slowly, args=(tmp_path / "in", first, FILES // 2))
            thread.start()
            slow.append(thread)
            for number in range(first + FILES // 2, first + FILES):
                (tmp_path / "in" / f"{number:06d}.ppm").write_bytes(picture(number))
            threading.Event().wait(0.1)
        for thread in slow:
            thread.join()
        wait_for(process, tmp_path, BURSTS * FILES, 300)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 143, errors
    assert sorted(ended(tmp_path)) == sorted(f"{number:06d}.ppm done" for number in range(BURSTS * FILES))
    figure("watch: files in bursts, half copied slowly", "10,000, each once", f"{BURSTS * FILES:,}, each once")


def test_memory_stands_still(tmp_path: Path, figure: Callable[..., None]) -> None:
    """A hundred thousand items after the first eighty thousand: the parent grows by less than 1 MB."""
    process = watching(tmp_path)
    try:
        sizes = []
        for thousand in range((LONG + WARM) // 1000):
            folder = tmp_path / "in" / f"{thousand:03d}"
            folder.mkdir()
            for number in range(1000):
                (folder / f"{number:03d}.ppm").write_bytes(picture(number))
            if thousand % 2:
                wait_for(process, tmp_path, (thousand + 1) * 1000, 300)
                sizes.append(psutil.Process(process.pid).memory_info().rss)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        process.kill()
    items = [2000 * (number + 1) for number in range(len(sizes))]
    first = WARM // 2000
    slope = statistics.linear_regression(items[first:], sizes[first:]).slope * LONG
    measured = f"{slope / 1e6:+.2f} MB, from {sizes[first] / 1e6:.1f} MB after {WARM:,} items"
    figure("watch: growth of the parent a hundred thousand items", "< 1 MB", measured)
    told = " ".join(f"{size / 1e6:.1f}" for size in sizes[::5])
    assert slope < SLOPE_NBYTES, told
