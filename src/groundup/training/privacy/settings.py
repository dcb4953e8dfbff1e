"""Settings of the [training.privacy] section. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from groundup.config import require, require_finite

Accountant = Literal["prv", "rdp"]
MOST_NOISE = 100.0
"""The greatest noise multiplier: with more there is nothing left that could be learned."""
LEAST_NOISE = 0.2
"""The least one beside none: below it ε is in the hundreds, and the accountants' sums no longer hold it."""


@dataclass(frozen=True)
class PrivateTrainingSettings:
    """Differential privacy (Dwork et al. 2006): how little the finished model may hang on any single document."""

    epsilon: float = 0.0
    """The budget ε; training ends before more is spent. 0: none is set. inf: gradients are clipped and no noise is added, which
    protects nobody, to compare with."""
    noise_multiplier: float = 0.0
    """Standard deviation of the noise, in units of clip_norm; 0: as much as the budget needs to last for max_steps."""
    delta: float = 0.0
    """δ, how likely it may be that ε doesn't hold; 0 takes N^-1.1 of N documents. It has to be below 1/N."""
    clip_norm: float = 1.0
    """The greatest norm of what one document adds to a step's gradient."""
    accountant: Accountant = "prv"
    """Which bound counts: prv (Gopi et al. 2021), the closer one, or rdp (Mironov 2017)."""

    def __post_init__(self) -> None:
        for name in ("epsilon", "noise_multiplier"):
            value = getattr(self, name)
            require(value >= 0, f"training.privacy.{name}", value, "use a number of at least 0")
        if self.noise_multiplier:
            advice = f"use a number from {LEAST_NOISE:g} to {MOST_NOISE:g}, or 0 to have it found for a budget"
            fits = LEAST_NOISE <= self.noise_multiplier <= MOST_NOISE
            require(fits, "training.privacy.noise_multiplier", self.noise_multiplier, advice)
            advice = "leave it out: a budget without end (epsilon = inf) asks for no noise"
            require(self.epsilon < math.inf, "training.privacy.noise_multiplier", self.noise_multiplier, advice)
        require(0 <= self.delta < 1, "training.privacy.delta", self.delta, "use a probability below 1, or 0 for N^-1.1")
        require_finite("training.privacy.clip_norm", self.clip_norm, exclusive=True, maximum=1e6)
        advice = "this asks for nothing without a budget, such as training.privacy.epsilon = 8, or a noise_multiplier"
        for name in ("delta", "clip_norm", "accountant"):
            value = getattr(self, name)
            require(self.on or value == getattr(type(self), name), f"training.privacy.{name}", value, advice)

    @property
    def on(self) -> bool:
        """Whether training is to be private."""
        return self.epsilon > 0 or self.noise_multiplier > 0
