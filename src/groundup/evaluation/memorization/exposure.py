"""Exposure: by how many bits a model's knowledge of a secret shortens the search for it (Carlini et al. 2019, The Secret Sharer, §4).

Of all secrets that there could be, R, each is ranked by its loss: exposure = log2 |R| - log2 rank. It is log2 |R| for one that the model
finds likelier than any other, and log2 e = 1.44 on average for one that it knows nothing of. Where R is too large to go through, a
sample of it gives the rank of all but the most exposed, and of these the tail of a distribution fitted to the sample (§4.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LARGEST_SKEWNESS = 0.99  # beyond 0.9953 no skew-normal distribution has it
TAIL = 40.0  # standard deviations below which nothing of a tail is left to count
STEPS = 20_001
FIRST_COUNTED = 10


@dataclass(frozen=True)
class Exposure:
    """Of one secret, in bits."""

    bits: float
    """log2 |R| - log2 rank: by counting, or, where none of a sample was likelier, by the tail of the fitted distribution."""
    extrapolated: bool
    """Whether it is the latter."""
    counted: float
    """What the sample alone shows: log2 of one in so many that are as likely. It can't be more than log2 of their number and one."""


def exposure(loss: float, candidates: Floats, num_secrets: int) -> Exposure:
    """Of a secret with this loss, the others' losses being `candidates` (n,): all of them, or a sample of `num_secrets`.

    A candidate with the same loss counts as likelier.
    """
    likelier = int((candidates <= loss).sum())
    counted = math.log2((len(candidates) + 1) / (likelier + 1))
    most = math.log2(num_secrets)
    if likelier or len(candidates) + 1 >= num_secrets:
        return Exposure(min(counted, most), False, min(counted, most))
    tail = -SkewNormal.fit(candidates).log_below(loss) / math.log(2)
    return Exposure(min(max(tail, counted), most), True, counted)


def fit_error(candidates: Floats) -> float:
    """By how many bits the fitted distribution is off where a sample can still be counted: among its lowest losses, from the tenth on to
    one in a hundred, the largest difference of exposure by the fit and by counting. Below 0 the fit tells too little.

    Counting is itself right to some half a bit there. Beyond the sample the fit is further off. NaN of fewer than 1,000 losses.
    """
    if len(candidates) < 100 * FIRST_COUNTED:
        return math.nan
    ordered, fitted = np.sort(candidates), SkewNormal.fit(candidates)
    ranks = np.geomspace(FIRST_COUNTED, len(candidates) / 100, 8).astype(int)
    errors = [
        math.log2(rank / len(candidates)) - fitted.log_below(float(ordered[rank - 1])) / math.log(2) for rank in ranks
    ]
    return max(errors, key=abs)


@dataclass(frozen=True)
class SkewNormal:
    """A normal distribution with one side longer than the other (Azzalini 1985): density 2/scale · φ(z) Φ(shape · z)."""

    place: float
    scale: float
    shape: float

    @classmethod
    def fit(cls, values: Floats) -> SkewNormal:
        """The one with the mean, deviation and skewness of the values."""
        mean, deviation = float(values.mean()), float(values.std())
        if deviation == 0:
            return cls(mean, 0.0, 0.0)
        skewness = float((((values - mean) / deviation) ** 3).mean())
        skewness = max(-LARGEST_SKEWNESS, min(LARGEST_SKEWNESS, skewness))
        power = abs(skewness) ** (2 / 3)
        delta = math.copysign(math.sqrt(math.pi / 2 * power / (power + ((4 - math.pi) / 2) ** (2 / 3))), skewness)
        scale = deviation / math.sqrt(1 - 2 * delta**2 / math.pi)
        return cls(mean - scale * delta * math.sqrt(2 / math.pi), scale, delta / math.sqrt(1 - delta**2))

    def log_below(self, value: float) -> float:
        """The natural logarithm of the probability of less than `value`, to a part in a thousand however small it is."""
        if self.scale == 0:
            return 0.0 if value >= self.place else -math.inf
        end = min((value - self.place) / self.scale, TAIL)
        # Where the density falls fast, little below `end` counts: steps as fine as that.
        reach = min(TAIL, 40 / max(1.0, -end * (1 + max(0.0, self.shape) ** 2)))
        z = torch.linspace(end - reach, end, STEPS, dtype=torch.float64)
        log_density = math.log(2) - z**2 / 2 - math.log(2 * math.pi) / 2 + torch.special.log_ndtr(self.shape * z)
        weights = torch.full_like(z, math.log(reach / (STEPS - 1)))
        weights[0] -= math.log(2)  # the trapezoid rule
        weights[-1] -= math.log(2)
        return min(0.0, float(torch.logsumexp(log_density + weights, dim=0)))
