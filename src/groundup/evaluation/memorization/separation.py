"""How well a score tells those that were trained on from those that were not."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundup.evaluation.intervals import Interval, Z, bootstrap

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
FALSE_POSITIVES = 0.01
FEWEST_DOCUMENTS = 10


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


def auc_interval(rows: Floats) -> Interval:
    """The area with a score interval, which holds for a few members, too, and where all of them stand out: a bootstrap of ten scores
    that are all higher would be sure.

    All areas a for which |found - a| <= z σ(a), σ² = a (1 - a) (1 + (N - 1) ((1 - a) / (2 - a) + a / (1 + a))) / (members · others),
    N half of their number (Newcombe 2006, part 2, method 5, after Hanley and McNeil 1982).
    """
    found, members = auc(rows), int((rows[:, 1] > 0).sum())
    others = len(rows) - members
    if math.isnan(found):
        return Interval(found, math.nan, math.nan, len(rows))
    half = (members + others) / 2

    def is_near(area: float) -> bool:
        spread = 1 + (half - 1) * ((1 - area) / (2 - area) + area / (1 + area))
        return abs(found - area) <= Z * math.sqrt(area * (1 - area) * spread / (members * others))

    return Interval(found, _farthest(found, 0.0, is_near), _farthest(found, 1.0, is_near), len(rows))


def _farthest(near: float, end: float, holds: Callable[[float], bool]) -> float:
    """How far from `near` towards `end` something holds; by halving, to the last digits."""
    far = end
    for _ in range(60):
        middle = (near + far) / 2
        near, far = (middle, far) if holds(middle) else (near, middle)
    return near


def over_documents(rows: Floats, documents: Integers, statistic: Callable[[Floats], float], seed: int) -> Interval:
    """A figure of rows (n, 2) with an interval over documents: rows of one of them are alike, so all of them are drawn together.

    `documents` (n,): the number of each row's, other numbers for members' than for others'. Where one side has fewer than
    `FEWEST_DOCUMENTS`, they are too few to tell chance by, and the ends are NaN.
    """
    order = np.argsort(documents, kind="stable")
    _, begins, counts = np.unique(documents[order], return_index=True, return_counts=True)
    ordered = rows[order]
    of_members = int((ordered[begins, 1] > 0).sum())
    if min(of_members, len(begins) - of_members) < FEWEST_DOCUMENTS:
        return Interval(statistic(rows), math.nan, math.nan, len(begins))

    def of_drawn(drawn: Floats) -> float:
        chosen = drawn.astype(np.int64)
        ends = np.cumsum(counts[chosen])
        within = np.arange(ends[-1]) - np.repeat(ends - counts[chosen], counts[chosen])
        return statistic(ordered[np.repeat(begins[chosen], counts[chosen]) + within])

    return bootstrap(np.arange(len(begins)), of_drawn, seed)


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
