"""The codecs of a plan by the first bytes of files: each is imported when one is met that no other knew before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..contracts.codec import Codec
from ..plan.model import StagePlan

HEAD_NBYTES = 32


class KnownFormats:
    """Lives in one worker: a folder of one format imports one codec and loads its library alone.

    Args:
        plans: asked in this order, those of a last resort after all others.
    """

    def __init__(self, plans: Sequence[StagePlan]) -> None:
        self._plans = plans
        self._built: list[Codec] = []
        self._opened: list[Codec] = []
        self._last: Codec | None = None

    def of(self, data: memoryview) -> Codec | None:
        """The codec of a file, opened; None where none knows it."""
        head = bytes(data[:HEAD_NBYTES])
        if self._last is not None and self._last.matches(head):  # most folders hold one format
            return self._last
        resort = None
        for codec in self._all():
            if codec.matches(head):
                if not codec.last_resort:
                    self._last = self._open(codec)
                    return codec
                resort = codec
        return None if resort is None else self._open(resort)  # never kept: it would take what others know

    @property
    def names(self) -> str:
        """Those that read pictures, for a message."""
        reading = (plan.label for plan, codec in zip(self._plans, self._all(), strict=True) if not codec.last_resort)
        return f"known are {', '.join(sorted(reading))}"

    def close(self) -> None:
        """Close the codecs that were opened."""
        for codec in self._opened:
            codec.close()

    def _all(self) -> Iterator[Codec]:
        for place, plan in enumerate(self._plans):
            if place == len(self._built):
                codec: Codec = plan.build()
                self._built.append(codec)
            yield self._built[place]

    def _open(self, codec: Codec) -> Codec:
        if not any(codec is opened for opened in self._opened):
            codec.open()
            self._opened.append(codec)
        return codec
