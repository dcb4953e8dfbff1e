"""How varied a model's texts are: how many of their n-grams are different ones, and how much each text repeats itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from groundup.evaluation.intervals import Interval, Z, mean_share
from groundup.evaluation.words import ngrams, words

REPEATED_WORDS = 4


def distinct(texts: Sequence[str], n: int) -> Interval | None:
    """Distinct-n: of all n-grams of words of all texts, the share that are different ones (Li et al. 2016, §5.2). None without n-grams.

    It falls with more text, so compare as many texts of the same length only. The interval is the jackknife's (Efron and Tibshirani 1993,
    §11.5), each text left out once: a bootstrap, which takes texts twice, would hold fewer different ones than there are.
    """
    counted = [Counter(ngrams(words(text), n)) for text in texts]
    sizes = np.array([one.total() for one in counted], np.float64)
    if not sizes.sum():
        return None
    holders = Counter(ngram for one in counted for ngram in one)  # in how many texts each is
    alone = np.array([sum(holders[ngram] == 1 for ngram in one) for one in counted], np.float64)
    value, left = len(holders) / sizes.sum(), sizes.sum() - sizes
    if len(texts) < 2 or not left.all():
        return Interval(float(value), math.nan, math.nan, len(texts))
    without = (len(holders) - alone) / left
    half = (
        Z * math.sqrt((len(texts) - 1) * float(without.var())) or math.nan
    )  # alike, texts say nothing of how others vary
    return Interval(
        float(value), float(np.maximum(0.0, value - half)), float(np.minimum(1.0, value + half)), len(texts)
    )


def repetition(text: str) -> float | None:
    """The share of a text's runs of four words that stand earlier in it: seq-rep-4 (Welleck et al. 2020, §6), of words. None for a text
    that is shorter."""
    runs = ngrams(words(text), REPEATED_WORDS)
    return 1 - len(set(runs)) / len(runs) if runs else None


def mean_repetition(texts: Sequence[str]) -> Interval | None:
    """The mean over the texts that have four words; None if none has."""
    shares = [share for text in texts if (share := repetition(text)) is not None]
    return mean_share(shares) if shares else None
