"""Which frames of a video, by exact time: pure functions against their definition."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import islice, pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import UsageError
from stages.media.ffmpeg.timing import Shot, Stamps, Window, at_rate, each, frame_rate, seconds, spread

BASES = st.sampled_from([Fraction(1, 90000), Fraction(1, 1000), Fraction(1, 12800), Fraction(1001, 30000)])
RATES = st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(10), Fraction(1, 2), Fraction(120)])


@st.composite
def films(draw: st.DrawFn) -> tuple[list[Shot], Window]:
    """Shots with stamps that grow, each shown until the next, and the window they are read through."""
    base = draw(BASES)
    ticks = max(1, int(Fraction(1, 30) / base))
    steps = draw(st.lists(st.integers(1, 4 * ticks), min_size=1, max_size=40))
    first = draw(st.integers(0, 3 * ticks))
    stamps = [first]
    for step in steps[:-1]:
        stamps.append(stamps[-1] + step)
    shots = [Shot(number, pts, step, base) for number, (pts, step) in enumerate(zip(stamps, steps, strict=True))]
    return shots, Window(Fraction(0))


def shown_at(shots: list[Shot], at: Fraction) -> int:
    """The definition: the last frame whose time is not after `at`."""
    return max(shot.frame for shot in shots if shot.at <= at)


@given(films(), RATES)
def test_a_constant_rate_shows_what_is_shown(film: tuple[list[Shot], Window], rate: Fraction) -> None:
    """round(duration x rate) frames, each the last one not after n / rate, exactly on the grid."""
    shots, window = film
    made = list(at_rate(shots, rate, window))
    first = math.ceil(shots[0].at * rate)
    end = shots[-1].at + shots[-1].duration * shots[-1].base
    assert len(made) == max(1, math.floor(end * rate + Fraction(1, 2)) - first)
    for number, shot in enumerate(made, first):
        assert shot.at == number / rate
        assert shot.frame == shown_at(shots, number / rate)
        assert shot.duration * shot.base == 1 / rate


@given(films(), st.fractions(Fraction(1, 50), Fraction(3), max_denominator=50))
def test_each_time_shows_one_frame_once(film: tuple[list[Shot], Window], step: Fraction) -> None:
    """The frame shown at each step, with its own time stamp, and none twice."""
    shots, window = film
    end = shots[-1].at + shots[-1].duration * shots[-1].base
    times = [n * step for n in range(math.ceil(end / step)) if n * step >= shots[0].at]
    expected = list(dict.fromkeys(shown_at(shots, at) for at in times)) or [shots[-1].frame]
    chosen = list(each(shots, step, window))
    assert [shot.frame for shot in chosen] == expected
    assert all(shot is shots[shot.frame] for shot in chosen)


@given(films(), st.fractions(0, 4), st.fractions(Fraction(1, 100), 4))
def test_a_window_takes_its_frames_and_asks_for_no_more(
    film: tuple[list[Shot], Window], begin: Fraction, length: Fraction
) -> None:
    """From `begin` on, before `begin` + length; reading ends with the first frame behind it."""
    shots, _ = film
    asked: list[int] = []
    window = Window(begin, begin + length)
    taken = list(window.within(asked.append(shot.frame) or shot for shot in shots))
    assert [shot.frame for shot in taken] == [shot.frame for shot in shots if begin <= shot.at < begin + length]
    behind = [shot.frame for shot in shots if shot.at >= begin + length]
    assert asked[-1] == (behind or [shots[-1].frame])[0]


@given(st.lists(st.one_of(st.none(), st.integers(0, 10000)), min_size=1, max_size=50), st.integers(1, 1000))
def test_stamps_always_grow(stamps: list[int | None], usual: int) -> None:
    """Whatever a file says: equal ones are left out and counted, missing and backward ones replaced and counted."""
    state = Stamps(Fraction(1, 1000), usual)
    shots = list(state.stamped(SimpleNamespace(pts=pts, dts=None, duration=None) for pts in stamps))
    assert all(before.pts < after.pts for before, after in pairwise(shots))
    assert len(shots) + state.repeated == len(stamps)
    assert state.made == stamps.count(None)
    assert state.until == (shots[-1].pts + usual) * state.base
    assert all(before.pts + before.duration == after.pts for before, after in pairwise(shots))


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=50), st.integers(-5000, 5000))
def test_good_stamps_are_not_touched(steps: list[int], first: int) -> None:
    """A file that counts as it should comes through unchanged, whatever its first stamp."""
    stamps = [first]
    for step in steps:
        stamps.append(stamps[-1] + step)
    state = Stamps(Fraction(1, 90000), 3600)
    shots = state.stamped(SimpleNamespace(pts=pts, dts=None, duration=9) for pts in stamps)
    assert [(shot.pts, shot.duration) for shot in shots] == list(zip(stamps, [*steps, 9], strict=True))
    assert (state.repeated, state.jumps, state.made) == (0, 0, 0)


@given(films(), st.fractions(0, 4))
def test_what_is_shown_at_the_begin_begins_there(film: tuple[list[Shot], Window], begin: Fraction) -> None:
    """A grid needs the frame on the screen at its first point, which began before it."""
    shots, _ = film
    taken = list(Window(begin).within(shots, shown=True))
    end = shots[-1].at + shots[-1].duration * shots[-1].base
    if shots[0].at <= begin < end:
        assert taken[0].frame == shown_at(shots, begin)
        assert begin <= taken[0].at < begin + taken[0].base
    assert all(shot.at >= begin for shot in taken)


@pytest.mark.parametrize(("end", "last"), [(None, 100), (1150, 150), (1000, 100), (90000, 100)])
def test_the_last_frame_ends_where_the_header_says(end: int | None, last: int) -> None:
    """Unless that lies before it, or so far behind it that the file must have been cut."""
    state = Stamps(Fraction(1, 1000), 100, end)
    shots = list(state.stamped(SimpleNamespace(pts=pts, dts=None, duration=None) for pts in (900, 1000)))
    assert shots[-1].duration == last
    assert state.until == Fraction(1000 + last, 1000)


def test_an_avi_has_no_pts() -> None:
    """What FFmpeg gives as PTS of B-frames there jumps to and fro; DTS grow, and are taken, as FFmpeg itself does."""
    frames = [SimpleNamespace(pts=pts, dts=dts, duration=1) for dts, pts in enumerate((1, 3, 4, 2, 6, 5, 7, 9, 8), 2)]
    assert [shot.pts for shot in Stamps(Fraction(1, 25), 1, by_dts=True).stamped(frames)] == list(range(9))
    guessed = list(Stamps(Fraction(1, 25), 1).stamped(frames))
    assert guessed[-1].pts == 10
    assert len(guessed) >= 8


def test_one_slip_moves_nothing_behind_it() -> None:
    """A single stamp that is too small is put right; a clock that begins anew goes on from the last frame."""
    for stamps, want in (((0, 40, 80, 60, 160, 200), (0, 40, 80, 120, 160, 200)),
                         ((5000, 5040, 0, 40, 80), (5000, 5040, 5080, 5120, 5160))):  # fmt: skip
        state = Stamps(Fraction(1, 1000), 40)
        shots = state.stamped(SimpleNamespace(pts=pts, dts=None, duration=40) for pts in stamps)
        assert tuple(shot.pts for shot in shots) == want
        assert state.jumps == 1


@given(films(), st.integers(1, 7))
def test_chosen_frames_are_shown_until_the_next_one(film: tuple[list[Shot], Window], every: int) -> None:
    """Together they last as long as all of them did."""
    shots, _ = film
    end = shots[-1].at + shots[-1].duration * shots[-1].base
    chosen = list(spread(islice(shots, 0, None, every), lambda: end))
    assert [shot.frame for shot in chosen] == list(range(0, len(shots), every))
    assert all(before.pts + before.duration == after.pts for before, after in pairwise(chosen))
    assert chosen[-1].at + chosen[-1].duration * chosen[-1].base == end


def test_endless_input_is_read_as_it_is_asked_for() -> None:
    """Nothing is collected: the first frames of an endless stream come at once."""
    window = Window(Fraction(0))

    def endless() -> object:
        return (Shot(number, number, 1, Fraction(1, 25)) for number in iter(int, 1))

    assert list(islice(at_rate(endless(), Fraction(50), window), 0)) == []
    shots = (Shot(number, number, 1, Fraction(1, 25)) for number in range(10**9))
    assert [shot.frame for shot in islice(at_rate(shots, Fraction(50), window), 4)] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (90, Fraction(90)), (1.5, Fraction(3, 2)), ("0.1", Fraction(1, 10)), ("90s", Fraction(90)),
        ("500ms", Fraction(1, 2)), ("2min", Fraction(120)), ("1h", Fraction(3600)), ("1:30", Fraction(90)),
        ("0:01:30.5", Fraction(181, 2)), (" 3 s".replace(" s", "s"), Fraction(3)),
    ],
)  # fmt: skip
def test_times_are_exact(text: float | str, value: Fraction) -> None:
    """0.1 is a tenth and no binary fraction."""
    assert seconds("start", text) == value


@pytest.mark.parametrize("text", ["soon", "-1", "1:2:3:4", "1:30s", "", "10 frames", "nan"])
def test_what_is_no_time(text: str) -> None:
    """The message names the parameter and shows how to write it."""
    with pytest.raises(UsageError, match="start") as caught:
        seconds("start", text)
    assert "1:30" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("text", "rate"), [(25, Fraction(25)), (29.97, Fraction(2997, 100)), ("30000/1001", Fraction(30000, 1001))]
)
def test_frame_rates(text: float | str, rate: Fraction) -> None:
    """Exactly as written."""
    assert frame_rate("fps", text) == rate


@pytest.mark.parametrize("text", ["fast", 0, -5, "1/0", 5000])
def test_what_is_no_frame_rate(text: float | str) -> None:
    """Refused with the parameter's name."""
    with pytest.raises(UsageError, match="fps"):
        frame_rate("fps", text)
