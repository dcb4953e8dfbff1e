"""Figures document by document: worked by hand, against transformers' logits, and their intervals against the plain bootstrap."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped,unused-ignore]

from groundup.errors import DataError
from groundup.evaluation.intervals import bootstrap, ratio
from groundup.evaluation.intervals import paired as plain_paired
from groundup.evaluation.predicted import FEWEST_DOCUMENTS, FIGURES, STRETCHES, cut, predicted
from groundup.evaluation.totals import compare, intervals_of
from groundup.language_model.token_losses import Predictions, Window, window_losses, window_predictions
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer


def predictions(losses: list[float], confidences: list[float], right: list[bool]) -> Predictions:
    return Predictions(np.array(losses, np.float32), np.array(confidences, np.float32), np.array(right))


def test_figures_worked_by_hand() -> None:
    """Two documents: of three tokens and of one. Confidences fall into the bins from 9/15, 9/15, 2/15 and 14/15."""
    found = predictions([1.0, 2.0, 3.0, 0.5], [0.61, 0.65, 0.15, 1.0], [True, False, False, True])
    rows = predicted(found, np.array([3, 4]), np.array([2.0, 1.0, 3.0, 4.0]), "documents")
    intervals = rows.intervals(list(FIGURES))
    assert intervals["loss"].value == pytest.approx(6.5 / 4)
    assert intervals["perplexity"].value == pytest.approx(math.exp(6.5 / 4))
    assert intervals["bits_per_byte"].value == pytest.approx(6.5 / math.log(2) / 10)
    assert intervals["accuracy"].value == 0.5
    # |1 of 2 right - 1.26 expected|, |0 - 0.15|, |1 - 1|, of four tokens.
    assert intervals["calibration_error"].value == pytest.approx((0.26 + 0.15 + 0) / 4, abs=1e-6)
    assert intervals["loss"].n == 2
    low, high = intervals["accuracy"].low, intervals["accuracy"].high
    assert (low, high) == pytest.approx((1 / 3, 1))  # the first document twice, the second twice
    bins = rows.calibration()
    assert {type(value) for each in bins for value in each.values()} == {int, float}
    assert [(each["from"], each["tokens"]) for each in bins] == [(2 / 15, 1), (9 / 15, 2), (14 / 15, 1)]
    assert bins[1]["confidence"] == pytest.approx(0.63)
    assert bins[1]["accuracy"] == 0.5
    assert rows.of(np.array([False, True])).intervals(["loss"])["loss"].value == 0.5
    assert (rows.num_tokens, rows.num_bytes) == (4, 10)


def test_each_token_is_predicted_as_a_direct_pass_would() -> None:
    torch.manual_seed(1)
    shape = {"vocab_size": 11, "d_model": 16, "num_layers": 1, "num_heads": 2, "max_seq_len": 8}
    model = Transformer(preset_config("llama", **shape, initialization="normal", init_std=0.7))
    ids = np.random.default_rng(2).integers(0, 11, 30)
    windows = [Window(ids, start, start + 1, min(start + 8, 29)) for start in range(0, 29, 8)]
    found = window_predictions(model, windows, batch_size=3)
    with torch.no_grad():
        parts = [model(torch.from_numpy(ids[None, window.start : window.end]))[0] for window in windows]
    probabilities = torch.cat(parts).softmax(-1).numpy()
    assert found.losses == pytest.approx(-np.log(probabilities[np.arange(29), ids[1:]]), abs=1e-5)
    assert found.confidences == pytest.approx(probabilities.max(1), abs=1e-6)
    assert found.right.tolist() == (probabilities.argmax(1) == ids[1:]).tolist()
    assert found.losses.sum() == pytest.approx(sum(window_losses(model, windows)), rel=1e-6)


def test_a_model_that_means_what_it_says_is_calibrated() -> None:
    generator = np.random.default_rng(3)
    confidences = generator.uniform(0.1, 1, 40_000)
    right = generator.random(40_000) < confidences
    found = Predictions(np.ones(40_000, np.float32), confidences.astype(np.float32), right)
    rows = predicted(found, np.arange(100, 40_001, 100), np.ones(40_000), "documents")
    assert rows.intervals(["calibration_error"])["calibration_error"].value < 0.012
    boastful = found._replace(confidences=np.minimum(found.confidences + 0.2, 1))
    error = predicted(boastful, np.arange(100, 40_001, 100), np.ones(40_000), "documents").intervals(
        ["calibration_error"]
    )["calibration_error"]
    assert error.low > 0.15


def test_intervals_are_those_of_the_plain_bootstrap() -> None:
    generator = np.random.default_rng(4)
    rows = np.stack([generator.gamma(3, 5, 50), generator.integers(20, 90, 50)], axis=1)
    interval = intervals_of(rows, {"ratio": lambda sums: sums[:, 0] / sums[:, 1]}, samples=4000)["ratio"]
    plain = bootstrap(rows, ratio, samples=4000)
    assert interval.value == pytest.approx(plain.value)
    assert interval.n == 50
    assert interval.low == pytest.approx(plain.low, rel=0.02)
    assert interval.high == pytest.approx(plain.high, rel=0.02)


def test_two_models_are_compared_as_by_scipy() -> None:
    generator = np.random.default_rng(5)
    sizes = generator.integers(20, 90, 40).astype(np.float64)
    a = np.stack([sizes * generator.normal(2.0, 0.2, 40), sizes], axis=1)
    b = np.stack([a[:, 0] + sizes * generator.normal(0.02, 0.08, 40), sizes], axis=1)
    figures = {"per_byte": lambda sums: sums[:, 0] / sums[:, 1]}
    found = compare(a, b, figures)["per_byte"]
    expected = stats.permutation_test(
        (a[:, 0], b[:, 0]), lambda x, y, axis: (x - y).sum(axis), permutation_type="samples", n_resamples=9999, rng=6
    )
    assert found.p == pytest.approx(float(expected.pvalue), abs=0.02)
    assert found.difference.value == pytest.approx(found.a - found.b)
    assert found.difference.low < found.difference.value < found.difference.high
    assert plain_paired(a, b, ratio, samples=2000).p == pytest.approx(found.p, abs=0.03)
    assert compare(a, a, figures)["per_byte"].p == 1.0
    with pytest.raises(DataError, match="the first model has 40 results and the second 39"):
        compare(a, b[:39], figures)
    with pytest.raises(DataError, match="nothing to take a figure over"):
        compare(a[:0], b[:0], figures)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=30))
def test_few_documents_are_cut_into_stretches(lengths: list[int]) -> None:
    ends = np.cumsum(lengths)
    pieces, unit = cut(ends)
    assert pieces[-1] == ends[-1]
    assert set(ends.tolist()) <= set(pieces.tolist())  # a stretch is of one document
    assert (np.diff(pieces, prepend=0) > 0).all()
    assert unit == ("documents" if len(lengths) >= FEWEST_DOCUMENTS else "stretches")
    assert len(pieces) <= STRETCHES + len(lengths)
