"""The plain bootstrap, paired test and calibration error give what the library's give."""

from __future__ import annotations

import random
from statistics import mean

import numpy as np
import pytest

from groundup.evaluation.intervals import bootstrap, paired
from groundup.evaluation.predicted import predicted
from groundup.language_model.token_losses import Predictions
from groundup.textbook.bootstrap import bootstrap_interval, paired_p_value
from groundup.textbook.calibration import calibration_error


def test_the_interval_is_the_librarys() -> None:
    values = np.random.default_rng(1).exponential(2, 40).tolist()
    low, high = bootstrap_interval(values, mean, random.Random(2))
    expected = bootstrap(values)
    assert low == pytest.approx(expected.low, rel=0.06)
    assert high == pytest.approx(expected.high, rel=0.06)


def test_the_paired_test_is_the_librarys() -> None:
    generator = np.random.default_rng(3)
    a = generator.normal(0, 1, 30)
    b = a + generator.normal(0.1, 0.4, 30)
    assert paired_p_value(a.tolist(), b.tolist(), random.Random(4)) == pytest.approx(paired(a, b).p, abs=0.04)
    assert paired_p_value([1, 2], [1, 2], random.Random(4)) == 1


def test_the_calibration_error_is_the_librarys() -> None:
    generator = np.random.default_rng(5)
    confidences = generator.uniform(0, 1, 500).astype(np.float32)
    right = generator.random(500) < confidences**2
    found = Predictions(np.ones(500, np.float32), confidences, right)
    rows = predicted(found, np.arange(50, 501, 50), np.ones(500), "documents")
    expected = rows.intervals(["calibration_error"])["calibration_error"].value
    assert calibration_error(confidences.tolist(), right.tolist()) == pytest.approx(expected, abs=1e-6)
    assert calibration_error([1.0, 1.0, 0.0], [True, True, False]) == 0
