"""The plain MinHash: what it estimates, and that the fast one finds the same."""

from __future__ import annotations

import doctest
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.text.duplicates.clusters import near_duplicates as fast_near_duplicates
from groundup.text.duplicates.settings import DuplicateSettings
from groundup.text.duplicates.signatures import signature as fast_signature
from groundup.textbook import minhash
from groundup.textbook.minhash import (
    chance_to_be_compared,
    estimate_similarity,
    jaccard,
    near_duplicates,
    signature,
    word_sequences,
)

DEFAULTS = DuplicateSettings()


def edited(words: list[str], count: int, chance: random.Random) -> list[str]:
    """The same words, `count` of them in a row replaced by new ones."""
    begin = chance.randrange(len(words) - count)
    return [*words[:begin], *(f"new{chance.random()}".replace(".", "") for _ in range(count)), *words[begin + count :]]


def test_the_examples_in_the_text_are_true() -> None:
    assert doctest.testmod(minhash).attempted == 3
    assert doctest.testmod(minhash).failed == 0


@pytest.mark.parametrize("similarity", [0.2, 0.5, 0.8, 1.0])
def test_both_estimate_the_similarity_of_sets(similarity: float) -> None:
    """Over 60 pairs of a known similarity: the mean is right, by four standard errors, for the plain and the fast one."""
    plain, fast = [], []
    settings = DuplicateSettings(shingle_words=1)
    for pair in range(60):
        words, shared = [f"{pair}w{number}" for number in range(100)], round(100 * similarity)
        half = (100 - shared) // 2
        left, right = words[: shared + half], words[:shared] + words[shared + half :]
        assert jaccard(set(left), set(right)) == pytest.approx(similarity)
        plain.append(estimate_similarity(signature(set(left), seed=pair), signature(set(right), seed=pair)))
        one, other = (fast_signature(" ".join(text), settings) for text in (left, right))
        fast.append(float((one == other).mean()))
    error = 4 * (similarity * (1 - similarity) / 112 / 60) ** 0.5
    assert np.mean(plain) == pytest.approx(similarity, abs=error)
    assert np.mean(fast) == pytest.approx(similarity, abs=error)


def test_the_curve_is_that_of_the_fast_one() -> None:
    for similarity in (0.0, 0.3, 0.5, 0.8, 0.95, 1.0):
        expected = pytest.approx(DEFAULTS.found(similarity))
        assert chance_to_be_compared(similarity, DEFAULTS.bands, DEFAULTS.rows) == expected


def test_clusters_are_those_of_the_fast_one() -> None:
    """Twenty texts, each with a copy, an edited copy that is very like it, and one that is not; the order is random."""
    chance = random.Random(0)
    texts = []
    for number in range(20):
        words = [f"{number}w{chance.randrange(1000)}" for _ in range(120)]
        copies = [words, words, edited(words, 2, chance), edited(words, 60, chance)]
        texts += [" ".join(copy) for copy in copies]
    chance.shuffle(texts)
    plain = near_duplicates([signature(word_sequences(text)) for text in texts])
    fast = fast_near_duplicates(np.array([fast_signature(text, DEFAULTS) for text in texts]), DEFAULTS)
    assert plain == fast.tolist()
    assert len(set(plain)) == 40


@given(st.sets(st.text(max_size=3), max_size=8))
def test_equal_sets_are_wholly_alike(sequences: set[str]) -> None:
    assert estimate_similarity(signature(sequences, 8), signature(set(sequences), 8)) == 1.0


def test_short_and_empty_texts() -> None:
    assert word_sequences("Two words.") == {"two words"}
    assert word_sequences("…") == set()
    assert jaccard(set(), set()) == 0.0
    assert near_duplicates([]) == []
