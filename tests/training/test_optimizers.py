"""Which rule trains which parameter, that a skipped step leaves all as it was, and that state goes out and in whole."""

from __future__ import annotations

import pytest
import torch

from groundup.errors import CheckpointError
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer
from groundup.training.optimizers import Optimizer, gradient_norm, scale_gradients, stacked_matrices
from groundup.training.settings import TrainingSettings


def tiny(preset: Preset = "qwen3") -> Transformer:
    torch.manual_seed(0)
    return Transformer(
        preset_config(
            preset, vocab_size=11, d_model=8, num_layers=1, num_heads=2, max_seq_len=8, initialization="normal"
        )
    )


def backward(model: Transformer) -> None:
    model(torch.arange(6)[None]).square().sum().backward()


@pytest.mark.parametrize("preset", ["classic", "gpt2", "llama", "qwen3"])
def test_adamw_decays_matrices_only(preset: Preset) -> None:
    model = tiny(preset)
    optimizer = Optimizer(model, TrainingSettings(optimizer="adamw", weight_decay=0.5))
    decay = {name: group.weight_decay for group in optimizer.adamw_groups for name in group.names}
    assert set(decay) == set(dict(model.named_parameters()))
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim == 2 and "embedding" not in name
        assert decay[name] == (0.5 if is_matrix else 0.0), name


@pytest.mark.parametrize(("dtype", "products"), [(None, None), (torch.bfloat16, torch.bfloat16), (torch.float16, None)])
def test_muon_multiplies_in_bf16_where_the_network_does_but_never_in_fp16(
    dtype: torch.dtype | None, products: torch.dtype | None
) -> None:
    """fp16 has too narrow a range for the iteration's squares of small numbers."""
    optimizer = Optimizer(tiny(), TrainingSettings(optimizer="muon"), dtype=dtype)
    assert optimizer.muon.product_dtype == products


@pytest.mark.parametrize("preset", ["classic", "gpt2", "llama", "qwen3"])
def test_muon_takes_the_blocks_matrices_and_adamw_the_rest(preset: Preset) -> None:
    model = tiny(preset)
    optimizer = Optimizer(model, TrainingSettings(optimizer="muon"))
    by_muon = set(optimizer.muon_names)
    by_adamw = {name for group in optimizer.adamw_groups for name in group.names}
    assert by_muon == {name for name, p in model.named_parameters() if name.startswith("blocks.") and p.ndim == 2}
    assert by_muon | by_adamw == set(dict(model.named_parameters()))
    assert not by_muon & by_adamw


def test_the_fused_projections_count_as_the_matrices_they_are_made_of() -> None:
    heights = stacked_matrices(tiny())
    assert heights["blocks.0.attention.qkv.weight"] == [8, 8, 8]
    assert heights["blocks.0.feed_forward.input.weight"] == [32, 32]


@pytest.mark.parametrize("rule", ["adamw", "muon"])
def test_a_skipped_step_changes_neither_weights_nor_state(rule: str) -> None:
    model = tiny()
    optimizer = Optimizer(model, TrainingSettings(optimizer=rule))  # type: ignore[arg-type]
    backward(model)
    optimizer.step(1.0, torch.tensor(0.0))
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    state = {name: tensor.clone() for name, tensor in optimizer.state_tensors().items()}
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, float("nan"))
    optimizer.step(1.0, torch.tensor(1.0))
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, weights[name]), name
    for name, tensor in optimizer.state_tensors().items():
        assert torch.equal(tensor, state[name]), name


def test_adamw_equals_torch_on_a_plain_loop() -> None:
    model, reference = tiny(), tiny()
    optimizer = Optimizer(model, TrainingSettings(optimizer="adamw", learning_rate=0.01, weight_decay=0.0))
    plain = torch.optim.AdamW(reference.parameters(), lr=0.005, betas=(0.9, 0.95), weight_decay=0.0)
    for _ in range(3):
        optimizer.zero_grad()
        plain.zero_grad()
        backward(model)
        backward(reference)
        optimizer.step(0.5, torch.tensor(0.0))
        plain.step()
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("rule", ["adamw", "muon"])
def test_state_goes_out_and_in_whole(rule: str) -> None:
    settings = TrainingSettings(optimizer=rule)  # type: ignore[arg-type]
    model = tiny()
    optimizer = Optimizer(model, settings)
    backward(model)
    optimizer.step(1.0, torch.tensor(0.0))
    copy = tiny()
    copy.load_state_dict(model.state_dict())
    other = Optimizer(copy, settings)
    other.load_state_tensors(optimizer.state_tensors())
    for network, rule_of_it in ((model, optimizer), (copy, other)):
        rule_of_it.zero_grad()
        backward(network)
        rule_of_it.step(1.0, torch.tensor(0.0))
    for ours, theirs in zip(model.parameters(), copy.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_state_that_does_not_fit_is_refused_by_name() -> None:
    model = tiny()
    optimizer = Optimizer(model, TrainingSettings(optimizer="adamw"))
    backward(model)
    optimizer.step(1.0, torch.tensor(0.0))
    state = optimizer.state_tensors()
    missing = {name: tensor for name, tensor in state.items() if name != "final_norm.weight.exp_avg"}
    with pytest.raises(CheckpointError, match=r"lacks final_norm\.weight\.exp_avg"):
        optimizer.load_state_tensors(missing)
    with pytest.raises(CheckpointError, match="has stranger"):
        optimizer.load_state_tensors({**state, "stranger": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"shape \(2,\), not \(8,\)"):
        optimizer.load_state_tensors({**state, "final_norm.weight.exp_avg": torch.zeros(2)})


def test_gradient_norm_and_scaling_equal_torch() -> None:
    model, reference = tiny(), tiny()
    backward(model)
    backward(reference)
    parameters = list(model.parameters())
    norm = gradient_norm(parameters)
    theirs = torch.nn.utils.clip_grad_norm_(reference.parameters(), 1.0)
    torch.testing.assert_close(norm, theirs)
    scale_gradients(parameters, (1.0 / (norm + 1e-6)).clamp(max=1.0))
    for ours, other in zip(parameters, reference.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, other.grad)
