"""Table A1's measures beside their plainest form: dictionaries of joined words."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.text.cleaning import repetition


def plain_top_share(words: list[str], n: int, characters: int) -> float:
    grams = Counter(" ".join(words[start : start + n]) for start in range(len(words) - n + 1))
    if not grams or max(grams.values()) < 2:
        return 0.0
    gram, count = grams.most_common(1)[0]  # the first of equals
    return len(gram) * count / characters


def plain_duplicate_characters(words: list[str], n: int) -> int:
    seen: set[tuple[str, ...]] = set()
    total = place = 0
    while place + n <= len(words):
        gram = tuple(words[place : place + n])
        if gram in seen:
            total += sum(map(len, gram))
            place += n
        else:
            seen.add(gram)
            place += 1
    return total


WORDS = st.lists(st.sampled_from(["a", "bb", "ccc", "dddd", "ee"]), max_size=60) | st.lists(
    st.text("xyz", min_size=1, max_size=4), max_size=60
)


@given(WORDS)
@settings(max_examples=200, deadline=None)
def test_the_fast_measures_equal_the_plain_ones(words: list[str]) -> None:
    hashes = repetition.word_hashes(words)
    lengths = np.array([len(word) for word in words], dtype=np.int64)
    characters = max(1, len(" ".join(words)))
    for n in (2, 3, 4):
        share = repetition.top_ngram_share(words, hashes, n, characters)
        assert share == pytest.approx(plain_top_share(words, n, characters))
    places = None
    for n in range(5, 11):
        places = repetition.repeated_positions(hashes, n, places)
        total = repetition.duplicate_ngram_characters(hashes, lengths, n, places)
        assert total == plain_duplicate_characters(words, n)
        assert total <= repetition.covered_characters(lengths, n, places) <= lengths.sum()


def test_by_hand() -> None:
    words = ["to", "be", "or", "not", "to", "be"]
    hashes = repetition.word_hashes(words)
    assert repetition.top_ngram_share(words, hashes, 2, 18) == 2 * len("to be") / 18
    assert repetition.top_ngram_share(words, hashes, 3, 18) == 0.0
    song = ["one", "two", "three", "four", "five", "one", "two", "three", "four", "five", "six"]
    hashes, lengths = repetition.word_hashes(song), np.array([len(word) for word in song])
    places = repetition.repeated_positions(hashes, 5)
    assert places.tolist() == [0, 5]
    assert repetition.duplicate_ngram_characters(hashes, lengths, 5, places) == len("onetwothreefourfive")
    assert repetition.covered_characters(lengths, 5, places) == 2 * len("onetwothreefourfive")


def test_lines_and_paragraphs_by_hand() -> None:
    text = "a\nbb\n\na\nbb\n\n\nccc"
    assert repetition.lines_of(text) == ["a", "bb", "a", "bb", "ccc"]
    assert repetition.paragraphs_of(text) == ["a\nbb", "a\nbb", "ccc"]
    assert repetition.duplicates(repetition.lines_of(text)) == (2, 3)
    assert repetition.duplicates(repetition.paragraphs_of(text)) == (1, 4)
    assert repetition.duplicates([]) == (0, 0)
