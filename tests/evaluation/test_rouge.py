"""ROUGE against the figures of the Perl program ROUGE-1.5.5, and against cases worked by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.evaluation.rouge import KINDS, rouge
from groundup.evaluation.words import words

CASES = json.loads((Path(__file__).parent / "rouge_cases.json").read_text(encoding="utf-8"))
"""Written by `scripts/check_metrics.py --write`, which runs the Perl program."""


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_it_is_the_perl_programs(case: dict[str, Any]) -> None:
    found = rouge(case["text"], case["references"])
    for kind in KINDS:
        assert found[kind] == pytest.approx(case["perl"][kind], abs=2e-5)  # that program rounds to five places


def test_the_papers_example() -> None:
    """Lin 2004, §3: the subsequence "police the gunman" has three words of four, "the gunman" two."""
    first = rouge("police kill the gunman", ["police killed the gunman"])
    second = rouge("the gunman kill police", ["police killed the gunman"])
    assert first["rouge_l"].f1 == 0.75
    assert second["rouge_l"].f1 == 0.5
    assert first["rouge_2"].recall == second["rouge_2"].recall == pytest.approx(1 / 3)


def test_the_papers_example_of_a_union() -> None:
    """Lin 2004, §3.2: of the reference w1 … w5, the sentences "w1 w2 w6 w7 w8" and "w1 w3 w8 w9 w5" have w1, w2, w3 and w5."""
    found = rouge("w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5", ["w1 w2 w3 w4 w5"])
    assert found["rouge_l"].recall == 0.8


def test_nothing_shares_nothing() -> None:
    for text, reference in (("", "a word"), ("a word", ""), ("", ""), ("...", "!")):
        assert set(rouge(text, [reference]).values()) == {(0.0, 0.0, 0.0)}


def test_words_of_other_scripts() -> None:
    assert words("Straße – café; नमस्ते दुनिया") == ["straße", "café", "नमस्ते", "दुनिया"]
    assert words("cafe\u0301") == words("café")
    assert rouge("東京は雨だ", ["東京は晴れだ"])["rouge_1"].recall == pytest.approx(4 / 6)


@given(st.text("ab \n", max_size=40), st.text("ab \n", max_size=40))
def test_bounds(text: str, reference: str) -> None:
    found = rouge(text, [reference])
    assert found["rouge_l"].recall <= found["rouge_1"].recall + 1e-12
    assert all(0 <= share <= 1 for each in found.values() for share in each)
    if words(reference):
        assert rouge(reference, [reference])["rouge_l"].f1 == 1
