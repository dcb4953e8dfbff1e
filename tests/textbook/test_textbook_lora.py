"""The textbook's LoRA against PEFT's, by its rank, and merged."""

from __future__ import annotations

import copy

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model

from groundup.textbook.language_model import SimpleLanguageModel
from groundup.textbook.lora import LoRALinear, add_lora, count_parameters, merge_lora

IDS = torch.tensor([[3, 4, 5, 1], [6, 7, 1, 2]])


@pytest.fixture
def model() -> SimpleLanguageModel:
    torch.manual_seed(0)
    return SimpleLanguageModel(11, 16, 2, 2, 32, 8).eval()


def with_random_b(model: SimpleLanguageModel) -> None:
    for module in model.modules():
        if isinstance(module, LoRALinear):
            torch.nn.init.normal_(module.b)


def test_it_begins_as_it_was_and_only_narrow_matrices_are_trained(model: SimpleLanguageModel) -> None:
    before, total = model(IDS), count_parameters(model)[1]
    add_lora(model, rank=4)
    assert torch.equal(model(IDS), before)
    added = 2 * 2 * 4 * (16 + 16)  # two matrices in two blocks, A and B of rank 4
    assert count_parameters(model) == (added, total + added)
    model(IDS).sum().backward()
    assert {name.rpartition(".")[2] for name, parameter in model.named_parameters() if parameter.grad is not None} == {
        "a",
        "b",
    }


def test_outputs_are_peft_s(model: SimpleLanguageModel) -> None:
    theirs = copy.deepcopy(model)
    add_lora(model, rank=4, alpha=8)
    with_random_b(model)
    config = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.1, target_modules=["query_projection", "value_projection"])
    theirs = inject_adapter_in_model(config, theirs)  # type: ignore[assignment]
    tensors = {name: value for name, value in model.state_dict().items() if name.endswith((".a", ".b"))}
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            layer, _, which = name.partition(".lora_")
            if which:
                parameter.copy_(tensors[f"{layer}.{which[0].lower()}"])
    torch.testing.assert_close(model(IDS), theirs.eval()(IDS), atol=1e-5, rtol=0)


def test_merged_it_is_a_plain_model_that_computes_the_same(model: SimpleLanguageModel) -> None:
    plain = copy.deepcopy(model)
    add_lora(model, ("query_projection", "0"), rank=3)
    with_random_b(model)
    adapted = model(IDS)
    merge_lora(model)
    torch.testing.assert_close(model(IDS), adapted, atol=1e-4, rtol=1e-5)
    assert [name for name, _ in model.named_modules()] == [name for name, _ in plain.named_modules()]
    assert all(parameter.requires_grad for parameter in model.parameters())
    change = model.transformer_blocks[0].attention.query_projection.weight - plain.transformer_blocks[0].attention.query_projection.weight  # type: ignore[union-attr]  # fmt: skip
    assert torch.linalg.matrix_rank(change, atol=1e-4) == 3


def test_what_cannot_be_adapted_is_named(model: SimpleLanguageModel) -> None:
    with pytest.raises(ValueError, match="No linear layer is named q_proj"):
        add_lora(model, ["q_proj"])
    with pytest.raises(ValueError, match="rank = 0"):
        add_lora(model, rank=0)
