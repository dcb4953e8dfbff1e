"""The plain measures of memorization, and that the fast ones find the same."""

from __future__ import annotations

import copy
import doctest
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.errors import AuditError
from groundup.evaluation.memorization import exposure as fast_exposure
from groundup.evaluation.memorization.membership import lowest_mean
from groundup.evaluation.memorization.separation import auc, rows_of
from groundup.evaluation.memorization.token_scores import comes_out, losses_after_prefix, score_tokens
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.textbook import memorization
from groundup.textbook.memorization import (
    area_under_curve,
    exposure,
    is_extractable,
    min_k_score,
    token_log_probabilities,
)


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(4)
    shape = {"d_model": 16, "num_layers": 2, "num_heads": 2, "max_seq_len": 24, "init_std": 0.5}
    return Transformer(preset_config("qwen3", vocab_size=7, **shape)).eval()


def test_the_examples_in_the_text_are_true() -> None:
    assert doctest.testmod(memorization).attempted == 3
    assert doctest.testmod(memorization).failed == 0


def test_scores_of_rows_are_those_of_each_token(model: Transformer) -> None:
    rows = np.random.default_rng(0).integers(0, 7, (35, 12))  # more than go through at once
    scores = score_tokens(model, rows)
    plain = [token_log_probabilities(model, row) for row in rows.tolist()]
    assert scores.log_probability == pytest.approx(np.array(plain), abs=1e-5)
    assert lowest_mean(scores.log_probability, 0.3) == pytest.approx([min_k_score(row, 0.3) for row in plain], abs=1e-5)
    opened = score_tokens(
        model, rows[:, 2:], opening=rows[0, :2].tolist()
    )  # what stands before a row is read, not scored
    begun = [token_log_probabilities(model, [*rows[0, :2].tolist(), *row[2:]])[2:] for row in rows.tolist()]
    assert opened.log_probability == pytest.approx(np.array(begun), abs=1e-5)


def test_one_pass_tells_what_greedy_decoding_would_write(model: Transformer) -> None:
    """Of a third of the rows the model itself wrote all on, of a third all but the last token."""
    rows = np.random.default_rng(1).integers(0, 7, (21, 13))
    for number, row in enumerate(rows):
        for place in range(4, 13 if number % 3 == 0 else 12 if number % 3 == 1 else 4):
            with torch.no_grad():
                row[place] = int(model(torch.tensor(row[None, :place]))[0, -1].argmax())
    plain = [is_extractable(model, row[:4], row[4:]) for row in rows.tolist()]
    assert comes_out(model, rows, 4).tolist() == plain
    assert comes_out(model, rows[:, 1:], 3, opening=[6]).tolist() == [
        is_extractable(model, [6, *row[1:4]], row[4:]) for row in rows.tolist()
    ]
    assert 7 <= sum(plain) < 14
    assert comes_out(model, rows[:0], 4).tolist() == []
    assert comes_out(model, rows[:, :6], 4).tolist() == [
        is_extractable(model, row[:4], row[4:6]) for row in rows.tolist()
    ]


def test_a_network_that_computes_no_numbers_is_no_safe_one(model: Transformer) -> None:
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.token_embedding.weight[3] = math.nan
    for measure in (
        lambda: comes_out(broken, np.full((1, 4), 3), 2),
        lambda: losses_after_prefix(broken, [[3, 1], [3, 2]]),
    ):
        with pytest.raises(AuditError, match="computes values that are not finite: its weights are damaged"):
            measure()


def test_losses_behind_a_common_beginning_are_those_of_whole_texts_but_for_it(model: Transformer) -> None:
    texts = [[1, 2, 3, 4, 5, 6], [1, 2, 3, 0, 5], [1, 2, 3, 4, 4, 4, 2]]
    plain = [-sum(token_log_probabilities(model, text)) for text in texts]
    of_beginning = -sum(token_log_probabilities(model, [1, 2, 3]))
    assert losses_after_prefix(model, texts) == pytest.approx(np.array(plain) - of_beginning, abs=1e-4)
    apart = [[1, 2], [3, 4, 5]]  # nothing in common: all but the first token counts
    plain = [-sum(token_log_probabilities(model, text)) for text in apart]
    assert losses_after_prefix(model, apart) == pytest.approx(np.array(plain), abs=1e-4)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.integers(0, 9))
def test_exposure_by_counting_is_the_definition(others: list[int], loss: int) -> None:
    found = fast_exposure.exposure(loss, np.array(others, np.float64), len(others) + 1)
    assert found.bits == pytest.approx(exposure(loss, others))
    assert not found.extrapolated


@settings(max_examples=30)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.lists(st.integers(0, 9), min_size=1, max_size=20))
def test_the_area_by_ranks_is_that_of_all_pairs(members: list[int], others: list[int]) -> None:
    rows = rows_of(np.array(members, np.float64), np.array(others, np.float64))
    assert auc(rows) == pytest.approx(area_under_curve(members, others))
