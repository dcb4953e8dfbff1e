"""Each row's gradient, clipped by itself: what a loop over single rows gives, for all layouts, shared weights and adapters."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from groundup.model.lora import add_lora
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer
from groundup.textbook.dp_sgd import clipped_gradient
from groundup.training.objectives.language_model import NO_LOSS, marked_loss_sum
from groundup.training.privacy.row_gradients import RowGradients
from groundup.training.privacy.row_parts import Lookup, Product, WeightRows

LAYOUTS: list[tuple[Preset, dict[str, Any]]] = [
    ("classic", {}),
    ("classic", {"tie_embeddings": True}),
    ("gpt2", {}),
    ("gpt2", {"tie_embeddings": False}),
    ("llama", {"tie_embeddings": False, "bias": "all"}),
    ("mistral", {"num_kv_heads": 1, "sliding_window": 3}),
    ("qwen2", {}),
    ("qwen3", {}),
    ("qwen3", {"tie_embeddings": False}),
]


def make_model(preset: Preset = "qwen3", **changed: Any) -> Transformer:
    torch.manual_seed(0)
    shape = {"vocab_size": 11, "d_model": 8, "num_layers": 2, "num_heads": 2, "max_seq_len": 20, "dropout": 0.0}
    return Transformer(
        preset_config(preset, **{**shape, "initialization": "normal", "init_std": 0.2, **changed})
    ).train()


def make_rows(length: int, num_rows: int = 5) -> Tensor:
    """Rows of unlike lengths, some of whose tokens carry no loss."""
    rows = torch.randint(0, 11, (num_rows, length + 1), generator=torch.Generator().manual_seed(1))
    for row in range(num_rows):
        rows[row, 2 + row * length // num_rows :] = ~0
    rows[-1, : length // 2] = ~rows[-1, : length // 2]
    return rows


def mean_loss(network: nn.Module, row: Tensor) -> Tensor:
    """Of one row, by PyTorch's own cross-entropy: the mean over what it learns."""
    inputs, targets = torch.where(row < 0, ~row, row)[None, :-1], row[1:].clamp(min=NO_LOSS)
    return nn.functional.cross_entropy(network(inputs)[0], targets, ignore_index=NO_LOSS)


def fast(network: Transformer, rows: Tensor, clip_norm: float) -> tuple[list[Tensor], Tensor]:
    counts = (rows[:, 1:] >= 0).sum(dim=1)
    with RowGradients(network, len(rows)) as gradients:
        marked_loss_sum(network, rows, all_logits=True).backward()  # type: ignore[no-untyped-call]
    norms = gradients.squared_norms().sqrt() / counts
    gradients.add_clipped((clip_norm / norms).clamp(max=1) / counts)
    found = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    network.zero_grad()
    return found, norms


def require_textbook(network: Transformer, rows: Tensor) -> None:
    """Equal to the loop over single rows, with a bound that clips some of them and one that clips none."""
    singles = [clipped_gradient(network, mean_loss, [row], 1e9) for row in rows]
    true_norms = torch.stack([torch.stack([part.norm() for part in single]).norm() for single in singles])
    for clip_norm in (float(true_norms.median()), 1e9):
        found, norms = fast(network, rows, clip_norm)
        torch.testing.assert_close(norms, true_norms, rtol=1e-5, atol=1e-6)
        expected = clipped_gradient(network, mean_loss, list(rows), clip_norm)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert float((one - other).norm()) <= 1e-5 * max(1.0, float(other.norm()))


@pytest.mark.parametrize("length", [2, 20])  # of inner products throughout, and of the rows' own gradients throughout
@pytest.mark.parametrize(("preset", "changed"), LAYOUTS)
def test_rows_are_clipped_as_one_by_one(preset: Preset, changed: dict[str, Any], length: int) -> None:
    require_textbook(make_model(preset, **changed), make_rows(length))


@pytest.mark.parametrize("length", [2, 20])
@pytest.mark.parametrize(("preset", "targets"), [("gpt2", "all-linear"), ("qwen3", ("q_proj", "v_proj", "up_proj"))])
def test_so_are_those_of_adapters(preset: Preset, targets: str, length: int) -> None:
    model = make_model(preset)
    add_lora(model, LoraSettings(rank=4, dropout=0.0, targets=targets), seed=1)
    for name, parameter in model.named_parameters():
        if "lora_b" in name:
            nn.init.normal_(parameter, std=0.3)
    require_textbook(model, make_rows(length))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_weight_of_two_layers_is_one_weight() -> None:
    """Table and projection: ⟨E + P, E + P⟩, the mixed part by inner products alone, held to the gradients themselves."""
    draw = torch.Generator().manual_seed(0)
    ids = torch.tensor([[0, 0, 28], [3, 4, 5], [7, 7, 7]])
    table = Lookup(ids, torch.randn(3, 3, 9, generator=draw))
    projection = Product(torch.randn(3, 3, 9, generator=draw), torch.randn(3, 3, 29, generator=draw))
    rows = torch.zeros(3, 29, 9)
    table.add_rows(rows)
    projection.add_rows(rows)
    products = WeightRows([table, projection], torch.Size((29, 9)))
    assert products.rows is None
    torch.testing.assert_close(products.squared_norms(), rows.square().sum(dim=(1, 2)))
    factors = torch.tensor([0.5, 0.0, 2.0])
    torch.testing.assert_close(products.weighted_sum(factors), torch.einsum("b,bvd->vd", factors, rows))


def test_the_network_is_left_as_it_was() -> None:
    model = make_model()
    fast(model, make_rows(3), 1.0)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    with pytest.raises(ZeroDivisionError), RowGradients(model, 5):
        raise ZeroDivisionError
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")  # ids want no gradient
def test_opacus_gives_the_same_norms() -> None:
    """Its hooks keep the gradient of each row whole, of tied weights, too."""
    from opacus import GradSampleModule

    model, rows = make_model("qwen3"), make_rows(12)
    _, norms = fast(model, rows, 1.0)
    wrapped = GradSampleModule(model, loss_reduction="sum", strict=False)
    inputs, targets = torch.where(rows < 0, ~rows, rows)[:, :-1], rows[:, 1:].clamp(min=NO_LOSS)
    losses = nn.functional.cross_entropy(wrapped(inputs).mT, targets, ignore_index=NO_LOSS, reduction="none")
    losses.sum().backward()  # type: ignore[no-untyped-call]
    squares = [parameter.grad_sample.flatten(1).square().sum(dim=1) for parameter in wrapped.parameters()]
    expected = torch.stack(squares).sum(dim=0).sqrt() / (rows[:, 1:] >= 0).sum(dim=1)
    torch.testing.assert_close(norms, expected, rtol=1e-4, atol=1e-6)
