"""Which frames, by exact time. Pure: a shot is any object with a time stamp, and no clock or file is read."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from pipeline.errors import UsageError

MOST_FPS = 1000
JUMP_S = 1
FINEST = 1 << 30  # units a second that muxers still hold in 32 bits


class Shot(NamedTuple):
    """A decoded frame with its time stamp and how long it is shown (0: unknown), in units of `base` seconds."""

    frame: Any
    pts: int
    duration: int
    base: Fraction

    @property
    def at(self) -> Fraction:
        return self.pts * self.base


_TIME = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)(ms|s|min|h)?")
_UNITS = {None: Fraction(1), "ms": Fraction(1, 1000), "s": Fraction(1), "min": Fraction(60), "h": Fraction(3600)}


def seconds(name: str, value: float | str) -> Fraction:
    """A time exactly as written: 90, 1.5, "90s", "500ms", "1:30", "0:01:30.5".

    Raises UsageError, naming the parameter.
    """
    match = _TIME.fullmatch(str(value).strip())
    if match is None or (match[2] and match[4]):
        raise UsageError(
            f"{name} {value!r} is not a valid time", remedy='write seconds as 90 or "1.5s", or a clock as "1:30.5"'
        )
    hours, minutes, rest, unit = match.groups()
    return Fraction(rest) * _UNITS[unit] + 60 * int(minutes or 0) + 3600 * int(hours or 0)


def frame_rate(name: str, value: float | str) -> Fraction:
    """Frames a second exactly as written: 25, 29.97, "30000/1001". Raises UsageError, naming the parameter."""
    try:
        rate = Fraction(str(value))
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(
            f"{name} {value!r} is not a valid frame rate", remedy='write it as 25 or "30000/1001"'
        ) from error
    if not 0 < rate <= MOST_FPS:
        raise UsageError(f"{name} {value!r} is out of range", limit=f"more than 0, at most {MOST_FPS}")
    return rate


@dataclass(slots=True)
class Stamps:
    """Time stamps that grow, out of those of a decoder.

    Attributes:
        base: of the stream. usual: how long a frame is shown where the file does not say.
        end: where the stream ends by its header, in units; None where that says nothing.
        by_dts: the container has no PTS (AVI), and what FFmpeg gives as such are guesses.
        repeated, jumps, made: frames left out for the same stamp as the one before; stamps that jumped back, and went
            on from the last one; stamps that were missing, and made.
        until: where the last frame ends, in seconds.
    """

    base: Fraction
    usual: int
    end: int | None = None
    by_dts: bool = False
    repeated: int = 0
    jumps: int = 0
    made: int = 0
    until: Fraction = Fraction(0)
    _before: list[int | None] = field(default_factory=lambda: [None, None])
    _delay: int | None = None  # the first DTS: by so much the decoder is behind, and the first frame is shown at 0
    _faulty: list[int] = field(default_factory=lambda: [0, 0])

    def stamped(self, frames: Iterable[Any]) -> Iterator[Shot]:
        """Each frame (with `pts`, `dts` and `duration`, any of which may be None) as a shot, shown until the next one.

        The durations of a decoder are distances of DTS in many files, and say little of B-frames.
        """
        last: Shot | None = None
        shift = 0
        for frame in frames:
            pts = self._best(frame)
            if pts is None:
                self.made += not self.by_dts  # what is flushed out of a decoder has no DTS
                pts = 0 if last is None else last.pts + self.usual
            else:
                pts += shift
            if last is not None:
                if pts == last.pts:
                    self.repeated += 1
                    continue
                if pts < last.pts:
                    self.jumps += 1
                    if (last.pts - pts) * self.base > JUMP_S:  # another clock begins; less is a slip of one frame
                        shift += last.pts + self.usual - pts
                    pts = last.pts + self.usual
                yield self._shown(last, pts)
            last = Shot(frame, pts, frame.duration or 0, self.base)
        if last is not None:
            own = last.duration or self.usual
            by_header = self.end is not None and 0 < self.end - last.pts <= 2 * max(own, self.usual)
            yield self._shown(last, self.end if by_header and self.end is not None else last.pts + own)

    def _best(self, frame: Any) -> int | None:
        """PTS, or DTS where PTS were out of order more often: FFmpeg's own rule (`guess_correct_pts` of libavcodec)."""
        pts: int | None = frame.pts
        dts: int | None = frame.dts
        if self.by_dts:
            self._delay = dts if self._delay is None else self._delay
            return None if dts is None or self._delay is None else dts - self._delay
        for place, stamp in enumerate((pts, dts)):
            if stamp is not None:
                before = self._before[place]
                self._faulty[place] += before is not None and stamp <= before
                self._before[place] = stamp
        return pts if pts is not None and (dts is None or self._faulty[0] <= self._faulty[1]) else dts

    def _shown(self, shot: Shot, end: int) -> Shot:
        self.until = end * self.base
        return shot._replace(duration=end - shot.pts)


def at_rate(shots: Iterable[Shot], rate: Fraction, window: Window) -> Iterator[Shot]:
    """On the grid begin + n / rate, the shot that is shown then: repeated or left out; round(length x rate) of them.

    At least one, however short the stream is.
    """
    first = None
    for number, shot in _held(shots, 1 / rate, window, lead=Fraction(1, 2)):
        if first is None:
            base = Fraction(1, math.lcm(shot.base.denominator, rate.numerator))
            base = base if base.denominator <= FINEST else 1 / rate
            first, ticks = math.floor(window.begin / base), int(1 / rate / base)
        yield Shot(shot.frame, first + number * ticks, ticks, base)


def each(shots: Iterable[Shot], step: Fraction, window: Window) -> Iterator[Shot]:
    """The shot that is shown at each begin + n x step, once, with its own time stamp."""
    last = None
    for _, shot in _held(shots, step, window, lead=Fraction(0)):
        if shot is not last:
            yield shot
        last = shot


def spread(shots: Iterable[Shot], end: Callable[[], Fraction]) -> Iterator[Shot]:
    """Chosen shots, each shown until the next one; the last to `end`, which is asked for when they are through."""
    last: Shot | None = None
    for shot in shots:
        if last is not None:
            yield last._replace(duration=shot.pts - last.pts)
        last = shot
    if last is not None:
        yield last._replace(duration=max(last.duration, math.floor(end() / last.base) - last.pts))


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a stream that is read, in seconds of its own clock.

    `end` is None for all there is.
    """

    begin: Fraction
    end: Fraction | None = None

    def within(self, shots: Iterable[Shot], *, shown: bool = False) -> Iterator[Shot]:
        """The shots from `begin` on and before `end`; nothing is asked for after that.

        `shown`: also the one that is shown at `begin`, as if it began there.
        """
        for shot in shots:
            if self.end is not None and shot.at >= self.end:
                return
            if shot.at >= self.begin:
                yield shot
            elif shown and shot.at + shot.duration * shot.base > self.begin:
                pts = math.ceil(self.begin / shot.base)
                yield shot._replace(pts=pts, duration=shot.pts + shot.duration - pts)


def _held(shots: Iterable[Shot], step: Fraction, window: Window, *, lead: Fraction) -> Iterator[tuple[int, Shot]]:
    """For each n, the last shot not after begin + n x step; none before the first, at least one in all.

    A step counts where the stream goes on for more than `lead` steps after it, or just so long; the last shot is shown
    for its duration.
    """
    number, held, until, made = 0, None, window.begin, False
    due: deque[tuple[int, Shot]] = deque()  # not known yet whether the stream goes on for long enough
    for shot in shots:
        if held is None:
            number = max(0, math.ceil((shot.at - window.begin) / step))
        while held is not None and window.begin + number * step < shot.at:
            due.append((number, held))
            number += 1
        held, until = shot, shot.at + shot.duration * shot.base
        while due and window.begin + (due[0][0] + lead) * step <= shot.at:
            made = True
            yield due.popleft()
    if held is None:
        return
    until = until if window.end is None else min(until, window.end)
    while window.begin + number * step < until:
        due.append((number, held))
        number += 1
    for n, shot in due or [(number, held)]:
        at = window.begin + (n + lead) * step
        if at < until or (lead and at == until) or not made:
            made = True
            yield n, shot
