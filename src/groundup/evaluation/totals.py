"""Figures that hang on sums over documents or items alone, such as bits per byte or BLEU: all intervals of one drawing.

Rows (n, k) hold what each document adds to k sums. A resample takes a document w times, so its sums are w · rows, and all resamples are
one product of matrices: (samples, n) · (n, k). The same for the two models of a paired test, whose documents change places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.evaluation.intervals import Interval, Paired, middle

Floats = NDArray[np.float64]
Figure = Callable[[Floats], Floats]
"""From sums (S, k) to a figure of each (S,)."""

_BLOCK = 1 << 22  # numbers that are drawn at a time: 32 MiB


def intervals_of(
    rows: Floats, figures: Mapping[str, Figure], seed: int = 0, samples: int = 1000
) -> dict[str, Interval]:
    """Each figure of rows (n, k), with its bootstrap interval (`intervals.middle`)."""
    whole, drawn = _whole(rows), _resampled(rows, samples, np.random.default_rng(seed))
    with np.errstate(divide="ignore", invalid="ignore"):  # a resample that has nothing to divide by has no figure
        return {
            name: Interval(float(figure(whole)[0]), *middle(figure(drawn), len(rows)), len(rows))
            for name, figure in figures.items()
        }


def compare(
    a: Floats, b: Floats, figures: Mapping[str, Figure], seed: int = 0, samples: int = 10_000
) -> dict[str, Paired]:
    """Each figure of two models over the same documents, rows (n, k) each: the difference's interval, from the same documents drawn for
    both, and p by dealing each document's two rows out at random (approximate randomization, Noreen 1989, §2; Riezler and Maxwell 2005).

    Raises `DataError` where the two are not as long.
    """
    if a.shape != b.shape:
        raise DataError(
            f"the first model has {len(a):,} results and the second {len(b):,}: compare them on the same documents"
        )
    whole_a, whole_b = _whole(a), _whole(b)
    drawn = _resampled(np.concatenate([a, b], axis=1), 1000, np.random.default_rng(seed))
    drawn_a, drawn_b = drawn[:, : a.shape[1]], drawn[:, a.shape[1] :]
    moved = _dealt(b - a, samples, np.random.default_rng(seed + 1))  # what dealing takes from b and adds to a
    found = {}
    for name, figure in figures.items():
        value_a, value_b = float(figure(whole_a)[0]), float(figure(whole_b)[0])
        difference = value_a - value_b
        interval = Interval(difference, *middle(figure(drawn_a) - figure(drawn_b), len(a)), len(a))
        by_chance = np.abs(figure(whole_a + moved) - figure(whole_b - moved))
        slack = 1e-9 * max(abs(value_a), abs(value_b), 1e-300)
        p = (1 + int((by_chance >= abs(difference) - slack).sum())) / (1 + samples)
        found[name] = Paired(value_a, value_b, interval, p)
    return found


def _whole(rows: Floats) -> Floats:
    if rows.ndim != 2 or not len(rows):
        raise DataError("there is nothing to take a figure over: give at least one document or item")
    whole: Floats = rows.sum(0, keepdims=True)
    return whole


def _resampled(rows: Floats, samples: int, generator: np.random.Generator) -> Floats:
    """The sums of each resample: (samples, k)."""
    n, parts = len(rows), []
    size = max(1, _BLOCK // n)
    for start in range(0, samples, size):
        count = min(size, samples - start)
        drawn = generator.integers(0, n, (count, n)) + np.arange(count)[:, None] * n
        parts.append(np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n).astype(np.float64) @ rows)
    return np.concatenate(parts)


def _dealt(differences: Floats, samples: int, generator: np.random.Generator) -> Floats:
    """The sums of some of the rows, each taken or not by a coin: (samples, k)."""
    n = len(differences)
    size = max(1, _BLOCK // n)
    counts = [min(size, samples - start) for start in range(0, samples, size)]
    return np.concatenate([(generator.random((count, n)) < 0.5).astype(np.float64) @ differences for count in counts])
