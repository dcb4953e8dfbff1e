"""Interpolated Kneser-Ney smoothing beside nltk's, whose variant has one discount for all counts and no uniform share at the bottom."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from nltk.lm import KneserNeyInterpolated, Vocabulary

from groundup.textbook.ngram import START, NgramModel


@pytest.mark.parametrize("order", [2, 3, 4])
def test_the_textbook_gives_nltks_probabilities(order: int) -> None:
    rng, discount = np.random.default_rng(order), 0.3
    documents = [rng.integers(0, 5, length).tolist() for length in (30, 1, 20, 9)]
    padded = [[START] * (order - 1) + document for document in documents]
    grams = [
        tuple(document[end - length : end])
        for document in padded
        for end in range(order, len(document) + 1)
        for length in range(1, order + 1)
    ]
    words = [tuple(map(str, gram)) for gram in grams]
    theirs = KneserNeyInterpolated(order, discount, vocabulary=Vocabulary(itertools.chain(*words), unk_cutoff=1))
    theirs.fit([words])
    ours = NgramModel(documents, vocab_size=5, order=order)
    ours.discounts = [(0.0, 0.0, 0.0), *[(discount, discount, discount)] * (order - 1)]
    known = {gram[:-1] for gram in grams if len(gram) == order}
    for context, token in itertools.product(known, range(5)):
        before = [symbol for symbol in context if symbol != START]
        assert ours.probability(before, token) == pytest.approx(
            theirs.score(str(token), tuple(map(str, context))), abs=1e-12
        )
