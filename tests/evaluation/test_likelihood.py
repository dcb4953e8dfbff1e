"""Loss, perplexity and bits per byte against hand-worked values and a direct computation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.errors import DataError
from groundup.evaluation.likelihood import likelihood, safe_exp
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.tokens.plan import validation_windows


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(0)
    return Transformer(
        preset_config(
            "qwen3",
            vocab_size=9,
            d_model=16,
            num_layers=1,
            num_heads=2,
            max_seq_len=8,
            initialization="normal",
            init_std=0.5,
        )
    )


def by_hand(model: Transformer, ids: np.ndarray, window: int) -> float:
    """The summed loss, one token at a time, each from those before it in its window."""
    total = 0.0
    with torch.no_grad():
        for place in range(1, len(ids)):
            start = (place - 1) // window * window
            logits = model(torch.from_numpy(ids[None, start:place]))[0, -1]
            total += float(F.cross_entropy(logits, torch.tensor(ids[place])))
    return total


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(1, 5))
def test_every_token_but_the_first_counts_once_whatever_the_batch(
    model: Transformer, length: int, batch_size: int
) -> None:
    ids = np.random.default_rng(length).integers(0, 9, length)
    measured = likelihood(model, ids, validation_windows(length, 8, 0), batch_size, num_bytes=3 * length, window=8)
    expected = by_hand(model, ids, 8)
    assert measured.tokens == length - 1
    assert measured.loss == pytest.approx(expected / (length - 1), rel=1e-5)
    assert measured.perplexity == pytest.approx(math.exp(expected / (length - 1)), rel=1e-5)
    assert measured.bits_per_byte == pytest.approx(expected / math.log(2) / (3 * length), rel=1e-5)
    assert (measured.bytes, measured.window) == (3 * length, 8)


def test_a_model_that_guesses_has_the_vocabulary_as_its_perplexity() -> None:
    flat = Transformer(
        preset_config("qwen3", vocab_size=9, d_model=16, num_layers=1, num_heads=2, max_seq_len=8, init_std=0.0)
    )
    measured = likelihood(flat, np.arange(9), validation_windows(9, 8, 0))
    assert measured.loss == pytest.approx(math.log(9))
    assert measured.perplexity == pytest.approx(9)
    assert measured.bits_per_byte is None


def test_dropout_is_off_while_measuring_and_back_on_after() -> None:
    torch.manual_seed(0)
    model = Transformer(
        preset_config("gpt2", vocab_size=9, d_model=16, num_layers=1, num_heads=2, max_seq_len=8, dropout=0.5)
    ).train()
    ids = np.arange(9)
    first, second = (likelihood(model, ids, validation_windows(9, 8, 0)).loss for _ in range(2))
    assert first == second
    assert model.training


def test_too_short_a_text_is_a_sentence(model: Transformer) -> None:
    with pytest.raises(DataError, match=r"fewer than two tokens.*give a longer text"):
        likelihood(model, np.array([1]), validation_windows(1, 8, 0))


def test_a_huge_loss_is_an_infinite_perplexity() -> None:
    assert safe_exp(1000.0) == math.inf
    assert safe_exp(2.0) == math.exp(2.0)
