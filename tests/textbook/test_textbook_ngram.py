"""Kneser-Ney smoothing on a case worked by hand, and what must hold of any n-gram model."""

from __future__ import annotations

import doctest
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.textbook import ngram
from groundup.textbook.ngram import FALLBACK, NgramModel, estimate_discounts


def test_the_examples_in_the_text_are_true() -> None:
    assert doctest.testmod(ngram).attempted == 4
    assert doctest.testmod(ngram).failed == 0


def test_bigrams_worked_by_hand() -> None:
    """Two documents, "0 1 0 1 2" and "0 2", four tokens, discounts of 1/2, 1 and 3/2.

    Bigrams (^ is the start): ^0 twice, 01 twice, 10, 12 and 02 once. What stands before each token: 0 comes after ^ and 1,
    1 after 0, 2 after 1 and 0: five in all, counts 2, 1, 2. Taken off these: 1 + 1/2 + 1 = 5/2, half of all.
    """
    model = NgramModel([[0, 1, 0, 1, 2], [0, 2]], vocab_size=4, order=2)
    assert model.discounts == [FALLBACK, FALLBACK]
    unigram = [Fraction(1, 5) + Fraction(1, 8), Fraction(1, 10) + Fraction(1, 8), Fraction(1, 5) + Fraction(1, 8)]
    unigram.append(Fraction(1, 8))
    assert sum(unigram) == 1
    # After 0: 1 twice, 2 once, of three; 1 + 1/2 taken off. After 3, which was never seen: the unigrams.
    after_zero = [unigram[0] / 2, Fraction(1, 3) + unigram[1] / 2, Fraction(1, 6) + unigram[2] / 2, unigram[3] / 2]
    assert [model.probability([0], token) for token in range(4)] == pytest.approx([float(p) for p in after_zero])
    assert [model.probability([3], token) for token in range(4)] == pytest.approx([float(p) for p in unigram])
    # At the start: 0 twice of two, 1 taken off.
    assert model.probability([], 0) == pytest.approx(float(Fraction(1, 2) + unigram[0] / 2))
    assert model.most_likely([0]) == 1


def test_discounts_follow_from_how_many_occur_once_to_four_times() -> None:
    """10, 4, 2 and 1 of them: Y = 10 / 18, and 1 - 2Y·4/10, 2 - 3Y·2/4, 3 - 4Y·1/2."""
    counts = [1] * 10 + [2] * 4 + [3] * 2 + [4] + [50]
    y = 10 / 18
    assert estimate_discounts(counts) == pytest.approx((1 - 0.8 * y, 2 - 1.5 * y, 3 - 2 * y))


@pytest.mark.parametrize("counts", [[], [1, 1, 2, 3], [1, 2, 3, 3, 3, 3, 3, 3, 4]])  # the last would give D2 = 2 - 6
def test_discounts_that_cannot_be_told_are_one_half_one_and_three_halves(counts: list[int]) -> None:
    assert estimate_discounts(counts) == FALLBACK


documents = st.lists(st.lists(st.integers(0, 3), max_size=12), min_size=1, max_size=5)


@given(documents, st.lists(st.integers(0, 4), max_size=6), st.integers(1, 4))
def test_probabilities_add_up_to_one_and_none_is_zero(texts: list[list[int]], before: list[int], order: int) -> None:
    """Whatever stands before; the token 4 occurs in no document."""
    model = NgramModel(texts, vocab_size=5, order=order)
    probabilities = [model.probability(before, token) for token in range(5)]
    assert sum(probabilities) == pytest.approx(1)
    assert min(probabilities) > 0
