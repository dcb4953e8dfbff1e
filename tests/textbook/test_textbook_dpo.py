"""The textbook's DPO by hand-worked numbers, against the stock library, and learning."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from groundup.textbook.dpo import answer_log_probability, dpo_loss, train_on_preferences
from groundup.textbook.language_model import SimpleLanguageModel

CHOSEN = torch.tensor([[3, 4, 5, 1, 0], [6, 7, 1, 0, 0]]), torch.tensor([[0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]).bool()
REJECTED = torch.tensor([[3, 4, 1, 0, 0], [6, 8, 9, 10, 1]]), torch.tensor([[0, 0, 1, 0, 0], [0, 1, 1, 1, 1]]).bool()


def test_loss_of_a_worked_example() -> None:
    """β = 1/2; the chosen answers moved by 2 and -1, the rejected ones by -1 and 1: margins 3/2 and -1."""
    moved = torch.tensor([2.0, -1.0]), torch.tensor([-1.0, 1.0])
    reference = torch.tensor([-9.0, -4.0]), torch.tensor([-3.0, -5.0])
    found = dpo_loss(reference[0] + moved[0], reference[1] + moved[1], *reference, beta=0.5)
    by_hand = [math.log(1 + math.exp(-1.5)), math.log(1 + math.exp(1.0))]
    assert found.item() == pytest.approx(sum(by_hand) / 2)
    smoothed = dpo_loss(reference[0] + moved[0], reference[1] + moved[1], *reference, beta=0.5, label_smoothing=0.25)
    flipped = [math.log(1 + math.exp(1.5)), math.log(1 + math.exp(-1.0))]
    assert smoothed.item() == pytest.approx(0.75 * sum(by_hand) / 2 + 0.25 * sum(flipped) / 2)


def test_smoothing_has_its_least_at_a_finite_margin() -> None:
    margin = torch.tensor(math.log(0.9 / 0.1), requires_grad=True)
    zero = torch.zeros(1)
    dpo_loss(margin[None], zero, zero, zero, beta=1.0, label_smoothing=0.1).backward()  # type: ignore[no-untyped-call]
    assert margin.grad is not None
    assert margin.grad.item() == pytest.approx(0.0, abs=1e-7)


def test_log_probabilities_are_the_losses_of_transformers() -> None:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=11, n_embd=16, n_layer=1, n_head=2, n_positions=8, initializer_range=0.5)
    model = GPT2LMHeadModel(config).eval()
    ids, is_answer = CHOSEN
    with torch.no_grad():
        found = answer_log_probability(model, ids, is_answer)
        for row in range(2):
            labels = ids[row].masked_fill(~is_answer[row], -100)[None]
            mean = model(ids[row][None], labels=labels).loss.item()
            assert found[row].item() == pytest.approx(-mean * int(is_answer[row].sum()), rel=1e-5)


def test_training_teaches_the_preference_and_starts_at_log_two() -> None:
    torch.manual_seed(0)
    model = SimpleLanguageModel(11, 16, 2, 1, 32, 8)
    reference = copy.deepcopy(model)
    losses = train_on_preferences(model, reference, CHOSEN, REJECTED, num_steps=30, learning_rate=0.003, beta=0.5)
    assert losses[0] == pytest.approx(math.log(2), abs=1e-6)
    assert losses[-1] < 0.3
    assert (answer_log_probability(model, *CHOSEN) > answer_log_probability(reference, *CHOSEN)).all()
    assert (answer_log_probability(model, *REJECTED) < answer_log_probability(reference, *REJECTED)).all()
