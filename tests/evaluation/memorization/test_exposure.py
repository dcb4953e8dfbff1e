"""Exposure against hand-worked ranks, and its tail against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped,unused-ignore]

from groundup.evaluation.memorization.exposure import Exposure, SkewNormal, exposure, fit_error


def test_by_hand() -> None:
    losses = np.arange(1000.0)
    assert exposure(-1.0, losses, 1001) == Exposure(math.log2(1001), False, math.log2(1001))  # likelier than all
    assert exposure(499.5, losses, 1001).bits == pytest.approx(math.log2(1001 / 501))  # 500 of 1,000 are likelier
    assert exposure(5000.0, losses, 1001).bits == 0.0
    assert exposure(0.0, np.zeros(7), 8).bits == 0.0  # all alike: it might as well be the last


def test_what_nothing_is_known_of_has_log2_e_bits_on_average() -> None:
    losses = np.random.default_rng(0).normal(size=4000)
    bits = [exposure(loss, np.delete(losses, place), 4000).bits for place, loss in enumerate(losses.tolist())]
    assert np.mean(bits) == pytest.approx(math.log2(math.e), abs=0.01)


def test_beyond_a_sample_the_tail_of_the_fitted_distribution_counts() -> None:
    """Drawn from a known distribution, a secret's true rank among a million million is its tail's probability."""
    true = stats.skewnorm(-3, loc=20, scale=2)
    sample = true.rvs(20_000, random_state=1)
    loss = float(sample.min()) - 1.0
    found = exposure(loss, sample, 10**12)
    assert found.extrapolated
    assert found.counted == pytest.approx(math.log2(20_001))
    assert found.bits == pytest.approx(-true.logcdf(loss) / math.log(2), rel=0.05)
    assert exposure(-100.0, sample, 10**12).bits == pytest.approx(
        math.log2(10**12)
    )  # never more than there are secrets


@pytest.mark.parametrize(("shape", "scale"), [(0.0, 1.0), (2.5, 0.5), (-4.0, 3.0), (-0.5, 10.0)])
def test_the_tail_is_scipys(shape: float, scale: float) -> None:
    ours, theirs = SkewNormal(1.0, scale, shape), stats.skewnorm(shape, loc=1.0, scale=scale)
    for deviations in (-6.0, -3.0, -1.0, 0.0, 1.0, 5.0):
        value = 1.0 + deviations * scale
        expected = float(theirs.logcdf(value))
        if expected > -30:  # below, scipy's differences of nearly equal numbers lose their digits
            assert ours.log_below(value) == pytest.approx(expected, rel=2e-3, abs=2e-4)


def test_a_fit_that_is_no_good_is_found_out() -> None:
    """Losses of five digits, each of a distribution of its own after each beginning, have a shorter tail than the skew-normal; what is
    drawn from the skew-normal itself has its tail."""
    generator, losses = np.random.default_rng(0), np.zeros(1)
    for _ in range(5):
        shares = generator.gamma(1.0, size=(len(losses), 10))
        losses = (losses[:, None] - np.log(shares / shares.sum(1, keepdims=True))).ravel()
    sample = generator.choice(losses, 10_000, replace=False)
    assert fit_error(sample) < -1
    lowest = float(losses.min()) - 0.01  # likelier than all hundred thousand, so its exposure is all that there is
    assert exposure(lowest, sample, 100_001).bits < math.log2(100_001) - 2
    assert abs(fit_error(stats.skewnorm(-3, loc=20, scale=2).rvs(10_000, random_state=3))) < 1
    assert math.isnan(fit_error(losses[:999]))


def test_a_fit_has_the_moments_of_what_it_was_fitted_to() -> None:
    drawn = stats.skewnorm(4, loc=-1, scale=3).rvs(5000, random_state=2)
    fitted = SkewNormal.fit(drawn)
    mean, variance, skewness = stats.skewnorm.stats(fitted.shape, loc=fitted.place, scale=fitted.scale, moments="mvs")
    assert (mean, variance, skewness) == pytest.approx((drawn.mean(), drawn.var(), stats.skew(drawn)), rel=1e-6)
    same = SkewNormal.fit(np.full(5, 2.0))
    assert (same.log_below(1.0), same.log_below(2.0)) == (-math.inf, 0.0)
