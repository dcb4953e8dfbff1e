"""The loss of some letters with two intervals: one that counts letters, and one that takes all tokens for independent."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
from letters import Letter, token_losses, trained

from groundup.textbook.bootstrap import bootstrap_interval

Interval = tuple[float, float]


def measure(letters: Sequence[Letter], chance: random.Random) -> tuple[float, Interval, Interval]:
    """Nats a token, the interval over letters, and the one over tokens."""
    losses = [token_losses(trained(), letter) for letter in letters]
    nats, counts = [sum(of) for of in losses], [len(of) for of in losses]

    def over(drawn: Sequence[float]) -> float:
        """All losses over all tokens, of the letters with these numbers."""
        return sum(nats[int(i)] for i in drawn) / sum(counts[int(i)] for i in drawn)

    tokens = [loss for of in losses for loss in of]
    loss, half = over(range(len(letters))), 1.96 * float(np.std(tokens, ddof=1)) / math.sqrt(len(tokens))
    return loss, bootstrap_interval(range(len(letters)), over, chance, 100), (loss - half, loss + half)
