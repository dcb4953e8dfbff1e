"""What people say of two answers: how much better one is, and whether those who say it agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence


def bradley_terry(wins: Sequence[Sequence[float]], rounds: int = 1000) -> list[float]:
    """Strengths p, of sum 1: i is preferred to j with probability p_i / (p_i + p_j) (Bradley and Terry 1952).

    `wins[i][j]`: how often i was preferred to j, a tie as half a win for either. Each round sets a strength to the wins there were
    over the wins that equal strength would have brought, given the others'; it makes the games no less likely (Hunter 2004, §2).
    A model that never lost has no finite strength: add half a win to each side of each pair before.

    >>> [round(strength, 3) for strength in bradley_terry([[0, 3], [1, 0]])]
    [0.75, 0.25]
    """
    models = range(len(wins))
    strengths = [1 / len(wins)] * len(wins)
    for _ in range(rounds):
        expected = [
            sum((wins[i][j] + wins[j][i]) / (strengths[i] + strengths[j]) for j in models if j != i) for i in models
        ]
        strengths = [sum(won) / of_equal for won, of_equal in zip(wins, expected, strict=True)]
        strengths = [strength / sum(strengths) for strength in strengths]
    return strengths


def krippendorff_alpha(items: Sequence[Sequence[Hashable]]) -> float:
    """How far raters agree: 1 always, 0 as often as chance would have it (Krippendorff 2011). For names, not for numbers on a scale.

    `items`: of each item, what was said of it, by two or more. Observed: how often two who speak of one item differ. By chance: how often
    two differ who are drawn from all that was said of anything. Raters who say "yes" to all but one item agree nearly always, and agree
    no more than chance.

    >>> krippendorff_alpha(["aa", "bb", "ab", "aa"])
    0.5333333333333333
    """
    said = [Counter(item) for item in items if len(item) > 1]
    everything = sum(said, Counter[Hashable]())
    observed = sum(_differing(of_item) / (of_item.total() - 1) for of_item in said)
    by_chance = _differing(everything) / (everything.total() - 1)
    return 1 - observed / by_chance


def _differing(counts: Counter[Hashable]) -> int:
    """Ordered pairs of unlike values."""
    return counts.total() ** 2 - sum(count**2 for count in counts.values())
