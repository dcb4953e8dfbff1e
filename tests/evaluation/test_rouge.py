"""ROUGE against the figures of the Perl program ROUGE-1.5.5, and against cases worked by hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.evaluation import rouge as rouge_module
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


def plain_common_places(sentence: list[str], line: list[str]) -> set[int]:
    """By the table of lengths as textbooks draw it, walked back as ROUGE-1.5.5 does."""
    longest = [[0] * (len(line) + 1) for _ in range(len(sentence) + 1)]
    for i, word in enumerate(sentence):
        for j, other in enumerate(line):
            longest[i + 1][j + 1] = longest[i][j] + 1 if word == other else max(longest[i][j + 1], longest[i + 1][j])
    places, i, j = set[int](), len(sentence), len(line)
    while i and j:
        if sentence[i - 1] == line[j - 1]:
            i, j = i - 1, j - 1
            places.add(i)
        elif longest[i - 1][j] >= longest[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return places


@given(
    st.lists(st.sampled_from("abcd"), max_size=40), st.lists(st.sampled_from("abcd"), max_size=40), st.integers(1, 50)
)
@settings(max_examples=50)
def test_a_longest_subsequence_is_the_plain_tables(sentence: list[str], line: list[str], rows_kept: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rouge_module, "ROWS_KEPT", rows_kept)
        found = rouge_module._common_places(sentence, line, rouge_module._places_of_words(line))
    assert found == plain_common_places(sentence, line)


LINES = st.lists(st.lists(st.sampled_from("abcde"), max_size=8), max_size=8)


@given(LINES, LINES)
@settings(max_examples=100)
def test_what_lines_share_is_the_union_over_all_of_them(text: list[list[str]], reference: list[list[str]]) -> None:
    """Each sentence against each line, by the plain table; each occurrence counts once."""
    left = [Counter(word for line in lines for word in line) for lines in (text, reference)]
    shared = 0
    for sentence in reference:
        for place in sorted(set[int]().union(*(plain_common_places(sentence, line) for line in text))):
            if all(counts[sentence[place]] > 0 for counts in left):
                shared += 1
                for counts in left:
                    counts[sentence[place]] -= 1
    found = rouge_module._shared_subsequence(text, reference)
    assert found == (shared, *(sum(map(len, lines)) for lines in (reference, text)))


def test_many_lines_are_not_each_held_against_each(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, compared = np.random.default_rng(0), list[int]()
    ranks = np.minimum(generator.zipf(1.3, (2, 400, 10)), 5000)  # words are as frequent as those of a language
    text, reference = [[list(map(str, line)) for line in lines] for lines in ranks]
    plain = rouge_module._common_places

    def counted(sentence: list[str], line: list[str], places: dict[str, int]) -> set[int]:
        compared.append(1)
        return plain(sentence, line, places)

    monkeypatch.setattr(rouge_module, "_common_places", counted)
    rouge_module._shared_subsequence(text, reference)
    assert len(compared) < 0.1 * 400 * 400


def test_a_long_line_takes_no_long_time() -> None:
    """The plain table would have 9 million cells."""
    line = "of the people by the people for the people " * 334
    half = rouge(" ".join(line.split()[::2]), [line])["rouge_l"]
    assert (half.recall, half.precision) == (0.5, 1)


@given(st.text("ab \n", max_size=40), st.text("ab \n", max_size=40))
def test_bounds(text: str, reference: str) -> None:
    found = rouge(text, [reference])
    assert found["rouge_l"].recall <= found["rouge_1"].recall + 1e-12
    assert all(0 <= share <= 1 for each in found.values() for share in each)
    if words(reference):
        assert rouge(reference, [reference])["rouge_l"].f1 == 1
