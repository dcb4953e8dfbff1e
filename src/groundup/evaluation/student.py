"""Student's t distribution."""

from __future__ import annotations

import functools
import math

import numpy as np

STEPS = 20_001


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
