"""Student's t against scipy, and intervals of few values by how often they hold the true mean."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped,unused-ignore]

from groundup.evaluation.student import mean_of_few, quantile


@pytest.mark.parametrize("freedom", [1, 1.3, 2, 9, 57.5, 60, 1e4, 1e7])
def test_the_quantile_is_scipys(freedom: float) -> None:
    for share in (0.5, 0.9, 0.975):
        assert quantile(freedom, share) == pytest.approx(stats.t.ppf(share, freedom), rel=1e-4, abs=1e-4)


def test_the_interval_of_a_mean_is_scipys_within_what_can_be() -> None:
    values = np.array([1.0, 4.0, 2.0, 2.5])
    found = mean_of_few(values, 0.0, 100.0)
    expected = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-3)
    assert (found.value, found.n) == (2.375, 4)
    cut = mean_of_few(values, 2.0, 2.5)
    assert (cut.low, cut.high) == (2.0, 2.5)
    assert math.isnan(mean_of_few(values[:1], 0.0, 9.0).low)


@pytest.mark.parametrize("n", [2, 10])
def test_few_exposures_hold_their_mean(n: int) -> None:
    """Of secrets that nothing is known of they are exponential; the percentiles of a bootstrap held it for 10 of them in 85 of 100 cases,
    and for 2 in 45."""
    generator = np.random.default_rng(0)
    found = [mean_of_few(generator.exponential(1.44, n), 0.0, 20.0) for _ in range(1000)]
    assert np.mean([interval.low <= 1.44 <= interval.high for interval in found]) > 0.88
