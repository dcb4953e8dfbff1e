"""How well scores separate, against scikit-learn and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve  # type: ignore[import-untyped,unused-ignore]

from groundup.evaluation.memorization.separation import (
    auc,
    auc_interval,
    over_documents,
    rows_of,
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
    half = auc_interval(rows_of(np.array([2.0] * 5 + [0.0] * 5), np.ones(1000)))
    width = 1.96 * math.sqrt(1011 / (12 * 10 * 1000))
    assert half.value == 0.5
    assert half.n == 1010
    assert (half.low, half.high) == pytest.approx((0.5 - width, 0.5 + width), abs=0.02)
    assert 0.5 - half.low == pytest.approx(half.high - 0.5)
    every = auc_interval(rows_of(np.full(10, 2.0), np.ones(1000)))
    assert (every.value, every.high) == (1.0, 1.0)
    assert 0.85 < every.low < 0.95  # ten that stand out are not all that there could be
    assert math.isnan(auc_interval(rows_of(np.zeros(0), np.ones(3))).low)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_areas_interval_holds_the_true_area_19_times_in_20(shift: float) -> None:
    """Normal scores, `shift` deviations apart, have the area Φ(shift / √2); ten members, as many canaries as are usual."""
    generator = np.random.default_rng(5)
    true = 0.5 * (1 + math.erf(shift / 2))
    intervals = [auc_interval(rows_of(generator.normal(shift, 1, 10), generator.normal(0, 1, 100))) for _ in range(600)]
    held = sum(interval.low <= true <= interval.high for interval in intervals)
    assert 0.93 <= held / 600 <= 0.985


def test_rows_of_one_document_are_drawn_together() -> None:
    """Ten documents whose ten rows are all alike tell no more than ten rows would, and a single one tells nothing."""
    generator = np.random.default_rng(2)
    scores = generator.normal(size=20)
    rows = rows_of(scores[:10], scores[10:])
    alike = rows_of(scores[:10].repeat(10), scores[10:].repeat(10))
    few = over_documents(rows, np.arange(20), auc, 3)
    many = over_documents(alike, np.arange(20).repeat(10), auc, 3)
    assert (many.value, many.low, many.high, many.n) == pytest.approx((few.value, few.low, few.high, 20))
    narrow = over_documents(alike, np.arange(200), auc, 3)
    assert narrow.high - narrow.low < 0.5 * (few.high - few.low)
    shuffled = generator.permutation(200)
    other = over_documents(alike[shuffled], np.arange(20).repeat(10)[shuffled], auc, 3)
    assert (other.low, other.high) == pytest.approx((many.low, many.high))
    one = over_documents(rows, np.array([0] * 10 + list(range(1, 11))), auc, 3)
    assert (one.value, one.n) == (few.value, 11)
    assert math.isnan(one.low)
