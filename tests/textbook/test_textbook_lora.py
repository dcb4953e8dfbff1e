"""The plain low-rank adaptation: what stands still, what learns, and what it comes close to."""

from __future__ import annotations

import peft
import pytest
import torch
from torch import nn

from groundup.textbook.language_model import SimpleLanguageModel
from groundup.textbook.lora import LoraLinear, add_lora, merge_lora


def test_it_begins_as_the_layer_that_it_adapts() -> None:
    linear = nn.Linear(8, 6)
    x = torch.randn(5, 8)
    layer = LoraLinear(linear, rank=2)
    assert torch.equal(layer(x), linear(x))
    assert layer.A.abs().max() <= 8**-0.5


def test_a_case_worked_by_hand() -> None:
    """W = I, A = (1 2), B = (3 4)ᵀ, α = 1, r = 1: (1, 1) goes to itself + 3 · (3, 4)."""
    layer = LoraLinear(nn.Linear(2, 2, bias=False), rank=1, alpha=1, dropout=0.0)
    with torch.no_grad():
        layer.linear.weight.copy_(torch.eye(2))
        layer.A.copy_(torch.tensor([[1.0, 2.0]]))
        layer.B.copy_(torch.tensor([[3.0], [4.0]]))
    assert layer(torch.ones(2)).tolist() == [10.0, 13.0]
    assert layer.merged().weight.tolist() == [[4.0, 6.0], [4.0, 9.0]]


def test_only_the_narrow_matrices_learn_and_dropout_spares_the_layer() -> None:
    layer = LoraLinear(nn.Linear(8, 6), dropout=0.5)
    x = torch.randn(5, 8)
    assert torch.equal(layer(x), layer.linear(x)), "what the layer had learned isn't dropped"
    layer(x).sum().backward()
    assert layer.linear.weight.grad is None
    assert layer.B.grad is not None
    assert layer.B.grad.any()


def test_it_learns_a_change_of_its_rank_and_no_more() -> None:
    """Fitted to a layer that differs by a matrix of rank 2: rank 2 gets there, rank 1 as near as the best of rank 1
    (Eckart & Young 1936), which leaves the second singular value."""
    torch.manual_seed(0)
    base, left, right = nn.Linear(6, 6, bias=False), torch.randn(6, 2), torch.randn(2, 6)
    change = left @ right
    singular_values = torch.linalg.svdvals(change)
    for rank, left_over in ((2, 0.0), (1, float(singular_values[1]))):
        layer = LoraLinear(base, rank=rank, alpha=rank, dropout=0.0)
        optimizer = torch.optim.Adam([layer.A, layer.B], lr=0.05)
        for _ in range(250):
            optimizer.zero_grad()
            loss = (layer.B @ layer.A - change).square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        assert float(loss.detach().sqrt()) == pytest.approx(left_over, abs=0.02)


def test_a_model_is_adapted_by_names_and_merged() -> None:
    model = SimpleLanguageModel(11, 12, 3, 2, 20, 8, dropout=0.0)
    ids = torch.randint(11, (2, 8))
    before = model(ids)
    add_lora(model, ("query_projection", "value_projection"), rank=3)
    torch.testing.assert_close(model.train()(ids), before)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert len(trained) == 2 * 2 * 2  # layers, projections, matrices
    assert all(name.endswith(("projection.A", "projection.B")) for name in trained)
    for name, parameter in model.named_parameters():
        if name in trained:
            nn.init.normal_(parameter)
    adapted = model.eval()(ids)
    merge_lora(model)
    assert not any(isinstance(module, LoraLinear) for module in model.modules())
    torch.testing.assert_close(model(ids), adapted)
    assert (adapted - before).abs().max() > 0.1


@pytest.mark.filterwarnings("ignore")  # peft's and torch's own
def test_it_computes_what_peft_does() -> None:
    theirs = peft.get_peft_model(
        nn.Sequential(nn.Linear(8, 6)), peft.LoraConfig(r=3, lora_alpha=5, target_modules=["0"], lora_dropout=0.0)
    )
    parameters = dict(theirs.named_parameters())
    linear = theirs.base_model.model[0].base_layer
    ours = LoraLinear(linear, rank=3, alpha=5, dropout=0.0)
    for which, matrix in (("A", ours.A), ("B", ours.B)):
        nn.init.normal_(matrix)
        parameters[f"base_model.model.0.lora_{which}.default.weight"].data.copy_(matrix)
    x = torch.randn(5, 8)
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.merged()(x), theirs(x))
