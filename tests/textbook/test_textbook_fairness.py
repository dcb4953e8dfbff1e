"""The plain measures of fairness, and that the fast ones find the same."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from groundup.evaluation.fairness.groups import compare_groups
from groundup.textbook import fairness
from groundup.textbook.fairness import adjust, chances, gaps


def test_the_examples_in_the_text_are_true() -> None:
    assert doctest.testmod(fairness).attempted == 3
    assert doctest.testmod(fairness).failed == 0


@pytest.mark.parametrize("groups", [2, 3])
def test_gaps_chances_and_adjustment_are_the_audits(groups: int) -> None:
    rows = np.random.default_rng(0).normal(size=(groups, 8)) + np.arange(groups)[:, None]
    fast = compare_groups([({"axis": "x"}, dict(zip("abc", rows, strict=False)))], seed=0)
    plain = gaps(rows.tolist())
    assert [gap.found.difference.value for gap in fast] == pytest.approx([np.mean(row) for row in plain])
    assert [gap.found.p for gap in fast] == pytest.approx(chances(plain))
    assert [gap.adjusted_p for gap in fast] == pytest.approx(adjust(chances(plain)))


def test_one_that_lies_far_out_does_not_make_the_others_differ() -> None:
    """It moves the mean away from all of them alike, by a third of its own distance."""
    far, *others = chances(gaps([[9.0] * 6, [0.1, -0.1] * 3, [-0.1, 0.1] * 3]))
    assert far < 0.01
    assert min(others) > 0.05
