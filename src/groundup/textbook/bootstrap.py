"""How sure a figure is, and whether two models differ: by drawing the documents again, with nothing but a generator of random numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence


def bootstrap_interval(
    values: Sequence[float],
    statistic: Callable[[Sequence[float]], float],
    generator: random.Random,
    num_resamples: int = 1000,
) -> tuple[float, float]:
    """A figure's interval of 95 %: about 95 of 100 such intervals hold the figure of all documents of the kind (Efron and Tibshirani
    1993, §13.3).

    We cannot fetch other documents of the kind. So we draw as many from those that we have, some of them twice, some not at all, and
    take the figure again; and again. The middle 95 % of these figures is the interval. With few documents it is too narrow: of 20 it holds
    92 times in 100.
    """
    figures = sorted(statistic(generator.choices(values, k=len(values))) for _ in range(num_resamples))
    return figures[round(0.025 * (num_resamples - 1))], figures[round(0.975 * (num_resamples - 1))]


def paired_p_value(a: Sequence[float], b: Sequence[float], generator: random.Random, num_shuffles: int = 1000) -> float:
    """How often chance alone makes two models differ as much, on average over the documents, as they do (Fisher 1935, §21).

    If it made no difference which of the two read a document, their results could change places there. So we toss a coin for each
    document, and see how often the difference is then as large, either way. Documents are hard or easy for both models: because each is
    compared with itself, that doesn't blur the difference, as it would in two intervals side by side.
    """
    differences = [one - other for one, other in zip(a, b, strict=True)]
    seen = abs(sum(differences))
    as_large = 0
    for _ in range(num_shuffles):
        dealt = sum(difference if generator.random() < 0.5 else -difference for difference in differences)
        as_large += abs(dealt) >= seen - 1e-12
    return (1 + as_large) / (1 + num_shuffles)  # the way that it came is one of the ways, so it is never 0
