"""Perplexity by closed forms: a model that knows nothing, one that is sure, and one that is sure and wrong."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from groundup.textbook.language_model import SimpleLanguageModel
from groundup.textbook.next_token import next_token_loss
from groundup.textbook.perplexity import average_loss, calculate_perplexity

V = 7


class Counter(nn.Module):
    """A language model that can only count: it is as sure as its sharpness says that id + 1 follows id."""

    def __init__(self, sharpness: float) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(sharpness))

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        return F.one_hot((input_ids + 1) % V, V) * self.sharpness  # (B, T, V)


def loss_of(sharpness: float, is_right: bool) -> float:
    """-ln of the probability e^s / (e^s + V - 1) of the next number, or of 1 / (e^s + V - 1) of another."""
    return math.log(math.exp(sharpness) + V - 1) - (sharpness if is_right else 0.0)


def test_perplexity_of_a_blind_guess_is_the_vocabulary_size() -> None:
    batches = [{"input_ids": torch.randint(V, (2, 9))}, {"input_ids": torch.randint(V, (1, 4))}]
    assert calculate_perplexity(Counter(0.0), batches) == pytest.approx(V)


def test_perplexity_of_a_sure_and_right_model_is_one() -> None:
    assert calculate_perplexity(Counter(50.0), [{"input_ids": torch.arange(V)[None]}]) == pytest.approx(1.0)


def test_every_token_weighs_the_same_in_a_short_last_batch_too() -> None:
    """Five right predictions in one batch, one wrong in another: (5 a + b) / 6, not (a + b) / 2."""
    batches = [{"input_ids": torch.tensor([[0, 1, 2, 3, 4, 5]])}, {"input_ids": torch.tensor([[3, 3]])}]
    right, wrong = loss_of(2.0, True), loss_of(2.0, False)
    assert average_loss(Counter(2.0), batches) == pytest.approx((5 * right + wrong) / 6)
    assert calculate_perplexity(Counter(2.0), batches) == pytest.approx(math.exp((5 * right + wrong) / 6))


def test_padding_does_not_count() -> None:
    """Padding with 0, on the right and on the left: only 1 → 2, 2 → 3 and 4 → 5 are predicted, all rightly."""
    ids = torch.tensor([[1, 2, 3, 0, 0], [0, 0, 0, 4, 5], [0, 0, 0, 0, 6]])
    batch = {"input_ids": ids, "attention_mask": (ids != 0).long()}
    summed, num_tokens = next_token_loss(Counter(2.0), batch)
    assert num_tokens == 3
    assert summed.item() == pytest.approx(3 * loss_of(2.0, True))
    assert calculate_perplexity(Counter(2.0), [batch]) == pytest.approx(math.exp(loss_of(2.0, True)))
    assert calculate_perplexity(Counter(2.0), [{"input_ids": ids}]) > 2 * calculate_perplexity(Counter(2.0), [batch])


def test_padding_does_not_change_the_perplexity_of_a_transformer() -> None:
    torch.manual_seed(0)
    model = SimpleLanguageModel(V, d_model=8, num_heads=2, num_layers=1, d_ff=8, max_seq_len=8)
    short, long = torch.randint(V, (1, 3)), torch.randint(V, (1, 6))
    expected = calculate_perplexity(model, [{"input_ids": short}, {"input_ids": long}])
    mask = torch.tensor([[0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    for padding in (0, 3):
        padded = torch.cat([torch.full((1, 3), padding), short], dim=1)
        for ids, kept in ((padded, mask), (padded.roll(3, dims=1), mask.flip(1))):  # on the left, then on the right
            batch = {"input_ids": torch.cat([ids, long]), "attention_mask": kept}
            assert calculate_perplexity(model, [batch]) == pytest.approx(expected, rel=1e-5)


def test_an_end_token_that_serves_as_padding_is_still_learned() -> None:
    """The end token 0 closes the text 5, 6 and then fills the row: the first 0 is a target, the others are not."""
    ids, mask = torch.tensor([[5, 6, 0, 0, 0]]), torch.tensor([[1, 1, 1, 0, 0]])
    summed, num_tokens = next_token_loss(Counter(2.0), {"input_ids": ids, "attention_mask": mask})
    assert num_tokens == 2
    assert summed.item() == pytest.approx(2 * loss_of(2.0, True))  # 6 follows 5, and 0 follows 6


def test_perplexity_of_a_huge_loss_is_infinity_not_an_overflow() -> None:
    wrong = [{"input_ids": torch.tensor([[3, 3, 3]])}]
    assert average_loss(Counter(1000.0), wrong) == pytest.approx(1000.0)
    assert calculate_perplexity(Counter(1000.0), wrong) == math.inf


def test_one_token_sequences_are_refused_with_advice() -> None:
    advice = r"shape \(3, 1\) has no token to predict: .* leave out sequences of fewer than 2 tokens"
    with pytest.raises(ValueError, match=advice):
        calculate_perplexity(Counter(1.0), [{"input_ids": torch.zeros(3, 1, dtype=torch.long)}])


def test_a_batch_that_is_all_padding_is_refused_with_advice() -> None:
    batch = {"input_ids": torch.zeros(2, 4, dtype=torch.long), "attention_mask": torch.zeros(2, 4)}
    with pytest.raises(ValueError, match=r"shape \(2, 4\) has no token to predict: .* \(padding does not count\)"):
        calculate_perplexity(Counter(1.0), [batch])


def test_an_empty_loader_is_refused_with_advice() -> None:
    empty: DataLoader[Any] = DataLoader([])  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match=r"data_loader has no batches to average over: give it more text, or drop_last=False"
    ):
        calculate_perplexity(Counter(1.0), empty)
