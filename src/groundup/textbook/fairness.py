"""Whether a model treats people alike: the same sentence about one and another, and what chance alone would make of it.

The idea of counterfactual evaluation: change who a sentence is about and nothing else. Whatever changes in the model is due to who it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import nn

from groundup.textbook.memorization import token_log_probabilities


def leaning(model: nn.Module, sentence: Sequence[int], pleasant: Sequence[int], unpleasant: Sequence[int]) -> float:
    """ln P(pleasant word | sentence) - ln P(unpleasant word | sentence), in nats; each word may be several ids."""
    first = len(sentence) - 1  # the probability of the word's first token stands there
    likelihoods = [sum(token_log_probabilities(model, [*sentence, *word])[first:]) for word in (pleasant, unpleasant)]
    return likelihoods[0] - likelihoods[1]


def gaps(leanings: Sequence[Sequence[float]]) -> list[list[float]]:
    """How far each group (a row) lies above the mean of all groups, sentence by sentence (a column).

    A word that is likely after a sentence whoever it is about is likely for all, and falls out.

    >>> gaps([[1.0, 5.0], [-1.0, 3.0]])
    [[1.0, 1.0], [-1.0, -1.0]]
    """
    means = [sum(column) / len(column) for column in zip(*leanings, strict=True)]
    return [[value - mean for value, mean in zip(row, means, strict=True)] for row in leanings]


def chances(differences: Sequence[Sequence[float]]) -> list[float]:
    """Of each group's gaps (a row), how often chance alone takes them as far from zero on average, either way.

    If it does not matter whom a sentence is about, each gap of a sentence (a column) could as well be any group's. So the gaps are dealt
    out anew, in every possible way (Pitman 1938); of two groups, that is to flip signs (Fisher 1935).

    >>> chances([[1.0, 1.0, 1.0, 1.0], [-1.0, -1.0, -1.0, -1.0]])
    [0.125, 0.125]
    """
    ways = [abs(sum(dealt)) for dealt in itertools.product(*zip(*differences, strict=True))]
    return [sum(way >= abs(sum(own)) - 1e-12 for way in ways) / len(ways) for own in differences]


def adjust(p_values: Sequence[float]) -> list[float]:
    """p-values of many tests, raised so that one below 0.05 is a false alarm in 1 of 20 such families (Holm 1979).

    Of twenty fair comparisons one falls below 0.05 by chance. So the smallest p counts times their number, the next times one fewer, …

    >>> adjust([0.01, 0.5, 0.02])
    [0.03, 0.5, 0.04]
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted
