"""How well a score tells those that were trained on from those that were not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from groundup.evaluation import student
from groundup.evaluation.intervals import Interval, Z, middle, proportion

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
FALSE_POSITIVES = 0.01
FEWEST_DOCUMENTS = 10
SAMPLES = 1000
BLOCKS = 20  # so that a few rows of many documents fit into memory


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
    """The area with an interval for few members, each a row by itself: the wider, at either end, of two.

    `score_ends` holds where members are spread as the others are, and where all stand out; `clustered_ends` where they are spread
    otherwise, as canaries are of which some are known and some aren't. For a single member it is the first alone.
    """
    low, high = score_ends(auc(rows), int((rows[:, 1] > 0).sum()), int((rows[:, 1] <= 0).sum()))
    other_low, other_high = clustered_ends(rows, np.arange(len(rows)))
    return Interval(auc(rows), float(np.fmin(low, other_low)), float(np.fmax(high, other_high)), len(rows))


def auc_over_documents(rows: Floats, documents: Integers) -> Interval:
    """The area with an interval over documents: rows of one of them are alike, so they count as one.

    `documents` (n,): the number of each row's, other numbers for members' than for others'. Where one side has fewer than
    `FEWEST_DOCUMENTS`, they are too few to tell chance by, and the ends are NaN.
    """
    members, others = _documents_of(rows, documents)
    few = min(members, others) < FEWEST_DOCUMENTS
    ends = (math.nan, math.nan) if few else clustered_ends(rows, documents)
    return Interval(auc(rows), *ends, members + others)


def clustered_ends(rows: Floats, documents: Integers) -> tuple[float, float]:
    """DeLong's interval of the area for rows in clusters (Obuchowski 1997), on the scale of its logit, with Student's t and the degrees
    of freedom of Welch and Satterthwaite, since documents are few. Where all stand out it is `score_ends` of as many documents; NaN
    where one side has a single one.
    """
    found, is_member = auc(rows), rows[:, 1] > 0
    if math.isnan(found):
        return math.nan, math.nan
    spread, freedom = 0.0, 0.0
    for own in (is_member, ~is_member):
        # Of each row, the share of the other side's that it is told from rightly.
        place = _share_below(rows[own, 0], rows[~own, 0])
        place = place if own is is_member else 1 - place
        _, document = np.unique(documents[own], return_inverse=True)
        count = document.max() + 1
        if count < 2:
            return math.nan, math.nan
        part = count / (count - 1) * float((np.bincount(document, place - found) ** 2).sum()) / len(place) ** 2
        spread, freedom = spread + part, freedom + part**2 / (count - 1)
    if not spread or found in (0.0, 1.0):
        return score_ends(found, *_documents_of(rows, documents))
    reach = student.quantile(spread**2 / freedom) * math.sqrt(spread) / (found * (1 - found))
    odds = math.log(found / (1 - found))
    return 1 / (1 + math.exp(reach - odds)), 1 / (1 + math.exp(-reach - odds))


def _share_below(scores: Floats, others: Floats) -> Floats:
    """(n,) the share of others that is below each score, equal ones counted half."""
    others = np.sort(others)
    return (np.searchsorted(others, scores, "left") + np.searchsorted(others, scores, "right")) / (2 * len(others))


def _documents_of(rows: Floats, documents: Integers) -> tuple[int, int]:
    """How many documents members and others are of."""
    is_member = rows[:, 1] > 0
    return len(np.unique(documents[is_member])), len(np.unique(documents[~is_member]))


def score_ends(found: float, members: int, others: int) -> tuple[float, float]:
    """The score interval of an area, which holds for a few members, too, and where all of them stand out: a bootstrap of ten scores that
    are all higher would be sure.

    All areas a for which |found - a| <= z σ(a), σ² = a (1 - a) (1 + (N - 1) ((1 - a) / (2 - a) + a / (1 + a))) / (members · others),
    N half of their number (Newcombe 2006, part 2, method 5, after Hanley and McNeil 1982).
    """
    if math.isnan(found):
        return math.nan, math.nan
    half = (members + others) / 2

    def is_near(area: float) -> bool:
        spread = 1 + (half - 1) * ((1 - area) / (2 - area) + area / (1 + area))
        return abs(found - area) <= Z * math.sqrt(area * (1 - area) * spread / (members * others))

    return _farthest(found, 0.0, is_near), _farthest(found, 1.0, is_near)


def _farthest(near: float, end: float, holds: Callable[[float], bool]) -> float:
    """How far from `near` towards `end` something holds; by halving, to the last digits."""
    far = end
    for _ in range(60):
        middle = (near + far) / 2
        near, far = (middle, far) if holds(middle) else (near, middle)
    return near


def rate_over_documents(rows: Floats, documents: Integers, seed: int) -> Interval:
    """`true_positive_rate` with an interval over documents, as `auc_over_documents`: a bootstrap that draws a document's rows together;
    where none or all are found, of which it would be sure, the score interval of as many documents (Wilson 1927)."""
    found, (members, others) = true_positive_rate(rows), _documents_of(rows, documents)
    if min(members, others) < FEWEST_DOCUMENTS:
        return Interval(found, math.nan, math.nan, members + others)
    if found in (0.0, 1.0):
        return replace(proportion(int(found) * members, members), n=members + others)
    _, document = np.unique(documents, return_inverse=True)
    count = document.max() + 1
    drawn = np.random.default_rng(seed).integers(0, count, (SAMPLES, count))
    rates = np.concatenate([_rates(rows, document, _times(part, count)) for part in np.array_split(drawn, BLOCKS)])
    return Interval(found, *middle(rates, count), count)


def _times(drawn: Integers, count: int) -> Floats:
    """(S, count) how often each document is among those that were drawn, (S, count) numbers."""
    return np.stack([np.bincount(draw, minlength=count) for draw in drawn]).astype(np.float64)


def _rates(rows: Floats, document: Integers, times: Floats) -> Floats:
    """(S,) `true_positive_rate` of rows whose documents, (n,) of each row, count so often: (S, documents)."""
    scores, of_row = rows[:, 0], times[:, document]
    members, others = (
        own[np.argsort(-scores[own], kind="stable")]
        for own in (np.flatnonzero(rows[:, 1] > 0), np.flatnonzero(rows[:, 1] <= 0))
    )
    above = np.cumsum(of_row[:, others], axis=1)  # how many others are as high as each of them
    allowed = np.floor(FALSE_POSITIVES * above[:, -1:])
    threshold = scores[others][(above > allowed).argmax(axis=1)]  # the first that is one too many
    found = np.cumsum(np.insert(of_row[:, members], 0, 0.0, axis=1), axis=1)
    higher = np.searchsorted(-scores[members], -threshold)
    both = (above[:, -1] > 0) & (found[:, -1] > 0)  # a sample of one side alone has no rate
    rates: Floats = found[np.arange(len(times)), higher] / np.where(both, found[:, -1], math.nan)
    return rates


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
