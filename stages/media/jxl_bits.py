"""The bits of a JPEG XL codestream, and the numbers that are coded in them (ISO/IEC 18181-1, annex B)."""

from __future__ import annotations

from pipeline import ItemError


class JxlBits:
    """Bits of a codestream, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._number, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def u(self, count: int) -> int:
        """A number of so many bits; raises ItemError where the data ends before."""
        if count > self._left:
            raise ItemError("truncated JPEG XL: it ends within its header")
        taken = self._number & ((1 << count) - 1)
        self._number >>= count
        self._left -= count
        return taken

    def flag(self) -> bool:
        """One bit."""
        return bool(self.u(1))

    def choice(self, *ways: tuple[int, int]) -> int:
        """U32: one of four ways, each an offset and how many bits are added to it."""
        offset, count = ways[self.u(2)]
        return offset + self.u(count)

    def enum(self) -> int:
        """The number of a way, as enumerations are coded."""
        return self.choice((0, 0), (1, 0), (2, 4), (18, 6))

    def point(self) -> tuple[float, float]:
        """Chromaticities x and y: millionths, the sign in the lowest bit."""
        x, y = (self.choice((0, 19), (524288, 19), (1048576, 20), (2097152, 21)) for _ in range(2))
        return ((x >> 1) ^ -(x & 1)) / 1e6, ((y >> 1) ^ -(y & 1)) / 1e6
