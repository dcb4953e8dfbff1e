"""How sure a figure is: intervals of 95 %, paired tests, and p-values of many tests at once.

What is resampled are rows: documents, items, prompts, which may be taken as independent; never tokens, which are not. Each row holds
what the figure is made of (such as a document's nats and its bytes), and the figure is a function of the rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundup.errors import DataError
from groundup.evaluation.student import quantile

Statistic = Callable[[NDArray[np.float64]], float]

Z = 1.959963984540054  # the normal distribution's 97.5 % quantile
ROUNDING = 1e-12  # by which, in relation to a figure, the same sums in another order may differ
_BLOCK = 1 << 22  # numbers that are drawn at a time: 32 MiB


@dataclass(frozen=True)
class Interval:
    """A figure and its interval of 95 %: of 100 such intervals, each from other rows of the kind, some 95 hold what all such rows have."""

    value: float
    low: float
    """NaN, as is `high`, where it cannot be said: of a single row, or of rows that are all alike."""
    high: float
    n: int
    """Rows that it was taken over: documents, items."""

    def as_plain(self) -> dict[str, Any]:
        """As JSON values: value, low, high, n; None for what cannot be said."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Paired:
    """Two figures over the same rows, and whether chance would explain that they differ."""

    a: float
    b: float
    difference: Interval
    """a - b."""
    p: float
    """How often a difference as large, either way, comes of dealing each row's two results out at random."""

    def as_plain(self) -> dict[str, Any]:
        """As JSON values."""
        return {"a": self.a, "b": self.b, "difference": self.difference.as_plain(), "p": self.p}


def mean(rows: NDArray[np.float64]) -> float:
    """The mean of rows (n,)."""
    return float(rows.mean())


def ratio(rows: NDArray[np.float64]) -> float:
    """The first column's sum over the second's, of rows (n, 2): a mean over all tokens, not a mean of the documents' means."""
    above, below = rows.sum(0).tolist()
    return above / below if below else math.nan


def bootstrap(values: ArrayLike, statistic: Statistic = mean, seed: int = 0, samples: int = 1000) -> Interval:
    """A figure of rows (n,) or (n, k) with its bootstrap interval (`middle`).

    A resample whose figure is NaN (of one class alone, say) is left out. Raises `DataError` for no rows.
    """
    rows = _rows(values)
    value = statistic(rows)
    draws = _draws(len(rows), samples, np.random.default_rng(seed))
    if statistic is mean and rows.ndim == 1:
        drawn = np.concatenate([rows[index].mean(1) for index in draws])
    else:
        drawn = np.array([statistic(rows[row]) for index in draws for row in index])
    return Interval(value, *middle(drawn, len(rows)), len(rows))


def proportion(successes: int, n: int) -> Interval:
    """`successes` of `n` as a share, with its score interval (Wilson 1927), which is never empty and never leaves 0 to 1."""
    if not 0 <= successes <= n or n < 1:
        raise DataError(f"{successes} of {n} is no share: give at least one item, and no more successes than items")
    share, grown = successes / n, Z * Z / n
    middle = (share + grown / 2) / (1 + grown)
    half = math.sqrt(share * (1 - share) * grown + grown * grown / 4) / (1 + grown)
    low = 0.0 if successes == 0 else middle - half  # where rounding would leave a trace
    return Interval(share, low, 1.0 if successes == n else middle + half, n)


def mean_share(
    values: ArrayLike, statistic: Statistic = mean, seed: int = 0, lowest: float = 0.0, highest: float = 1.0
) -> Interval:
    """A mean or a ratio that lies from `lowest` to `highest`, as those of the rows do, with its bootstrap interval, and where all rows are
    alike, of which there is none, that of `alike`."""
    found = bootstrap(values, statistic, seed)
    none = found.n > 1 and math.isnan(found.low)
    return alike(found.value, found.n, lowest, highest) if none or found.value in (lowest, highest) else found


def alike(value: float, n: int, lowest: float, highest: float) -> Interval:
    """The mean of n values that are all the same, with its interval. So many of others may be unlike these as `proportion` has it where
    none of n is, and the mean is no farther off than if each of these were at the one end or the other."""
    unlike = proportion(0, n).high
    return Interval(value, value - unlike * (value - lowest), value + unlike * (highest - value), n)


def mean_of_few(values: NDArray[np.float64], lowest: float, highest: float) -> Interval:
    """The mean of values (n,) that lie from `lowest` to `highest`, with Student's interval, cut there; where all are the same, of which
    it would be sure, that of `alike`; NaN of a single value. For a few a bootstrap's percentiles are too sure (Hesterberg 2015, §5)."""
    found, n = float(values.mean()), len(values)
    if n < 2:
        return Interval(found, math.nan, math.nan, n)
    if np.ptp(values) == 0:
        return alike(found, n, lowest, highest)
    half = quantile(n - 1) * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(found, max(lowest, found - half), min(highest, found + half), n)


def paired(a: ArrayLike, b: ArrayLike, statistic: Statistic = mean, seed: int = 0, samples: int = 10_000) -> Paired:
    """Compare a figure of two models over the same rows: (n,) or (n, k) each, row i of both being the same item.

    The interval is the bootstrap's, with the same rows drawn for both. p is two-sided, by approximate randomization
    (Noreen 1989, §2; of means: flipping signs, Fisher 1935, §21): each row's results change places or don't. All 2^n ways are tried
    where they are no more than `samples`; else p is (1 + as large) / (1 + samples), which is never 0.

    Raises `DataError` where the two are not as long.
    """
    rows_a, rows_b = _rows(a), _rows(b)
    if rows_a.shape != rows_b.shape:
        raise DataError(
            f"the first has {len(rows_a):,} results and the second {len(rows_b):,}: a paired test needs both on the same items"
        )
    n, both = len(rows_a), np.stack([rows_a, rows_b])
    value_a, value_b = statistic(rows_a), statistic(rows_b)

    generator, difference = np.random.default_rng(seed), value_a - value_b
    of_means = statistic is mean and rows_a.ndim == 1
    draws = _draws(n, min(samples, 1000), generator)
    if of_means:
        drawn = np.concatenate([(rows_a - rows_b)[index].mean(1) for index in draws])
    else:
        drawn = np.array([statistic(rows_a[row]) - statistic(rows_b[row]) for index in draws for row in index])
    low, high = middle(drawn, n)
    exact = n < 63 and 2**n <= samples
    ways = _all_ways(n) if exact else _some_ways(n, samples, generator)
    if of_means:
        dealt = [((1 - 2 * part.astype(np.float64)) @ (rows_a - rows_b)) / n for part in ways]
    else:
        dealt = [np.array([_dealt(both, swap, statistic) for swap in part]) for part in ways]
    slack = 1e-12 * max(abs(value_a), abs(value_b), 1e-300)  # the same sum in another order is no smaller
    as_large = int((np.abs(np.concatenate(dealt)) >= abs(difference) - slack).sum())
    p = as_large / 2**n if exact else (1 + as_large) / (1 + samples)
    return Paired(value_a, value_b, Interval(difference, low, high, n), p)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several tests, adjusted so that one below 0.05 is wrong in 1 of 20 such families (Holm 1979)."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def _rows(values: ArrayLike) -> NDArray[np.float64]:
    rows = np.asarray(values, np.float64)
    if rows.ndim not in (1, 2) or not len(rows):
        raise DataError("there is nothing to take a figure over: give at least one document or item")
    return rows


def middle(drawn: NDArray[np.float64], n: int) -> tuple[float, float]:
    """The interval of 95 % that figures of resamples of n rows give: the middle of them (Efron and Tibshirani 1993, §13.3), a little
    more than 95 % of it, since n rows vary less than what they were drawn from: the expanded percentile interval (Hesterberg 2015).

    So a mean's interval is as wide as Student's, not as the normal distribution's with a variance over n; of 20 rows by 10 %, of 100 by
    2 %. NaN of a single row, and of rows that are all alike, which say nothing of how rows vary.
    """
    known = drawn[~np.isnan(drawn)]
    if n < 2 or not len(known):
        return math.nan, math.nan
    tail = math.erfc(math.sqrt(n / (n - 1) / 2) * quantile(n - 1)) / 2
    low, high = np.quantile(known, [tail, 1 - tail]).tolist()
    return (math.nan, math.nan) if high - low <= ROUNDING * max(abs(low), abs(high)) else (low, high)


def _draws(n: int, samples: int, generator: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Which rows each resample takes: blocks of (samples in the block, n)."""
    size = max(1, _BLOCK // n)
    for start in range(0, samples, size):
        yield generator.integers(0, n, (min(size, samples - start), n))


def _dealt(both: NDArray[np.float64], swap: NDArray[np.bool_], statistic: Statistic) -> float:
    """The difference when the rows that `swap` (n,) names have changed places."""
    choice, places = swap.astype(np.int64), np.arange(len(swap))
    return statistic(both[choice, places]) - statistic(both[1 - choice, places])


def _all_ways(n: int) -> Iterator[NDArray[np.bool_]]:
    yield (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(np.bool_)


def _some_ways(n: int, samples: int, generator: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    size = max(1, _BLOCK // n)
    for start in range(0, samples, size):
        yield generator.random((min(size, samples - start), n)) < 0.5
