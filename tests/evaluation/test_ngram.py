"""The n-gram model in arrays against the textbook's, made of dictionaries, and against closed forms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.errors import DataError
from groundup.evaluation.ngram import END_BYTE, byte_ids, estimate_discounts, train_ngram_model, with_starts
from groundup.textbook import ngram as textbook

V, END = 5, 0


def cut(ids: Sequence[int], end_id: int | None) -> list[list[int]]:
    """The documents that the ids consist of."""
    documents: list[list[int]] = [[]]
    for token in ids:
        documents[-1].append(token)
        if token == end_id:
            documents.append([])
    return [document for document in documents if document]


ids = st.lists(st.integers(0, V - 2), min_size=1, max_size=60)  # the last of the vocabulary never occurs
held_out = st.lists(st.integers(0, V - 1), min_size=1, max_size=12)


@settings(max_examples=60)
@given(ids, held_out, st.integers(1, 5), st.sampled_from([END, None]))
def test_every_probability_is_the_textbooks(train: list[int], test: list[int], order: int, end_id: int | None) -> None:
    plain = textbook.NgramModel(cut(train, end_id), V, order)
    model = train_ngram_model(train, V, end_id, order)
    expected = [
        plain.probability(document[:place], token)
        for document in cut(test, end_id)
        for place, token in enumerate(document)
    ]
    assert np.exp(-model.losses(test)) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=60)
@given(ids, held_out, st.integers(1, 5), st.sampled_from([END, None]))
def test_next_probabilities_add_up_to_one_and_the_likeliest_is_given(
    train: list[int], test: list[int], order: int, end_id: int | None
) -> None:
    model = train_ngram_model(train, V, end_id, order)
    losses, right = model.losses(test), []
    for place, token in enumerate(test):
        probabilities = model.next_probabilities(test[:place])
        assert probabilities.sum() == pytest.approx(1, rel=1e-12)
        assert probabilities[token] == pytest.approx(math.exp(-losses[place]), rel=1e-12)
        [likeliest] = model.complete(test[:place], 1)
        assert probabilities[likeliest] == pytest.approx(probabilities.max(), rel=1e-12)
        right.append(likeliest == token)
    if len(test) > 1:
        assert model.accuracy(test) == pytest.approx(np.mean(right[1:]))


def test_real_text_with_discounts_of_its_own(text_file_ids: np.ndarray) -> None:
    """Bytes of English: here the discounts follow from the counts, and are not the ones that small texts get."""
    train, test = text_file_ids[:9000], text_file_ids[9000:9300]
    plain = textbook.NgramModel(cut(train.tolist(), END_BYTE), 257)
    model = train_ngram_model(train, 257, END_BYTE)
    assert textbook.FALLBACK not in plain.discounts[1:]
    expected = [plain.probability(test[:place].tolist(), int(token)) for place, token in enumerate(test)]
    assert np.exp(-model.losses(test)) == pytest.approx(expected, rel=1e-9)
    total = -sum(math.log2(probability) for probability in expected[1:])
    assert model.bits_per_byte(test, num_bytes=299) == pytest.approx(total / 299)


@pytest.fixture(scope="module")
def text_file_ids(text_file: Path) -> np.ndarray:
    return byte_ids([text_file.read_text(encoding="utf-8")])


@given(st.lists(st.integers(0, 7), max_size=40))
def test_discounts_are_the_textbooks(counts: list[int]) -> None:
    assert estimate_discounts(np.array(counts, np.int64)) == pytest.approx(textbook.estimate_discounts(counts))


def test_documents_do_not_touch() -> None:
    """A document's first token is predicted alike after any other document, and at the beginning."""
    model = train_ngram_model([1, 2, END, 3, 2, END, 1, 1, END], V, END, order=3)
    losses = model.losses([1, END, 1, 2, 3, 2, END, 1])
    assert losses[0] == losses[2] == losses[7]
    assert list(model.next_probabilities([2, 2, END])) == list(model.next_probabilities([]))


def test_start_symbols_stand_before_each_document() -> None:
    symbols, is_token = with_starts(np.array([5, 0, 6]), vocab_size=9, end_id=0, order=3)
    assert symbols.tolist() == [9, 9, 5, 0, 9, 9, 6]
    assert symbols[is_token].tolist() == [5, 0, 6]


def test_a_learned_line_is_completed_to_its_end() -> None:
    line = [1, 2, 3, 1, 2, 2, END]
    model = train_ngram_model(line * 3, V, END, order=4)
    assert model.complete([1, 2, 3], 10) == [1, 2, 2, END]  # three tokens before tell both kinds of "1 2" apart
    assert model.complete([4, END, 1, 2, 3], 10) == [1, 2, 2, END]
    assert model.complete([1, 2, 3], 2) == [1, 2]
    assert model.complete([], 10, stop_ids=[3]) == [1, 2, 3]


def test_the_first_token_is_not_counted() -> None:
    model = train_ngram_model([1, 2, 1, 2, 1, 2], V, None, order=2)
    losses = model.losses([3, 1, 2])
    assert model.bits_per_byte([3, 1, 2], num_bytes=4) == pytest.approx((losses[1] + losses[2]) / math.log(2) / 4)
    assert model.accuracy([3, 1, 2]) == 1.0
    with pytest.raises(DataError, match=r"fewer than two tokens, and the first is not predicted: give a longer text"):
        model.accuracy([3])
    with pytest.raises(DataError, match="fewer than two tokens"):
        model.bits_per_byte([3], num_bytes=1)


def test_bytes_are_tokens_and_each_text_ends() -> None:
    assert byte_ids(["aé", ""]).tolist() == [97, 0xC3, 0xA9, END_BYTE, END_BYTE]
    assert byte_ids([]).tolist() == []


def test_what_cannot_be_counted_is_a_sentence() -> None:
    with pytest.raises(DataError, match="no tokens to count n-grams of: give a longer text"):
        train_ngram_model([], V)
    with pytest.raises(DataError, match=r"order = 0: .* use a whole number of at least 1"):
        train_ngram_model([1], V, order=0)
    with pytest.raises(DataError, match="id 5 is not in the vocabulary of 5: use the tokenizer"):
        train_ngram_model([1, 5], V)
    with pytest.raises(DataError, match="id -1 is not in the vocabulary of 5: use the tokenizer"):
        train_ngram_model([1, 2], V).losses([-1, 2])
