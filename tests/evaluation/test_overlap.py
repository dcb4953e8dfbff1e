"""BLEU and chrF beside sacrebleu itself, its intervals and its paired test; distinct-n and repetition by hand."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
import sacrebleu
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest

from groundup.errors import DataError
from groundup.evaluation.diversity import distinct, mean_repetition, repetition
from groundup.evaluation.intervals import proportion
from groundup.evaluation.overlap import Overlap, overlap

REFERENCES = [
    "The parliament will vote on the new law on Thursday.",
    "Heavy rain is expected in the north, with up to 40 mm by evening.",
    "She said that nobody had told her about it before.",
    "The train to Berlin leaves at half past seven from platform 3.",
    "Prices rose by 2.5 percent in a year, less than had been feared.",
    "He has been living in the same house for over thirty years.",
]


def spoiled(share: float, seed: int) -> list[str]:
    """The references with some words left out, ten times over."""
    generator = random.Random(seed)
    return [
        " ".join(word for word in line.split() if generator.random() > share) for _ in range(10) for line in REFERENCES
    ]


@pytest.fixture(scope="module")
def found() -> Overlap:
    return overlap(spoiled(0.2, 1), [[line] for line in REFERENCES * 10])


def test_scores_and_signatures_are_sacrebleus(found: Overlap) -> None:
    texts, intervals = spoiled(0.2, 1), found.intervals()
    bleu = BLEU()
    expected = bleu.corpus_score(texts, [REFERENCES * 10], n_bootstrap=1000)
    assert intervals["bleu"].value == pytest.approx(expected.score, abs=1e-9)
    assert intervals["chrf"].value == pytest.approx(sacrebleu.corpus_chrf(texts, [REFERENCES * 10]).score, abs=1e-9)
    half = (intervals["bleu"].high - intervals["bleu"].low) / 2
    assert half == pytest.approx(expected._ci, rel=0.15)
    assert found.signatures["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.")
    assert found.signatures["chrf"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.")
    assert intervals["bleu"].n == 60


def test_several_references_and_not_as_many_for_each() -> None:
    texts = ["a cat sat on the mat", "it rains a lot today"]
    first = ["the cat sat on the mat", "it is raining a lot today"]
    second: list[Any] = ["a cat was sitting on the mat", None]
    references = [[first[0], second[0]], [first[1]]]
    found = overlap(texts, references)
    assert found.intervals()["bleu"].value == pytest.approx(BLEU().corpus_score(texts, [first, second]).score)
    assert "nrefs:var" in found.signatures["bleu"]


def test_the_paired_test_is_sacrebleus(found: Overlap) -> None:
    other = overlap(spoiled(0.24, 2), [[line] for line in REFERENCES * 10])
    systems = [("a", found.texts), ("b", other.texts)]
    references = [REFERENCES * 10]
    _, scores = PairedTest(systems, {"BLEU": BLEU(references=references)}, references, "ar", 2000)()
    expected: Any = scores["BLEU"][1]
    result = found.against(other, samples=2000)
    assert result["bleu"].p == pytest.approx(expected.p_value, abs=0.04)
    assert result["bleu"].difference.value == pytest.approx(result["bleu"].a - result["bleu"].b)
    assert set(result) == {"bleu", "chrf", "exact_match", "rouge_1", "rouge_2", "rouge_l"}
    assert found.against(found, samples=200)["rouge_l"].p == 1.0


def test_exact_match_is_up_to_space_around() -> None:
    found = overlap([" Paris\n", "paris", "Rome"], [["Paris"], ["Paris"], ["Milan", "Rome"]])
    assert found.intervals()["exact_match"].value == pytest.approx(2 / 3)
    assert found.items["exact_match"].tolist() == [1, 0, 1]
    none = overlap(["a"] * 20, [["b"]] * 20).intervals()["exact_match"]
    assert none.low == 0
    assert none.high == pytest.approx(0.1611, abs=1e-4)  # Wilson's; drawn again, none of 20 would always be none


def test_empty_texts_count_and_bad_input_is_said() -> None:
    found = overlap(["", "a b c d e"], [["a b c d e"], ["a b c d e"]]).intervals()
    assert found["exact_match"].value == 0.5
    assert found["rouge_1"].value == 0.5
    assert 0 < found["bleu"].value < 100
    assert overlap(["", ""], [["a"], ["b"]]).intervals()["bleu"].value == 0
    with pytest.raises(DataError, match="there are 2 texts and references for 1"):
        overlap(["a", "b"], [["a"]])
    with pytest.raises(DataError, match="there is no text to compare"):
        overlap([], [])
    with pytest.raises(DataError, match="item 2 has no reference"):
        overlap(["a", "b"], [["a"], []])
    with pytest.raises(DataError, match="every reference is empty"):
        overlap(["a", "b"], [[""], [" "]])


def test_distinct_n_by_hand() -> None:
    one, two = distinct(["a b a", "b c"], 1), distinct(["a b a", "b c"], 2)
    assert one is not None
    assert two is not None
    assert one.value == 3 / 5  # a, b, c of five words
    assert two.value == 1  # a b, b a, b c
    assert math.isnan(two.low)  # without either text it would be 1, too
    # Left out in turn: {b, c} of 2, {a, b} of 3. Their variance is 1/36, times n - 1 = 1.
    assert one.low == pytest.approx(3 / 5 - 1.959964 / 6)
    assert distinct(["", "!"], 1) is None
    alone = distinct(["a b"], 1)
    assert alone is not None
    assert math.isnan(alone.low)


def test_distinct_n_holds_more_in_larger_samples() -> None:
    generator = np.random.default_rng(1)
    texts = [" ".join(f"w{number}" for number in generator.zipf(1.5, 12)) for _ in range(50)]
    interval = distinct(texts, 1)
    assert interval is not None
    assert interval.low < interval.value < interval.high


def test_repetition_by_hand() -> None:
    assert repetition("one two three four five") == 0
    assert repetition("go on and on go on and on") == pytest.approx(
        1 / 5
    )  # of five runs of four words the last is the first
    assert repetition("la la la la la la la la") == pytest.approx(4 / 5)
    assert repetition("too short") is None
    mean = mean_repetition(["la la la la la la la la", "one two three four five", "short"])
    assert mean is not None
    assert mean.value == pytest.approx(0.4)
    assert mean.n == 2
    assert mean_repetition(["short"]) is None


def test_texts_that_share_nothing_are_not_said_to_share_nothing_ever() -> None:
    found = overlap(["red green blue cyan"] * 3, [["one two"]] * 3).intervals()
    for name in ("rouge_1", "rouge_l", "exact_match", "repetition"):
        assert found[name] == proportion(0, 3), name
