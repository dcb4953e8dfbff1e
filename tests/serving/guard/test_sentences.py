"""Sentences: all of the text, one behind the other, and which of them is complete."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.serving.guard.finding import HOLD
from groundup.serving.guard.sentences import cut_into_sentences, last_sentence


@given(st.text(alphabet='ab.!?"\n 。」', max_size=60))
def test_they_are_all_of_the_text_in_order(text: str) -> None:
    stretches = cut_into_sentences(text)
    assert "".join(text[start:end] for start, end in stretches) == text
    assert all(start < end for start, end in stretches)
    assert 0 <= last_sentence(text) <= len(text)


def test_where_they_end() -> None:
    text = 'Is it? "Yes." he said... No!!! 好的。」再见。\nA list\nof 3.5 lines'
    assert [text[start:end] for start, end in cut_into_sentences(text)] == [
        "Is it? ", '"Yes." ', "he said... ", "No!!! ", "好的。」", "再见。", "\n", "A list\n", "of 3.5 lines",
    ]  # fmt: skip
    assert text[last_sentence(text) :] == "of 3.5 lines"
    assert last_sentence("One. Two. ") == len("One. Two. ")
    assert last_sentence("One. Two.") == len("One. ")


def test_a_long_one_is_cut() -> None:
    assert cut_into_sentences("x" * (2 * HOLD + 1)) == [(0, HOLD), (HOLD, 2 * HOLD), (2 * HOLD, 2 * HOLD + 1)]
    assert last_sentence("x" * (HOLD + 3)) == HOLD


@pytest.mark.parametrize("hostile", ["!" * 200_000, "\"'" * 100_000, '.")' * 60_000, "\n" * 200_000, "。" * 200_000])
def test_no_text_takes_long(hostile: str) -> None:
    start = time.perf_counter()
    cut_into_sentences(hostile)
    assert time.perf_counter() - start < 3
