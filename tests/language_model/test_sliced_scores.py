"""Scores of a vocabulary in slices against all of them at once, in float64."""

from __future__ import annotations

import copy

import pytest
import torch

from groundup.language_model import sliced_scores as module
from groundup.language_model.sliced_scores import SlicedScores, sliced_scores
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer

VOCABULARY, WIDTH = 203, 8  # four slices of 64, the last of 11


def network(bias: bool) -> Transformer:
    torch.manual_seed(3)
    config = preset_config(
        "classic" if bias else "gpt2",  # the only layout with a bias there
        vocab_size=VOCABULARY,
        d_model=WIDTH,
        num_layers=1,
        num_heads=1,
        max_seq_len=4,
        tie_embeddings=False,
    )
    model = Transformer(config)
    torch.nn.init.normal_(model.output_projection.weight, std=3.0)
    if bias:
        torch.nn.init.normal_(model.output_projection.bias, std=5.0)
    return model


@torch.no_grad()
def all_at_once(model: Transformer, hidden: torch.Tensor, targets: torch.Tensor, at: torch.Tensor) -> SlicedScores:
    logits = copy.deepcopy(model).double().logits(hidden.double())
    return SlicedScores(logits[at, targets], logits.logsumexp(dim=1), logits.amax(dim=1))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("places_at_once", [256, 5])
@torch.no_grad()
def test_slices_give_what_all_at_once_gives(bias: bool, places_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOGITS_AT_ONCE", 1)
    monkeypatch.setattr(module, "PLACES_AT_ONCE", places_at_once)
    model, hidden = network(bias), torch.randn(12, WIDTH)
    every = torch.arange(VOCABULARY)
    for targets, places in ((every[::18], None), (every, every * 7 % 12)):  # these with every token, places mixed
        found = sliced_scores(model, hidden, targets, places)
        at = torch.arange(12) if places is None else places
        expected = all_at_once(model, hidden, targets, at)
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours.double(), theirs, atol=1e-4, rtol=1e-6)
        assert (found.targets == found.highest[at]).tolist() == (expected.targets == expected.highest[at]).tolist()


@torch.no_grad()
def test_scores_far_apart_do_not_overflow() -> None:
    """exp(800) is no float64: ln(e^800 + 202 e^-800) = 800."""
    model = network(bias=True)
    torch.nn.init.zeros_(model.output_projection.weight)
    model.output_projection.bias.fill_(-800.0)
    model.output_projection.bias[150] = 800.0
    found = sliced_scores(model, torch.zeros(2, WIDTH), torch.tensor([150, 0]))
    assert (found.total.tolist(), found.targets.tolist()) == ([800.0, 800.0], [800.0, -800.0])


@torch.no_grad()
def test_a_network_in_float64_keeps_its_digits() -> None:
    model = network(bias=False).double()
    hidden, targets = torch.randn(3, WIDTH, dtype=torch.float64), torch.tensor([1, 64, 202])
    found = sliced_scores(model, hidden, targets)
    torch.testing.assert_close(
        found.total, all_at_once(model, hidden, targets, torch.arange(3)).total, atol=0, rtol=1e-14
    )


@torch.no_grad()
def test_nothing_asked_is_nothing_found() -> None:
    found = sliced_scores(network(bias=False), torch.zeros(0, WIDTH), torch.zeros(0, dtype=torch.int64))
    assert [len(each) for each in found] == [0, 0, 0]


@torch.no_grad()
def test_a_score_that_is_no_number_shows() -> None:
    found = sliced_scores(network(bias=False), torch.full((1, WIDTH), float("nan")), torch.tensor([3]))
    assert not found.total.isfinite().any()
