"""Bradley-Terry and Krippendorff's alpha, held to closed forms, to a maximum found otherwise, and to Krippendorff's own example."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize

from groundup.evaluation.human.statistics import Level, bradley_terry, krippendorff_alpha

NONE = math.nan
# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, example C: four observers, twelve units.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3],
    [NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE],
]


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_krippendorffs_own_example(level: Level, alpha: float) -> None:
    assert krippendorff_alpha(np.array(OBSERVERS), level) == pytest.approx(alpha, abs=5e-4)


def test_agreement_of_all_of_none_and_where_nobody_can_say() -> None:
    assert krippendorff_alpha(np.array([[1.0, 2, 3], [1, 2, 3]]), "nominal") == 1
    assert krippendorff_alpha(np.array([[1.0, 2, 1, 2], [2, 1, 2, 1]]), "nominal") < 0
    for nothing in ([[1.0, NONE], [NONE, 2]], [[3.0, 3], [3, 3]], [[NONE], [NONE]]):
        assert math.isnan(krippendorff_alpha(np.array(nothing), "ordinal"))


def test_two_models_have_the_closed_form() -> None:
    strengths = bradley_terry(np.array([[0, 30.0], [10, 0]]))
    assert strengths[0] - strengths[1] == pytest.approx(math.log(30.5 / 10.5))
    never_lost = bradley_terry(np.array([[0, 5.0], [0, 0]]))
    assert np.isfinite(never_lost).all()


@given(arrays(np.int64, (4, 4), elements=st.integers(0, 9)))
def test_it_is_where_the_likelihood_is_highest(wins: np.ndarray) -> None:
    wins = wins.astype(float)
    np.fill_diagonal(wins, 0)
    counted = wins + 0.5 * (1 - np.eye(4))

    def unlikely(strengths: np.ndarray) -> float:
        apart = strengths[:, None] - strengths[None]
        return float((counted * np.logaddexp(0, -apart)).sum())

    ours = bradley_terry(wins)
    assert abs(ours.sum()) < 1e-8
    best = minimize(unlikely, np.zeros(4)).fun
    assert unlikely(ours) <= best + 1e-6
