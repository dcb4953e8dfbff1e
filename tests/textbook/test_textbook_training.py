"""`train_language_model`: it learns, says how, and does each step as its docstring says."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import DataLoader

from groundup.textbook.language_model import SimpleLanguageModel
from groundup.textbook.perplexity import average_loss, calculate_perplexity
from groundup.textbook.training import learning_rate_factor, parameter_groups, train_language_model

V = 6


def small_model(dropout: float = 0.0) -> SimpleLanguageModel:
    torch.manual_seed(0)
    return SimpleLanguageModel(V, d_model=16, num_heads=2, num_layers=1, d_ff=32, max_seq_len=8, dropout=dropout)


def counting_loader(num_rows: int = 12, batch_size: int = 4, seq_len: int = 8) -> DataLoader[Any]:
    """Rows that count upwards and start again after V - 1: once learned, each token follows from the one before it."""
    rows = [{"input_ids": (torch.arange(seq_len) + start) % V} for start in range(num_rows)]
    return DataLoader(rows, batch_size=batch_size)  # type: ignore[arg-type]  # a list serves as data set


def test_it_learns_to_count_and_gives_the_same_model_back() -> None:
    model, loader = small_model(dropout=0.1), counting_loader()
    before = calculate_perplexity(model, loader)
    trained = train_language_model(model, loader, loader, num_epochs=25, learning_rate=1e-2)
    assert trained is model
    assert not model.training
    assert before == pytest.approx(V, rel=0.1)
    assert calculate_perplexity(model, loader) < 1.1


def test_it_reports_each_epoch_and_every_hundredth_batch(capsys: pytest.CaptureFixture[str]) -> None:
    model = small_model()
    train_language_model(model, counting_loader(101, batch_size=1, seq_len=3), counting_loader(2), num_epochs=2)
    number, rate = r"\d+\.\d{4}", r"0\.\d{6}"
    epoch_lines = [
        [
            f"Epoch {epoch}, Batch 0, Loss: {number}",
            f"Epoch {epoch}, Batch 100, Loss: {number}",
            rf"Epoch {epoch + 1}/2:",
            f"  Train Loss: {number}",
            f"  Val Loss: {number}",
            f"  Learning Rate: {rate}",
        ]
        for epoch in range(2)
    ]
    pattern = "".join(line + "\n" for lines in epoch_lines for line in lines)
    assert re.fullmatch(pattern, capsys.readouterr().out)


def test_dropout_is_on_while_it_learns_and_off_while_it_is_measured() -> None:
    model, seen = small_model().eval(), []
    model.register_forward_hook(lambda module, *_: seen.append(module.training))
    train_language_model(model, counting_loader(8), counting_loader(4), num_epochs=2)
    assert seen == [True, True, False] * 2


def test_losses_are_weighted_by_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    """Batches of 14 and 3 predicted tokens, and a rate of 0, so that the model stays what it is."""
    model = small_model()
    nn.init.normal_(model.output_projection.bias)
    full, short = torch.arange(16).view(2, 8) % V, torch.tensor([[1, 5, 1, 5]])
    batches: DataLoader[Any] = DataLoader([{"input_ids": full}, {"input_ids": short}], batch_size=None)  # type: ignore[arg-type]
    losses = [average_loss(model, [{"input_ids": ids}]) for ids in (full, short)]
    assert abs(losses[0] - losses[1]) > 0.1
    train_language_model(model, batches, batches, num_epochs=1, learning_rate=0.0)
    expected = (14 * losses[0] + 3 * losses[1]) / 17
    printed = [float(found) for found in re.findall(r"(?:Train|Val) Loss: (.*)", capsys.readouterr().out)]
    assert printed == pytest.approx([expected, expected], abs=1e-4)


def test_padding_is_not_learned() -> None:
    """The same rows, padded on either side with different ids, train the same weights."""
    ids = (torch.arange(10) % V).view(2, 5)
    weights = []
    for padding, left in ((0, 0), (3, 0), (5, 3), (1, 1)):
        padded = torch.full((2, 8), padding)
        padded[:, left : left + 5] = ids
        mask = torch.zeros(2, 8)
        mask[:, left : left + 5] = 1
        batch = {"input_ids": padded, "attention_mask": mask}
        loader: DataLoader[Any] = DataLoader([batch], batch_size=None)  # type: ignore[arg-type]
        model = train_language_model(small_model(), loader, loader, num_epochs=2)
        weights.append(model.output_projection.weight.detach())
    for other in weights[1:]:
        assert (other - weights[0]).abs().max() < 1e-5
    assert (weights[0] - small_model().output_projection.weight).abs().max() > 1e-4


def test_only_matrices_decay() -> None:
    model = small_model()
    decayed, others = parameter_groups(model, 0.01)
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.01, 0.0)
    named = {id(parameter): name for name, parameter in model.named_parameters()}
    in_block = "transformer_blocks.0."
    assert {named[id(parameter)] for parameter in decayed["params"]} == {
        *(f"{in_block}attention.{part}_projection.weight" for part in ("query", "key", "value", "output")),
        f"{in_block}ffn.0.weight",
        f"{in_block}ffn.3.weight",
        "output_projection.weight",
    }
    assert len(decayed["params"]) + len(others["params"]) == len(named)


def test_frozen_parameters_stay_as_they_are() -> None:
    model = small_model()
    model.token_embedding.weight.requires_grad_(False)
    before = model.token_embedding.weight.clone()
    train_language_model(model, counting_loader(), counting_loader(), num_epochs=1)
    assert torch.equal(model.token_embedding.weight, before)


def test_learning_rate_warms_up_then_follows_a_cosine_step_by_step() -> None:
    factors = [learning_rate_factor(step, 100) for step in range(100)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert all(later < earlier for earlier, later in itertools.pairwise(factors[4:]))
    assert factors[4 + 48] == pytest.approx(0.5 * (1 + math.cos(math.pi / 2)), abs=1e-12)  # half way down
    assert 0 < factors[-1] < 0.001


@pytest.mark.parametrize("total_steps", [1, 2, 3, 19, 1000])
def test_no_step_is_wasted_on_a_rate_of_zero(total_steps: int) -> None:
    factors = [learning_rate_factor(step, total_steps) for step in range(total_steps)]
    assert max(factors) == 1.0
    assert min(factors) > 0


def test_the_rate_moves_within_a_single_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    loader = counting_loader(20, batch_size=1)
    train_language_model(small_model(), loader, loader, num_epochs=1, learning_rate=0.5)
    printed = re.findall(r"Learning Rate: (.*)", capsys.readouterr().out)
    assert printed == [f"{0.5 * learning_rate_factor(19, 20):.6f}"]


def test_gradients_are_clipped_to_length_one() -> None:
    model = small_model()
    lengths: list[float] = []
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=1.0)

    def note_length(optimizer: torch.optim.Optimizer, *_: object) -> None:
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        lengths.append(torch.stack([grad.norm() for grad in grads]).norm().item())

    handle = register_optimizer_step_pre_hook(note_length)
    try:
        train_language_model(model, counting_loader(), counting_loader(), num_epochs=1)
    finally:
        handle.remove()
    assert lengths == pytest.approx([1.0, 1.0, 1.0], rel=1e-4)


def test_empty_loaders_are_refused_with_advice() -> None:
    empty: DataLoader[Any] = DataLoader([])  # type: ignore[arg-type]
    for train_loader, val_loader, name in (
        (empty, counting_loader(), "train_loader"),
        (counting_loader(), empty, "val_loader"),
    ):
        with pytest.raises(
            ValueError, match=rf"{name} has no batches: give it more text, a smaller batch_size, or drop"
        ):
            train_language_model(small_model(), train_loader, val_loader)


def test_one_token_sequences_are_refused_with_advice() -> None:
    with pytest.raises(ValueError, match=r"has no token to predict: .* leave out sequences of fewer than 2 tokens"):
        train_language_model(small_model(), counting_loader(seq_len=1), counting_loader())


def test_bfloat16_model_trains() -> None:
    model = small_model().bfloat16()
    before = model.output_projection.weight.clone()
    train_language_model(model, counting_loader(), counting_loader(), num_epochs=1, learning_rate=1e-2)
    after = model.output_projection.weight
    assert after.dtype == torch.bfloat16
    assert after.isfinite().all()
    assert not torch.equal(after, before)
