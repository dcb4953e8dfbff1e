"""How well scores separate, against scikit-learn and by hand."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped,unused-ignore]
from sklearn.metrics import roc_auc_score, roc_curve  # type: ignore[import-untyped,unused-ignore]

from groundup.evaluation.memorization.separation import (
    _rates,
    auc,
    auc_interval,
    auc_over_documents,
    clustered_ends,
    rate_over_documents,
    rows_of,
    score_ends,
    true_positive_rate,
)


def test_the_area_is_scikit_learns() -> None:
    generator = np.random.default_rng(0)
    for members, others in ((50, 80), (1, 200), (300, 2)):
        rows = rows_of(generator.normal(0.5, 1, members).round(1), generator.normal(0, 1, others).round(1))
        assert auc(rows) == pytest.approx(roc_auc_score(rows[:, 1], rows[:, 0]))


def test_the_rate_is_the_highest_of_scikit_learns_curve_within_the_false_positives() -> None:
    generator = np.random.default_rng(1)
    rows = rows_of(generator.normal(1, 1, 400), generator.normal(0, 1, 300))
    false, true, _ = roc_curve(rows[:, 1], rows[:, 0], drop_intermediate=False)
    assert true_positive_rate(rows) == pytest.approx(true[false <= 0.01].max())
    assert true_positive_rate(rows, 1.0) == 1.0


def test_by_hand() -> None:
    others = np.arange(100.0)  # one of them may be found by mistake: the threshold is the second highest, 98
    assert true_positive_rate(rows_of(np.array([97.0, 98.0, 98.5, 200.0]), others)) == 0.5
    assert math.isnan(auc(rows_of(np.zeros(3), np.zeros(0))))
    assert math.isnan(true_positive_rate(rows_of(np.zeros(0), np.zeros(3))))


def test_the_areas_interval_by_hand() -> None:
    """Of as many pairs as there are, 0.5 has the null distribution's width: (m + n + 1) / (12 m n), one pair's part apart."""
    low, high = score_ends(0.5, 10, 1000)
    width = 1.96 * math.sqrt(1011 / (12 * 10 * 1000))
    assert (low, high) == pytest.approx((0.5 - width, 0.5 + width), abs=0.02)
    assert 0.5 - low == pytest.approx(high - 0.5)
    half = auc_interval(rows_of(np.array([2.0] * 5 + [0.0] * 5), np.ones(1000)))
    assert (half.value, half.n) == (0.5, 1010)
    # Half of them are above all, half below all: a deviation of √(10 / 9) / 2 of ten, and Student's t for nine.
    reach = 2.262 * math.sqrt(10 / 9) / 2 / math.sqrt(10) / 0.25
    assert (half.low, half.high) == pytest.approx((1 / (1 + math.exp(reach)), 1 / (1 + math.exp(-reach))), abs=1e-3)
    every = auc_interval(rows_of(np.full(10, 2.0), np.ones(1000)))
    assert (every.value, every.high) == (1.0, 1.0)
    assert 0.85 < every.low < 0.95  # ten that stand out are not all that there could be
    alone = auc_interval(rows_of(np.array([1.5]), np.arange(4.0)))
    assert (alone.low, alone.high) == pytest.approx(score_ends(0.5, 1, 4))
    assert math.isnan(auc_interval(rows_of(np.zeros(0), np.ones(3))).low)


@pytest.mark.parametrize(("shift", "spread"), [(0.0, 1.0), (2.0, 1.0), (0.0, 2.0), (1.0, 4.0)])
def test_the_areas_interval_holds_the_true_area_19_times_in_20(shift: float, spread: float) -> None:
    """Normal scores, `shift` apart and members with another deviation, have the area Φ(shift / √(1 + spread²)); ten members, as many
    canaries as are usual. The score interval alone held it in 80 to 89 of 100 cases where members are spread more widely."""
    generator = np.random.default_rng(5)
    true = 0.5 * (1 + math.erf(shift / math.sqrt(2 * (1 + spread**2))))
    found = [
        auc_interval(rows_of(generator.normal(shift, spread, 10), generator.normal(0, 1, 100))) for _ in range(300)
    ]
    assert np.mean([interval.low <= true <= interval.high for interval in found]) >= 0.93


def test_without_clusters_the_variance_is_delongs() -> None:
    """DeLong et al. 1988: each side's placements have a variance, which is divided by how many there are. Each by its definition."""
    generator = np.random.default_rng(3)
    members, others = generator.normal(0.8, 1, 40).round(1), generator.normal(0, 1, 60).round(1)
    pairs = (members[:, None] > others).astype(float) + 0.5 * (members[:, None] == others)
    area, first, second = pairs.mean(), pairs.mean(1).var(ddof=1) / 40, pairs.mean(0).var(ddof=1) / 60
    freedom = (first + second) ** 2 / (first**2 / 39 + second**2 / 59)
    reach = stats.t.ppf(0.975, freedom) * math.sqrt(first + second) / (area * (1 - area))
    expected = [1 / (1 + math.exp(-math.log(area / (1 - area)) - sign * reach)) for sign in (-1, 1)]
    assert clustered_ends(rows_of(members, others), np.arange(100)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shift", [0.0, 2.5])
def test_the_areas_interval_over_documents_holds_the_true_area(shift: float) -> None:
    """Ten documents of five rows on either side, half of whose variance is the document's; a bootstrap held it in 75 to 90 of 100 cases."""
    generator = np.random.default_rng(6)
    true, documents, held = 0.5 * (1 + math.erf(shift / 2)), np.arange(20).repeat(5), 0
    for _ in range(200):
        scores = generator.normal(0, math.sqrt(0.5), 20).repeat(5) + generator.normal(0, math.sqrt(0.5), 100)
        interval = auc_over_documents(rows_of(scores[:50] + shift, scores[50:]), documents)
        held += interval.low <= true <= interval.high
    assert held / 200 >= 0.92


def test_documents_that_are_all_told_apart_leave_room_for_others() -> None:
    documents = np.arange(30).repeat(10)
    rows = rows_of(np.full(120, 2.0), np.ones(180))
    area, rate = auc_over_documents(rows, documents), rate_over_documents(rows, documents, 0)
    assert (area.value, area.high, area.n) == (1.0, 1.0, 30)
    assert area.low == pytest.approx(score_ends(1.0, 12, 18)[0])
    assert (rate.value, rate.high, rate.n) == (1.0, 1.0, 30)
    assert rate.low == pytest.approx(12 / (12 + 1.96**2), abs=1e-4)  # Wilson's of 12 of 12
    none = rate_over_documents(rows_of(np.zeros(120), np.ones(180)), documents, 0)
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(1 - rate.low)


def test_rates_of_resamples_are_the_plain_rates() -> None:
    """Each row as often as its document was drawn, laid out one by one."""
    generator = np.random.default_rng(4)
    rows = rows_of(generator.normal(0.5, 1, 150).round(1), generator.normal(0, 1, 250).round(1))
    document = np.concatenate([np.arange(150) // 10, 15 + np.arange(250) // 10])
    times = generator.integers(0, 4, (20, 40)).astype(np.float64)
    times[0, :15] = times[1, 15:] = 0  # one side alone
    plain = [true_positive_rate(rows.repeat(of_document[document].astype(int), axis=0)) for of_document in times]
    assert _rates(rows, document, times) == pytest.approx(plain, nan_ok=True)
    assert np.isnan(plain).sum() == 2


@pytest.mark.parametrize(("shift", "clusters"), [(2.0, 1), (1.0, 5)])
def test_the_rates_interval_holds_the_true_rate(shift: float, clusters: int) -> None:
    """Normal scores, 300 a side: at the threshold that one other in a hundred exceeds, Φ(shift - 2.326) of the members are found."""
    generator, held = np.random.default_rng(7), 0
    true, documents = stats.norm.sf(stats.norm.isf(0.01) - shift), np.arange(600 // clusters).repeat(clusters)
    shared = 0.0 if clusters == 1 else 0.5
    for _ in range(40):
        scores = generator.normal(0, 1, 600) * math.sqrt(1 - shared)
        scores += generator.normal(0, 1, 600 // clusters).repeat(clusters) * math.sqrt(shared)
        interval = rate_over_documents(rows_of(scores[:300] + shift, scores[300:]), documents, 0)
        held += interval.low <= true <= interval.high
    assert held / 40 >= 0.88


def test_rows_of_one_document_are_drawn_together() -> None:
    """Ten documents whose ten rows are all alike tell no more than ten rows would, and a single one tells nothing."""
    generator = np.random.default_rng(2)
    scores = generator.normal(size=20)
    rows = rows_of(scores[:10], scores[10:])
    alike = rows_of(scores[:10].repeat(10), scores[10:].repeat(10))
    for interval in (auc_over_documents, partial(rate_over_documents, seed=3)):
        few = interval(rows, np.arange(20))
        many = interval(alike, np.arange(20).repeat(10))
        assert (many.value, many.low, many.high, many.n) == pytest.approx((few.value, few.low, few.high, 20))
        narrow = interval(alike, np.arange(200))
        assert narrow.high - narrow.low < 0.8 * (few.high - few.low)
        shuffled = generator.permutation(200)
        other = interval(alike[shuffled], np.arange(20).repeat(10)[shuffled])
        assert (other.low, other.high) == pytest.approx((many.low, many.high))
        one = interval(rows, np.array([0] * 10 + list(range(1, 11))))
        assert (one.value, one.n) == (few.value, 11)
        assert math.isnan(one.low)
