"""Makes frames of any size and count without a file or a codec; proves streams, order, fan-out and memory."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline import Item, Part, Pixels, ReadContext, Reader, Spec, Stamp

PAGE_NBYTES = 4096
MASK = (1 << 64) - 1
BLOCK = 1 << 16  # samples of noise, repeated from another offset in each frame; it stays in the second-level cache
_MODELS = {1: "gray", 2: "gray_alpha", 3: "rgb", 4: "rgba"}


@dataclass(frozen=True)
class Synthetic(Reader):
    """Frames (H, W, C) whose bytes are a pure function of the seed, the item's number and the index.

    Items are `frames` single pictures; or `frames` items of `fan_out` frames each; or `streams` ordered streams of
    `frames` frames each. `pattern` and `expected_sum` say what a writer must see.
    """

    height: int = field(default=1080, metadata={"ge": 1, "unit": "px", "doc": "rows; at most, with random_sizes"})
    width: int = field(default=1920, metadata={"ge": 1, "unit": "px", "doc": "columns; at most, with random_sizes"})
    channels: int = field(
        default=3, metadata={"ge": 1, "le": 32, "doc": "samples a pixel; 1 to 4 are gray, gray_alpha, rgb, rgba"}
    )
    dtype: Literal["uint8", "uint16", "float32"] = field(default="uint8", metadata={"doc": "type of a sample"})
    frames: int = field(default=100, metadata={"ge": 0, "doc": "number of items, or of frames of each stream"})
    streams: int = field(  # type: ignore[assignment]  # the YAML key is the number; it is true where the contract is
        default=0, metadata={"ge": 0, "doc": "number of ordered streams; 0 makes single pictures"}
    )
    fan_out: int = field(default=1, metadata={"ge": 1, "doc": "frames of each item where there are no streams"})
    random_sizes: bool = field(
        default=False, metadata={"doc": "sizes between 1x1 and height x width, seeded for each stream or frame"}
    )
    seed: int = field(default=0, metadata={"ge": 0, "doc": "changes sizes and pixels"})
    fill: Literal["full", "page", "none"] = field(
        default="full", metadata={"doc": "what is written: every sample, one byte of each 4096, nothing"}
    )
    delay_us: int = field(
        default=0, metadata={"ge": 0, "unit": "us", "doc": "time to wait at each frame; makes a slow reader for tests"}
    )

    example: ClassVar[Mapping[str, Any]] = {"height": 1080, "width": 1920, "frames": 100}

    @property
    def many(self) -> bool:
        return not self.streams and self.fan_out > 1

    def discover(self, without: str | None = None) -> Iterator[Item]:
        """Items named `synthetic:000000` and on; no folder is looked at."""
        for number in range(self.streams or self.frames):
            name = f"{number:06d}"
            yield Item(number, "synthetic:" + name, "", name)

    def count(self, without: str | None = None) -> Iterator[int]:
        """One number: how many items there are."""
        yield self.streams or self.frames

    def stamp(self, item: Item) -> Stamp:
        """The parameters say it all."""
        return Stamp(0, 0)

    def fixed_spec(self) -> Spec | None:
        """The Spec of every frame, unless sizes are random."""
        return None if self.random_sizes else self._largest

    def read(self, item: Item, context: ReadContext) -> Iterator[Part]:
        """Announce the item's frames one by one; each writes itself as `fill` says."""
        number, write = item.number, self._write[self.fill]
        for index in range(self.frames if self.streams else self.fan_out):
            yield Part(self.spec(number, index), partial(write, number, index))

    def spec(self, number: int, index: int = 0) -> Spec:
        """The Spec of frame `index` of item `number`; one for a whole stream."""
        if not self.random_sizes:
            return self._largest
        chance = self._chance(number, 0 if self.streams else index)
        height, width = 1 + chance % self.height, 1 + (chance >> 32) % self.width
        return Spec(height, width, self.channels, self.dtype, self._largest.model)

    def pattern(self, number: int, index: int = 0) -> Pixels:
        """The frame as `fill: full` makes it, in new memory; what a test compares with."""
        out = np.empty(self.spec(number, index).shape, self.dtype)
        self._write_full(number, index, out)
        return out

    def expected_sum(self, number: int, index: int = 0, touch: Literal["all", "page"] = "page") -> int:
        """Sum of all bytes of a frame, or of the first of each 4096; 0 for `fill: none`, whose bytes are unknown.

        With `fill: page` only the sum over pages is known, so `touch` makes no difference.
        """
        if self.fill == "none":
            return 0
        if self.fill == "page":
            return self._chance(number, index) % 256 * -(-self.spec(number, index).nbytes // PAGE_NBYTES)
        flat = self.pattern(number, index).reshape(-1).view(np.uint8)
        return int((flat[::PAGE_NBYTES] if touch == "page" else flat).sum())

    @cached_property
    def _largest(self) -> Spec:
        model = _MODELS.get(self.channels, "other")
        return Spec(self.height, self.width, self.channels, self.dtype, model)

    @cached_property
    def _noise(self) -> Pixels:
        """Two equal blocks one after the other, so that a block can be taken from any offset."""
        chance = np.random.default_rng(self.seed)
        if self.dtype == "float32":
            block = chance.random(BLOCK, np.float32)
        else:
            block = chance.integers(0, np.iinfo(self.dtype).max, BLOCK, self.dtype, endpoint=True)
        return np.concatenate((block, block))

    @cached_property
    def _write(self) -> dict[str, Callable[[int, int, Pixels], None]]:
        return {"full": self._write_full, "page": self._write_page, "none": self._write_none}

    def _write_full(self, number: int, index: int, out: Pixels) -> None:
        self._wait()
        flat = out.reshape(-1)
        start = self._chance(number, index) % BLOCK
        block = self._noise[start : start + BLOCK]
        whole = flat.size // BLOCK * BLOCK
        flat[:whole].reshape(-1, BLOCK)[...] = block
        flat[whole:] = block[: flat.size - whole]
        # The stamp makes two frames differ whose offsets fall together; it is cut where the frame is smaller.
        stamp = np.frombuffer(struct.pack("<II", number & 0xFFFF_FFFF, index), np.uint8)
        flat[:8] = stamp[: flat.size] if self.dtype != "float32" else stamp[: flat.size] / np.float32(255)

    def _write_page(self, number: int, index: int, out: Pixels) -> None:
        self._wait()
        out.reshape(-1).view(np.uint8)[::PAGE_NBYTES] = self._chance(number, index) % 256

    def _write_none(self, number: int, index: int, out: Pixels) -> None:
        self._wait()

    def _wait(self) -> None:
        if self.delay_us:
            time.sleep(self.delay_us / 1e6)

    def _chance(self, number: int, index: int) -> int:
        """64 bits that look random; the mixing steps are SplitMix64's (Steele, Lea, Flood 2014)."""
        bits = (self.seed * 0xD1342543DE82EF95 + number * 0x9E3779B97F4A7C15 + index * 0xC2B2AE3D27D4EB4F) & MASK
        bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & MASK
        bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & MASK
        return bits ^ bits >> 31
