"""1080p frames as one does it with the standard library: two `multiprocessing.Queue` hops, every frame pickled.

    python -m bench.peers.queue_frames [--frames 300]

reader -> identity -> writer, three processes, queues of 8 frames. The reader stamps one byte on each 4096-byte page,
the writer sums those bytes; nothing else is done to a frame. Prints one JSON object: `frames`, `seconds` and
`first_output_s` since the start of the process, and the `checksum`.
"""

from __future__ import annotations

import argparse
import json
import time
from multiprocessing import Process, Queue
from typing import Any

import numpy as np

PAGE = 4096
SHAPE = (1080, 1920, 3)
DEPTH = 8
RING = 2 * DEPTH  # `put` returns before the queue's thread has pickled the frame: one array alone would be torn


def reader(out: Queue[Any], frames: int) -> None:
    ring = np.zeros((RING, *SHAPE), np.uint8)
    for number in range(frames):
        pixels = ring[number % RING]
        pixels.reshape(-1)[::PAGE] = number % 256
        out.put(pixels)
    out.put(None)


def identity(source: Queue[Any], out: Queue[Any]) -> None:
    while (frame := source.get()) is not None:
        out.put(frame)
    out.put(None)


def writer(source: Queue[Any], result: Queue[Any]) -> None:
    total = frames = 0
    first = 0.0
    while (frame := source.get()) is not None:
        total += int(frame.reshape(-1)[::PAGE].sum(dtype=np.int64))
        frames += 1
        first = first or time.perf_counter()
    result.put((frames, total, first))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=300)
    frames = parser.parse_args().frames
    start = time.perf_counter()
    left: Queue[Any] = Queue(DEPTH)
    right: Queue[Any] = Queue(DEPTH)
    result: Queue[Any] = Queue(1)
    processes = [
        Process(target=reader, args=(left, frames)),
        Process(target=identity, args=(left, right)),
        Process(target=writer, args=(right, result)),
    ]
    for process in processes:
        process.start()
    seen, total, first = result.get()
    for process in processes:
        process.join()
    seconds = time.perf_counter() - start
    print(json.dumps({"frames": seen, "seconds": seconds, "first_output_s": first - start, "checksum": total}))


if __name__ == "__main__":
    main()
