"""Student's t distribution: how sure the mean of a few values is, of which a bootstrap's percentiles are too sure (Hesterberg 2015, §5)."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from groundup.evaluation.intervals import Interval

STEPS = 20_001


def mean_of_few(values: NDArray[np.float64], lowest: float, highest: float) -> Interval:
    """The mean of values (n,) with Student's interval, cut at the least and the most that there could be; NaN of a single value."""
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return Interval(mean, math.nan, math.nan, n)
    half = quantile(n - 1) * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, max(lowest, mean - half), min(highest, mean + half), n)


@functools.cache
def quantile(freedom: float, share: float = 0.975) -> float:
    """What a value with so many degrees of freedom, at least 1, is below in this share of cases, to a part in ten thousand.

    With t = √freedom · tan θ its density is that of θ, cos^(freedom - 1) θ, which is summed in fine steps.
    """
    end = min(math.pi / 2, 12 / math.sqrt(freedom))  # beyond which nothing is left
    angles = np.linspace(-end, end, STEPS)
    density = np.cos(angles).clip(min=0) ** (freedom - 1)
    below = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return math.sqrt(freedom) * math.tan(float(np.interp(share * below[-1], below, angles)))
