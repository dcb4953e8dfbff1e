"""The plain strengths and agreement give what the library's give, and Krippendorff's own example."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from groundup.evaluation.human import statistics
from groundup.textbook import judgement
from groundup.textbook.judgement import bradley_terry, krippendorff_alpha

# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, example C: of each unit what the observers said.
UNITS = ["111", "2232", "3333", "3333", "2222", "1234", "4444", "1121", "2222", "555", "11", "3"]


def test_the_examples_in_the_text_are_true() -> None:
    assert doctest.testmod(judgement).attempted == 2
    assert doctest.testmod(judgement).failed == 0


@settings(max_examples=20)
@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=3, max_size=3))
def test_strengths_are_the_librarys(won: list[list[int]]) -> None:
    """Which adds a tie to each pair itself."""
    wins = np.array(won, float) * (1 - np.eye(3))
    expected = np.exp(statistics.bradley_terry(wins))
    plain = bradley_terry((wins + 0.5 * (1 - np.eye(3))).tolist())
    assert plain == pytest.approx((expected / expected.sum()).tolist(), abs=1e-6)


def test_agreement_is_krippendorffs_own() -> None:
    assert krippendorff_alpha(UNITS) == pytest.approx(0.743, abs=5e-4)


@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3), min_size=2, max_size=10))
def test_agreement_is_the_librarys(items: list[list[int]]) -> None:
    """A 0 stands for a rater who said nothing."""
    said = [[value for value in item if value] for item in items]
    assume(len({value for item in said if len(item) > 1 for value in item}) > 1)
    table = np.array([[value or math.nan for value in item] for item in items]).T
    assert krippendorff_alpha(said) == pytest.approx(statistics.krippendorff_alpha(table, "nominal"))
