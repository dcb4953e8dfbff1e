"""Two models on one task: by hand, and against the general paired test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped,unused-ignore]

from groundup.errors import DataError
from groundup.evaluation.intervals import Interval, paired
from groundup.evaluation.tasks.compare import compare_results
from groundup.evaluation.tasks.score import ItemScore, TaskResult

NOTHING = Interval(0.0, 0.0, 0.0, 1)


def of(kind: str, figures: list[str], **columns: list[float]) -> TaskResult:
    """A task's result with these scores of its items; the figures' own values don't matter here."""
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    items = tuple(ItemScore(f"line {number}", row) for number, row in enumerate(rows, 1))
    return TaskResult("task", kind, dict.fromkeys(figures, NOTHING), items)


def test_right_answers_by_the_sign_test() -> None:
    """Of ten rows where the two differ, nine are the first's: McNemar's exact test is the binomial's."""
    first = of("multiple_choice", ["acc"], acc=[1.0] * 9 + [0.0] + [1.0] * 20)
    second = of("multiple_choice", ["acc"], acc=[0.0] * 9 + [1.0] + [1.0] * 20)
    found = compare_results(first, second)["acc"]
    assert (found.a, found.b, found.difference.value) == pytest.approx((29 / 30, 21 / 30, 8 / 30))
    assert found.p == pytest.approx(stats.binomtest(9, 10).pvalue, abs=0.005)
    assert found.difference.low > 0
    same = compare_results(first, first)["acc"]
    assert (same.difference.value, same.p) == (0, 1)


def test_perplexities_are_the_general_tests() -> None:
    generator = np.random.default_rng(0)
    one, other = (generator.normal(mean, 1, 40) for mean in (-3.0, -3.3))
    words = generator.integers(3, 9, 40).astype(float)
    names = ["word_perplexity", "byte_perplexity", "bits_per_byte"]
    first, second = (
        of("rolling", names, log_likelihood=list(nats), words=list(words), bytes=list(words * 5))
        for nats in (one, other)
    )
    found = compare_results(first, second)
    plain = paired(
        np.column_stack([one, words]),
        np.column_stack([other, words]),
        lambda rows: math.exp(-rows[:, 0].sum() / rows[:, 1].sum()),
        samples=2000,
    )
    assert (found["word_perplexity"].a, found["word_perplexity"].b) == pytest.approx((plain.a, plain.b))
    assert found["word_perplexity"].p == pytest.approx(plain.p, abs=0.03)
    assert found["bits_per_byte"].a == pytest.approx(-one.sum() / (5 * words.sum()) / math.log(2))
    first, second = (
        of("loglikelihood", ["acc", "perplexity"], acc=[0.0] * 40, log_likelihood=list(nats)) for nats in (one, other)
    )
    assert compare_results(first, second)["perplexity"].a == pytest.approx(math.exp(-one.mean()))


def test_a_perplexity_beyond_any_number_is_left_out_and_other_rows_are_refused() -> None:
    long = of("loglikelihood", ["acc", "perplexity"], acc=[0.0, 1.0], log_likelihood=[-900.0, -800.0])
    assert list(compare_results(long, long)) == ["acc"]
    with pytest.raises(DataError, match="asked other rows of task: ask both the same"):
        compare_results(long, of("loglikelihood", ["acc"], acc=[0.0], log_likelihood=[-1.0]))
