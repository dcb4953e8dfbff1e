"""How well scores separate, against scikit-learn and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve  # type: ignore[import-untyped,unused-ignore]

from groundup.evaluation.memorization.separation import auc, rows_of, true_positive_rate


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
