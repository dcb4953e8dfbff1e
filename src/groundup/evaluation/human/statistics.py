"""The figures of preferences and scores: Bradley and Terry's strengths, and Krippendorff's alpha."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Level = Literal["nominal", "ordinal", "interval"]


def bradley_terry(wins: NDArray[np.float64], steps: int = 10_000) -> NDArray[np.float64]:
    """Each model's strength (M,), in nats, with mean 0: i is preferred to j with probability 1 / (1 + exp(s_j - s_i)).

    Bradley and Terry (1952), by the iteration of Hunter (2004, MM algorithms for generalized Bradley-Terry models, §2). `wins[i, j]`: how
    often i was preferred to j; half of each tie. One tie is added between each two models, so that one that never lost stays finite.
    """
    number = len(wins)
    wins = wins + 0.5 * (1 - np.eye(number))
    games, won, strength = wins + wins.T, wins.sum(1), np.ones(number)
    for _ in range(steps):
        before = strength
        strength = won / (games / (before[:, None] + before[None])).sum(1)
        strength = strength / np.exp(np.log(strength).mean())
        if np.abs(np.log(strength / before)).max() < 1e-10:
            break
    logs: NDArray[np.float64] = np.log(strength)
    return logs


def krippendorff_alpha(table: NDArray[np.float64], level: Level) -> float:
    """Agreement of raters: 1 of all, 0 as by chance. `table` (raters, units), NaN where a rater said nothing.

    Krippendorff (2011), Computing Krippendorff's Alpha-Reliability: 1 - observed / expected disagreement over pairs of values of one
    unit; values differ or not (nominal), by the values between them (ordinal), or by their distance's square (interval). NaN where no
    unit has two values, or all values are one, which leaves nothing to agree on.
    """
    values = np.unique(table[~np.isnan(table)])
    counts = np.stack([(table == value).sum(0) for value in values], axis=1) if len(values) else np.zeros((0, 0))
    counts = counts[counts.sum(1) >= 2].astype(np.float64)  # (units, values): a value that stands alone says nothing
    if not counts.size:
        return float("nan")
    rated = counts.sum(1)
    coincidences = np.einsum("uv,uw->vw", counts / (rated - 1)[:, None], counts)
    coincidences -= np.diag((counts / (rated - 1)[:, None]).sum(0))
    totals = coincidences.sum(1)
    expected = (np.outer(totals, totals) - np.diag(totals)) / (totals.sum() - 1)
    apart = _distances(values, totals, level)
    chance = float((expected * apart).sum())
    return float("nan") if chance == 0 else 1 - float((coincidences * apart).sum()) / chance


def _distances(values: NDArray[np.float64], totals: NDArray[np.float64], level: Level) -> NDArray[np.float64]:
    if level == "nominal":
        return 1 - np.eye(len(values))
    if level == "interval":
        return (values[:, None] - values[None]) ** 2
    places = np.cumsum(totals) - totals / 2  # the middle of each value's ranks
    return (places[:, None] - places[None]) ** 2
