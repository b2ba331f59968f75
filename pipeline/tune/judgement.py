"""Whether one vector is better than the present one beyond the noise: pure, from rounds of trials that have both."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log, log1p, sqrt
from statistics import fmean, stdev

from .figures import NEAR, Trial, Vector

GAIN = 0.03  # less is not worth an edit
FEW = 3  # rounds of the final, below which nothing is recommended
# Student's t, one-sided at 1 %, by degrees of freedom; strict, because the best of several is looked at.
T_99 = (31.8, 6.96, 4.54, 3.75, 3.36, 3.14, 3.00, 2.90, 2.82, 2.76)


def compare(vector: Vector, present: Vector, rounds: Sequence[dict[Vector, Trial]]) -> tuple[float, float]:
    """The logarithm of the ratio to the present vector and its standard error, from rounds that have both.

    The mean of the logarithms within each round: what a round was disturbed by, both had. inf of too few rounds.
    """
    logs = [log(max(one[vector].rate, 1e-9) / max(one[present].rate, 1e-9)) for one in rounds if vector in one]
    if not logs:
        return 0.0, inf
    return fmean(logs), stdev(logs) / sqrt(len(logs)) if len(logs) > 1 else inf


def recommend(present: Vector, final: Sequence[dict[Vector, Trial]]) -> Vector:
    """The vector to use: the present one, unless the final shows one better by GAIN and beyond the noise.

    Beyond the noise: the lower end of the 99 % interval of its mean gain (one-sided, Student's t) is above zero. Of
    those within NEAR of the best, the one with the fewest workers.
    """
    if len(final) < FEW:
        return present
    better: dict[Vector, float] = {}
    for vector in dict.fromkeys(vector for one in final for vector in one if vector != present):
        rounds = [one for one in final if vector in one]
        gain, error = compare(vector, present, rounds)
        t = T_99[min(len(rounds) - 2, len(T_99) - 1)] if len(rounds) > 1 else inf
        if gain >= log1p(GAIN) and gain > t * error:
            better[vector] = gain
    if not better:
        return present
    best = max(better.values())
    return min((vector for vector in better if better[vector] >= best - NEAR), key=lambda v: (sum(v), -better[v]))
