"""The plain BLEU and ROUGE give what sacrebleu and the library's ROUGE give."""

from __future__ import annotations

import doctest

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.evaluation.rouge import rouge
from groundup.textbook import overlap
from groundup.textbook.overlap import bleu, rouge_l, rouge_n

TEXTS = ["the cat sat on the mat", "the the the the", "a dog ran over the green hill", "no"]
REFERENCES = ["a cat sat on the mat today", "the dog sat", "a dog ran over the hill", "no no no"]


def test_the_examples_in_the_text_are_true() -> None:
    assert doctest.testmod(overlap).attempted == 2
    assert doctest.testmod(overlap).failed == 0


@pytest.mark.parametrize("count", [2, 3, 4])
def test_bleu_is_sacrebleus(count: int) -> None:
    """Of two, three and four texts: now these are longer than the references, and now those."""
    texts, references = TEXTS[:count], REFERENCES[:count]
    found = sacrebleu.corpus_bleu(texts, [references], tokenize="none", smooth_method="none").score
    assert bleu([each.split() for each in texts], [each.split() for each in references]) == pytest.approx(found)


def test_bleu_of_nothing_in_common_and_of_the_same() -> None:
    assert bleu([["a", "b"]], [["c", "d"]]) == 0
    assert bleu([["a", "b", "c", "d"]], [["a", "b", "c", "d"]]) == pytest.approx(100)
    assert bleu([["a", "b", "c", "d"]], [["a", "b", "c", "d", "e", "f", "g", "h"]]) == pytest.approx(100 / 2.718281828)


@settings(max_examples=50)
@given(st.lists(st.sampled_from("abcd"), max_size=12), st.lists(st.sampled_from("abcd"), max_size=12))
def test_rouge_is_the_librarys(text: list[str], reference: list[str]) -> None:
    expected = rouge(" ".join(text), [" ".join(reference)])
    assert rouge_n(text, reference, 1) == pytest.approx(expected["rouge_1"].f1)
    assert rouge_n(text, reference, 2) == pytest.approx(expected["rouge_2"].f1)
    assert rouge_l(text, reference) == pytest.approx(expected["rouge_l"].f1)
