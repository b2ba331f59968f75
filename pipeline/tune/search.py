"""Which vectors to try, how often, and whether one is better than the present one: pure, given a way to try.

Rates on a machine that others use drift by more than what is looked for. So vectors are tried in rounds, each once a
round in changing order, and compared within rounds; those that lead enter a final of rounds of their own, because the
best of many noisy figures is flattered by the noise that made it the best.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import exp, inf, log1p
from random import Random
from statistics import fmean, median

from ..errors import EnvironmentRefusal, UsageError
from ..supervisor.bottleneck import FULL
from .figures import NEAR, GroupFigures, Trial, Vector, demand, limit_of, neighbours, propose, rank
from .judgement import FEW, GAIN, compare, recommend

Try = Callable[[Vector, float], Trial]
Clock = Callable[[], float]

MORE_LOST = 0.02  # of the items: a vector that loses this many more than the present one is not faster but wrong
HOPELESS = 0.12  # below the best after a round: not tried again before the final
FINALISTS = 3  # beside the present vector
FINAL_SHARE = 0.5  # of the time
MOST_SCREENED = 0.8
OVERTIME = 1.3  # of the time, while the final lacks rounds: trials may turn slower than those that planned it
PROPOSED, AGAIN = 5, 2  # vectors from the first measurement, and from that of the leader of each round
WINDOW_S = (0.8, 5.0)
WINDOWS = 30  # how many windows should fit into the time


@dataclass(frozen=True, slots=True)
class Row:
    """One vector in the table.

    rate: median of units a second, over all its trials. spread: half the distance of its quartiles, as a share.
    gain, error: against the present vector in the same rounds, and its standard error, as shares; None where there are
    too few rounds in common. Of those in the final, from its rounds alone. rounds: all that it was tried in.
    """

    vector: Vector
    rate: float
    spread: float
    gain: float | None
    error: float | None
    rounds: int
    final: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What tuning found: the table, finalists first; the vector to use, which is the present one unless another is
    better beyond the noise; what limits the job with it, and where its groups spent the last trial of window_s seconds.

    capped: the busiest group where it has as many workers as may be tried, and would take more. too_few: the time was
    too short for a judgement. failing, reason: the most different items that failed in a trial, and why the first did.
    """

    present: Vector
    recommended: Vector
    lines: tuple[Row, ...]
    limit: str
    groups: tuple[GroupFigures, ...]
    window_s: float
    trials: int
    seconds: float
    capped: str = ""
    too_few: bool = False
    failing: int = 0
    reason: str = ""

    def line(self, vector: Vector) -> Row:
        """The table's line of a vector."""
        return next(line for line in self.lines if line.vector == vector)

    @property
    def changed(self) -> bool:
        """Whether other numbers than the present ones are recommended."""
        return self.recommended != self.present


@dataclass(slots=True)
class Search:
    """One search for the vector with the highest rate.

    Args:
        present: the workers that the config has now.
        most: the most workers of each group that may be tried.
        cores: how many may be used.
        seconds: how long all trials may take together.
        attempt: makes a trial of a vector in a window of these seconds; EnvironmentRefusal where the machine cannot.
        clock: seconds, monotonic.
    """

    present: Vector
    most: Vector
    cores: int
    seconds: float
    attempt: Try
    clock: Clock
    rounds: list[dict[Vector, Trial]] = field(default_factory=list)
    final_from: int = 0
    contested: bool = False
    began: float = 0.0
    dearest_s: float = 0.0
    window_s: float = 1.0
    impossible: set[Vector] = field(default_factory=set)
    random: Random = field(default_factory=lambda: Random(1))

    def go(self) -> Result:
        """Try vectors until the time is up; what was found."""
        self.began = self.clock()
        self.window_s = min(WINDOW_S[1], max(WINDOW_S[0], self.seconds / WINDOWS / 2))
        self._screen()
        self._final()
        return self._result()

    # ---- rounds ------------------------------------------------------------------------------------------------

    def _screen(self) -> None:
        """Probe, propose, and climb from what leads, in the first part of the time."""
        until = self.seconds * (1 - FINAL_SHARE)
        least = tuple(1 for _ in self.present)
        self._round(list(dict.fromkeys((self.present, least))), self.seconds)
        cost = demand(self.rounds[0].get(least, self.rounds[0][self.present]))
        alive = list(dict.fromkeys([self.present, *propose(cost, self.most, self.cores, PROPOSED), least]))
        late = self.seconds * MOST_SCREENED  # even in little time the proposals are looked at once
        while len(alive) > 1 and self._round(self._that_fit(alive, until), late if len(self.rounds) == 1 else until):
            rates = {vector: rate for vector, rate in self._standing().items() if self._sound(vector)}
            best = max(rates, key=lambda vector: rates[vector])
            known = {vector for one in self.rounds for vector in one}
            last = self._last(best)  # near full speed a unit costs less than in the probe: its figures promise more
            fresh = [*propose(demand(last), self.most, self.cores, AGAIN), *neighbours(last, self.most)]
            fresh = [vector for vector in fresh if vector not in known]
            good = sorted(rates, key=lambda vector: rates[vector], reverse=True)
            alive = [self.present, *fresh, *(v for v in good if rates[v] >= rates[best] * (1 - HOPELESS))]
            alive = [vector for vector in dict.fromkeys(alive) if vector not in self.impossible]

    def _that_fit(self, vectors: Sequence[Vector], until: float) -> list[Vector]:
        """The first ones, as many as there is time for."""
        return list(vectors[: max(2, int((until - self._spent()) / self.dearest_s))])

    def _final(self) -> None:
        """The leaders and the present vector in rounds of their own, until the time is up."""
        self.final_from = len(self.rounds)
        rates = self._standing()
        rates.pop(self.present, None)
        leaders = sorted(filter(self._sound, rates), key=lambda vector: rank(rates[vector], vector))
        leaders = leaders[:FINALISTS]
        self.contested = bool(leaders)
        while leaders:
            leaders = leaders[: self._room()]
            if not self._round([self.present, *leaders], self._whistle()):
                return
            done = self.rounds[self.final_from :]
            if len(done) >= FEW:
                found = {vector: compare(vector, self.present, done) for vector in leaders}
                if all(gain - 2 * error > log1p(GAIN) and 2 * error < NEAR for gain, error in found.values()):
                    return  # more runs would tell nothing new
                # who is clearly behind leaves its time to the others
                leaders = [vector for vector, (gain, error) in found.items() if gain + 2 * error >= log1p(GAIN)]
                leaders = [vector for vector in leaders if self._sound(vector)]

    def _missing(self) -> int:
        """How many rounds of the final there must still be before anything can be told."""
        return max(0, FEW - (len(self.rounds) - self.final_from))

    def _room(self) -> int:
        """How many leaders beside the present vector the time left allows in each of those rounds; at least one."""
        if not self._missing():
            return FINALISTS
        return max(1, int((self.seconds - self._spent()) / (self._missing() * self.dearest_s)) - 1)

    def _whistle(self) -> float:
        """When the final ends; later where rounds are missing without which all was for nothing."""
        return self.seconds * (OVERTIME if self._missing() else 1.0)

    def _round(self, vectors: Sequence[Vector], until: float) -> bool:
        """Try each vector once, in changing order; False when there is no time for a whole round."""
        if self.rounds and self._spent() + len(vectors) * self.dearest_s > until:
            return False
        order = list(vectors)
        self.random.shuffle(order)
        tried: dict[Vector, Trial] = {}
        self.rounds.append(tried)
        for vector in order:
            start = self.clock()
            try:
                tried[vector] = self.attempt(vector, self.window_s)
            except EnvironmentRefusal:  # more processes, memory or descriptors than there are
                if vector == self.present:
                    raise
                self.impossible.add(vector)
            if vector == self.present and not tried[vector].units:
                raise UsageError(
                    "nothing ended within a trial: one input takes too long to tell", remedy="give --seconds more"
                )
            self.dearest_s = max(self.dearest_s * 0.9, self.clock() - start)
        return True

    def _spent(self) -> float:
        return self.clock() - self.began

    # ---- what came of it ---------------------------------------------------------------------------------------

    def _sound(self, vector: Vector) -> bool:
        """Whether it loses no more items than the present vector, and may be tried at all."""
        mine, theirs = (fmean(trial.lost_share for trial in self._trials(v)) for v in (vector, self.present))
        return vector not in self.impossible and mine <= theirs + MORE_LOST

    def _standing(self) -> dict[Vector, float]:
        """The rate of each vector against the present one of the same round; the mean over rounds."""
        found: dict[Vector, list[float]] = {}
        for one in self.rounds:
            base = one[self.present].rate if self.present in one else None
            for vector, trial in one.items():
                if base:
                    found.setdefault(vector, []).append(trial.rate / base)
        return {vector: fmean(ratios) for vector, ratios in found.items()}

    def _last(self, vector: Vector) -> Trial:
        return next(one[vector] for one in reversed(self.rounds) if vector in one)

    def _trials(self, vector: Vector) -> list[Trial]:
        return [one[vector] for one in self.rounds if vector in one]

    def _result(self) -> Result:
        final = self.rounds[self.final_from :]
        recommended = recommend(self.present, [{v: t for v, t in one.items() if self._sound(v)} for one in final])
        known = {vector for one in self.rounds for vector in one}
        lines = [self._line(vector) for vector in known]
        everything = [trial for one in self.rounds for trial in one.values()]
        worst = max(everything, key=lambda trial: trial.failing)
        return Result(
            self.present, recommended,
            tuple(sorted(lines, key=self._place, reverse=True)),
            limit_of(self._trials(recommended), self.cores), self._last(recommended).groups,
            self._last(recommended).seconds,
            len(everything), self._spent(), self._capped(recommended), self.contested and len(final) < FEW,
            worst.failing, worst.reason,
        )  # fmt: skip

    def _capped(self, vector: Vector) -> str:
        trial = self._last(vector)
        top = max(trial.groups, key=lambda group: group.busy_s / group.workers)
        at_most = dict(zip((group.name for group in trial.groups), self.most, strict=True))[top.name]
        full = top.busy_s > FULL * top.workers * trial.seconds
        waits = sum(group.cpu_s for group in trial.groups) < FULL * self.cores * trial.seconds
        return top.name if full and waits and top.workers == at_most else ""

    def _place(self, line: Row) -> tuple[bool, float]:
        """In the table: who was in the final first, then by gain."""
        return line.final or line.vector == self.present, line.gain or 0.0

    def _line(self, vector: Vector) -> Row:
        rates = sorted(trial.rate for trial in self._trials(vector))
        middle = median(rates)
        quarter = len(rates) // 4
        spread = (rates[-1 - quarter] - rates[quarter]) / 2 / middle if middle else 0.0
        common = [one for one in self.rounds if vector in one and self.present in one]
        judged = [one for one in self.rounds[self.final_from :] if vector in one]
        gain: float | None = None
        error: float | None = None
        if vector != self.present and common:
            mean, wide = compare(vector, self.present, judged or common)
            gain, error = exp(mean) - 1, exp(mean) * wide if wide < inf else None
        return Row(vector, middle, spread, gain, error, len(rates), bool(judged))
