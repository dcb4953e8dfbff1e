"""The plain measures of fairness, and that the fast ones find the same."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from groundup.evaluation.fairness.groups import compare_groups
from groundup.textbook import fairness
from groundup.textbook.fairness import adjust, chance, gaps


def test_the_examples_in_the_text_are_true() -> None:
    assert doctest.testmod(fairness).attempted == 3
    assert doctest.testmod(fairness).failed == 0


def test_gaps_chance_and_adjustment_are_the_audits() -> None:
    rows = np.random.default_rng(0).normal(size=(2, 8))  # of two groups, dealing out is flipping signs
    fast = compare_groups([({"axis": "x"}, dict(zip("ab", rows, strict=True)))], seed=0)
    plain = gaps(rows.tolist())
    chances = [chance(row) for row in plain]
    assert [gap.found.difference.value for gap in fast] == pytest.approx([np.mean(row) for row in plain])
    assert [gap.found.p for gap in fast] == pytest.approx(chances)
    assert [gap.adjusted_p for gap in fast] == pytest.approx(adjust(chances))
