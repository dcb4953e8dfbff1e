"""An n-gram model: how often did this token follow the few before it? Smoothed, so that nothing is impossible."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

Gram = tuple[int, ...]
Discounts = tuple[float, float, float]

START = -1  # stands before a document's first token, as often as needed
FALLBACK: Discounts = (0.5, 1.0, 1.5)


class NgramModel:
    """P(token | the order - 1 tokens before it), by interpolated Kneser-Ney smoothing with three discounts.

    Of each count something is taken off. What a context loses in that way is given to its tokens in the shares that they have
    in the next shorter context. There a token counts not as often as it occurred, but as many different tokens as it came
    after: "Francisco" is frequent, yet it only comes after "San", so elsewhere it is unlikely (Kneser and Ney 1995; Chen and
    Goodman 1999, §3). The shortest context of all gives each of the vocab_size tokens the same share.

    >>> model = NgramModel([[0, 1, 2], [0, 1, 3]], vocab_size=5, order=3)
    >>> model.probability([0, 1], 2) > model.probability([0, 1], 4) > 0
    True
    """

    def __init__(self, documents: Iterable[Sequence[int]], vocab_size: int, order: int = 5) -> None:
        """Count the documents' n-grams; those of different documents don't touch."""
        self.vocab_size, self.order = vocab_size, order
        longest: Counter[Gram] = Counter()
        for document in documents:
            padded = [START] * (order - 1) + list(document)
            longest.update(tuple(padded[end - order : end]) for end in range(order, len(padded) + 1))
        counts = [longest]  # of n-grams of `order` tokens, then of those that are one shorter, and so on
        while len(counts) < order:
            counts.append(Counter(gram[1:] for gram in counts[-1]))  # a Counter's keys: each different gram counts once
        # Turned round, and by context: followers[k][context of k tokens][token].
        self.followers: list[dict[Gram, Counter[int]]] = [group_by_context(grams) for grams in reversed(counts)]
        self.discounts: list[Discounts] = [estimate_discounts(grams.values()) for grams in reversed(counts)]

    def probability(self, before: Sequence[int], token: int) -> float:
        """P(token | before), where `before` are all tokens of the document so far; the last order - 1 are looked at."""
        context = ([START] * (self.order - 1) + list(before))[len(before) :]
        return self._interpolated(tuple(context), token)

    def _interpolated(self, context: Gram, token: int) -> float:
        shorter = self._interpolated(context[1:], token) if context else 1 / self.vocab_size
        counts = self.followers[len(context)].get(context)
        if not counts:
            return shorter  # never seen: the shorter context has to do
        discounts, total = self.discounts[len(context)], counts.total()
        taken_off = sum(discount(count, discounts) for count in counts.values())
        kept = counts[token] - discount(counts[token], discounts)
        return (kept + taken_off * shorter) / total

    def most_likely(self, before: Sequence[int]) -> int:
        """The token with the highest probability; of equally likely ones, the lowest."""
        return max(range(self.vocab_size), key=lambda token: self.probability(before, token))


def group_by_context(grams: Counter[Gram]) -> dict[Gram, Counter[int]]:
    """For each context, how often each token follows it.

    >>> group_by_context(Counter({(7, 8): 2, (7, 9): 1}))[(7,)]
    Counter({8: 2, 9: 1})
    """
    grouped: dict[Gram, Counter[int]] = defaultdict(Counter)
    for (*context, token), count in grams.items():
        grouped[tuple(context)][token] = count
    return dict(grouped)


def estimate_discounts(counts: Iterable[int]) -> Discounts:
    """What to take off a count of 1, of 2, and of 3 or more: it follows from how many n-grams occur once, twice, three
    times and four times (Chen and Goodman 1999, §3).

    A small text, or one of few different tokens, may have none of a kind, or give a discount that takes off nothing or
    all; then 1/2, 1 and 3/2 are used.

    >>> estimate_discounts([1] * 4 + [2] * 2 + [3] + [4] + [9])
    (0.5, 1.25, 1.0)
    """
    n = Counter(counts)
    if not (n[1] and n[2] and n[3] and n[4]):
        return FALLBACK
    y = n[1] / (n[1] + 2 * n[2])
    estimated = (1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3])
    within = all(0 < value < count for count, value in enumerate(estimated, start=1))
    return estimated if within else FALLBACK


def discount(count: int, discounts: Discounts) -> float:
    """What is taken off this count; nothing of nothing."""
    return discounts[min(count, 3) - 1] if count else 0.0
