"""How well a score tells those that were trained on from those that were not."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FALSE_POSITIVES = 0.01


def rows_of(members: Floats, others: Floats) -> Floats:
    """(n, 2) scores and whether each is a member's, as `bootstrap` resamples them."""
    is_member = np.concatenate([np.ones(len(members)), np.zeros(len(others))])
    return np.column_stack([np.concatenate([members, others]), is_member])


def auc(rows: Floats) -> float:
    """The chance that a member's score is higher than another's, ties counted half: the area under the ROC curve.

    It is Mann and Whitney's U over the number of pairs (Hanley and McNeil 1982). `rows` (n, 2) as `rows_of` gives them; NaN if
    either kind is missing.
    """
    scores, is_member = rows[:, 0], rows[:, 1] > 0
    members = int(is_member.sum())
    others = len(scores) - members
    if not members or not others:
        return math.nan
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - counts + 1 + ends) / 2  # of equal scores the mean of their ranks
    above = ranks[place][is_member].sum() - members * (members + 1) / 2
    return float(above / (members * others))


def true_positive_rate(rows: Floats, false_positive_rate: float = FALSE_POSITIVES) -> float:
    """The share of members that are found by the lowest threshold that finds no more than this share of the others.

    Carlini et al. 2022 (Membership inference attacks from first principles, §II): what can be told of a few with certainty is a leak,
    though the average says nothing. NaN if either kind is missing.
    """
    scores, is_member = rows[:, 0], rows[:, 1] > 0
    members, others = scores[is_member], np.sort(scores[~is_member])[::-1]
    if not len(members) or not len(others):
        return math.nan
    allowed = math.floor(false_positive_rate * len(others))
    return float((members > others[allowed]).mean()) if allowed < len(others) else 1.0
