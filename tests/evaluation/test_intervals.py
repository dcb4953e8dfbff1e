"""Intervals and paired tests against scipy, closed forms and cases worked by hand."""

from __future__ import annotations

import math
from dataclasses import astuple
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped,unused-ignore]

from groundup.errors import DataError
from groundup.evaluation.intervals import (
    bootstrap,
    holm,
    mean,
    mean_of_few,
    mean_share,
    middle,
    paired,
    proportion,
    ratio,
)
from groundup.evaluation.totals import compare


def test_a_bootstrap_interval_of_a_mean_is_the_one_that_theory_gives() -> None:
    values = np.random.default_rng(1).normal(5, 2, 400)
    interval = bootstrap(values)
    half = 1.96 * values.std() / math.sqrt(400)
    assert interval.value == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.15 * half)
    assert interval.n == 400
    assert bootstrap(values) == interval  # the same seed, the same interval


def test_a_bootstrap_interval_is_scipys() -> None:
    generator = np.random.default_rng(2)
    rows = np.stack([generator.gamma(2, 3, 60), generator.integers(5, 50, 60)], axis=1)

    def scipys_ratio(above: np.ndarray, below: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(above.sum(axis) / below.sum(axis))

    expected = stats.bootstrap(
        (rows[:, 0], rows[:, 1]), scipys_ratio, paired=True, method="percentile", n_resamples=4000, rng=3
    ).confidence_interval
    interval = bootstrap(rows, ratio, samples=4000)
    assert interval.value == pytest.approx(rows[:, 0].sum() / rows[:, 1].sum())
    assert interval.low == pytest.approx(expected.low, rel=0.03)
    assert interval.high == pytest.approx(expected.high, rel=0.03)


def test_an_interval_holds_the_truth_about_95_times_in_100() -> None:
    generator = np.random.default_rng(4)
    intervals = [bootstrap(generator.exponential(1, 80), samples=200, seed=seed) for seed in range(200)]
    held = sum(interval.low <= 1 <= interval.high for interval in intervals)
    assert 176 <= held <= 199


@pytest.mark.parametrize("n", [2, 3, 5, 20, 100, 1000])
def test_a_means_interval_is_as_wide_as_students(n: int) -> None:
    """Means of n values drawn again, of a variance of 1 with n - 1, are about normal with the variance (n - 1) / n²."""
    tail = stats.norm.cdf(-math.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1))
    assert middle(np.linspace(0, 1, 10_001), n)[0] == pytest.approx(tail, abs=1e-5)
    if n >= 20:  # of a few, the tail is beyond any number of resamples
        means = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000) * math.sqrt((n - 1) / n / n)
        assert middle(means, n) == pytest.approx(stats.t.interval(0.95, n - 1, scale=1 / math.sqrt(n)), rel=2e-3)


def test_the_p_of_equal_models_is_uniform() -> None:
    generator = np.random.default_rng(8)
    by_sums = {"mean": lambda sums: sums[:, 0] / 15}
    exact, drawn = [], []
    for seed in range(200):
        a, b = generator.exponential(1, (2, 15)) * generator.exponential(1, 15)
        exact.append(paired(a[:10], b[:10], samples=1024).p)
        drawn.append(compare(a[:, None], b[:, None], by_sums, seed, samples=199)["mean"].p)
    for p_values in (exact, drawn):
        assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_of_one_row_no_interval_can_be_said() -> None:
    interval = bootstrap([3.0])
    assert (interval.value, interval.n) == (3.0, 1)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert math.isnan(paired([1.0], [2.0]).difference.low)


def test_resamples_without_a_figure_are_left_out() -> None:
    def only_of_both(rows: np.ndarray) -> float:
        return float(rows.mean()) if 0 < rows.mean() < 1 else math.nan

    interval = bootstrap([0, 0, 1], only_of_both)
    assert (interval.low, interval.high) == pytest.approx((1 / 3, 2 / 3))


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (1, 10), (81, 263), (15, 148), (7, 7), (0, 1), (1, 29)])
def test_a_shares_interval_is_wilsons(successes: int, n: int) -> None:
    expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
    interval = proportion(successes, n)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert interval.value == successes / n


def test_a_share_of_none_or_all_is_not_taken_for_certain() -> None:
    for values, expected in (([0.0] * 16, proportion(0, 16)), ([1.0] * 7, proportion(7, 7)), ([0.0], proportion(0, 1))):
        assert astuple(mean_share(values)) == pytest.approx(astuple(expected))
    assert astuple(mean_share([[2, 2], [3, 3]], ratio)) == pytest.approx(astuple(proportion(2, 2)))
    assert mean_share([0.5, 0.0, 1.0], seed=3) == bootstrap([0.5, 0.0, 1.0], seed=3)


def test_rows_that_are_all_alike_do_not_say_how_others_vary() -> None:
    """By Wilson up to 27.75 % of others may be unlike ten of a kind; where a figure has ends, the interval counts those as lying there."""
    unlike = stats.binomtest(0, 10).proportion_ci(method="wilson").high
    sevenths = [[number / 7, number] for number in range(1, 11)]  # whose ratio is the same but for rounding
    for found in (bootstrap([4.2] * 10), bootstrap(sevenths, ratio), paired([2.0] * 10, [1.0] * 10).difference):
        assert math.isnan(found.low)
        assert math.isnan(found.high)
    ties, best = mean_share([0.5] * 10), mean_share([5.0] * 10, lowest=1, highest=5)
    assert (ties.low, ties.high) == pytest.approx((0.5 - unlike / 2, 0.5 + unlike / 2))
    assert (best.low, best.high) == pytest.approx((5 - 4 * unlike, 5))


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


def test_few_values_that_are_all_alike_are_not_taken_for_certain() -> None:
    unlike = stats.binomtest(0, 10).proportion_ci(method="wilson").high
    assert unlike == pytest.approx(0.2775, abs=5e-5)
    at_most, between = mean_of_few(np.full(10, 8.0), 0.0, 8.0), mean_of_few(np.full(10, 3.0), 1.0, 8.0)
    assert (at_most.value, at_most.low, at_most.high) == pytest.approx((8.0, 8.0 * (1 - unlike), 8.0))
    assert (between.low, between.high) == pytest.approx((3.0 - 2.0 * unlike, 3.0 + 5.0 * unlike))
    assert mean_of_few(np.zeros(10), 0.0, 1.0) == mean_share([0.0] * 10)


def test_exposures_that_are_mostly_the_highest_hold_their_mean() -> None:
    """Where 85 of 100 secrets are first of all, a fifth of samples of ten holds no other; Student's interval of these has no
    width, and so held the mean in 70 of 100 samples."""
    generator = np.random.default_rng(0)
    mean_of_all = 0.85 * 20 + 0.15 * 10
    drawn = np.where(generator.random((1000, 10)) < 0.85, 20.0, generator.uniform(0, 20, (1000, 10)))
    found = [mean_of_few(sample, 0.0, 20.0) for sample in drawn]
    assert np.mean([interval.low <= mean_of_all <= interval.high for interval in found]) > 0.88


def test_few_pairs_are_tested_exactly() -> None:
    a, b = [1.0, 2.0, 3.0, 4.0, 5.5], [0.5, 2.5, 1.0, 3.0, 1.0]
    differences = np.subtract(a, b)
    all_means = [abs(np.dot(signs, differences)) for signs in product((1, -1), repeat=5)]
    expected = np.mean([total >= abs(differences.sum()) - 1e-9 for total in all_means])
    result = paired(a, b)
    assert result.p == expected == pytest.approx(6 / 32)  # the halves turned in any way but one, times 2
    assert result.difference.value == pytest.approx(result.a - result.b) == pytest.approx(differences.mean())


def test_many_pairs_give_scipys_p() -> None:
    generator = np.random.default_rng(5)
    a = generator.normal(0, 1, 80)
    b = a + generator.normal(0.15, 0.8, 80)
    expected = stats.permutation_test(
        (a, b), lambda x, y, axis: (x - y).mean(axis), permutation_type="samples", n_resamples=9999, rng=6
    )
    result = paired(a, b)
    assert result.p == pytest.approx(float(expected.pvalue), abs=0.015)
    swapped = paired(np.stack([a, np.ones(80)], 1), np.stack([b, np.ones(80)], 1), ratio, samples=2000)
    assert swapped.p == pytest.approx(result.p, abs=0.03)  # dealing out rows of two columns is flipping signs
    assert result.difference.low < result.difference.value < result.difference.high


def test_models_that_do_the_same_do_not_differ() -> None:
    result = paired([0.1, 0.2, 0.3] * 20, [0.1, 0.2, 0.3] * 20)
    assert (result.difference.value, result.p) == (0.0, 1.0)


def test_holms_p_values() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # by hand: times 3, 1, 2, 4
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_lies_between_none_and_bonferroni(p_values: list[float]) -> None:
    for p, adjusted in zip(p_values, holm(p_values), strict=True):
        assert p <= adjusted <= 1
        assert adjusted <= len(p_values) * p + 1e-12 or adjusted <= max(holm(p_values))


def test_what_cannot_be_measured_is_said() -> None:
    with pytest.raises(DataError, match="nothing to take a figure over"):
        bootstrap([])
    with pytest.raises(DataError, match="12 of 10 is no share"):
        proportion(12, 10)
    with pytest.raises(DataError, match="0 of 0"):
        proportion(0, 0)
    with pytest.raises(DataError, match="the first has 2 results and the second 3"):
        paired([1, 2], [1, 2, 3])
    assert math.isnan(ratio(np.zeros((2, 2))))
    assert mean(np.array([1.0, 2.0])) == 1.5
