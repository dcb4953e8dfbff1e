"""Matrices in the products' format beside those that are trained: the numbers are autocast's, and who asks for less gets autocast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.bare_task import bare_task
from benchmarks.memory.pretended_card import pretended_card
from torch import Tensor

from groundup.model.lora import add_lora
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer
from groundup.training import adamw
from groundup.training import step as training_step
from groundup.training.adamw import update_plainly
from groundup.training.memory_parts import Rank, narrow_parameters
from groundup.training.narrow_weights import may_be_narrow, with_narrow_weights
from groundup.training.objectives import token_loss_on_a_gpu
from groundup.training.objectives.language_model import loss_sum
from groundup.training.optimizers import Optimizer, gradient_norm, stacked_matrices, trainable
from groundup.training.ranks import Ranks
from groundup.training.settings import TrainingSettings
from groundup.training.step import prepare_machinery, take_step

SHAPE: dict[str, Any] = {
    "dropout": 0.0,
    "vocab_size": 31,
    "d_model": 16,
    "num_layers": 2,
    "num_heads": 2,
    "max_seq_len": 8,
}
SETTINGS = TrainingSettings(optimizer="adamw", learning_rate=0.01)


def tiny(preset: Preset, **fields: Any) -> Transformer:
    torch.manual_seed(0)
    return Transformer(preset_config(preset, **{**SHAPE, **fields}))


def way_back(model: Transformer, step: int = 0) -> torch.Tensor:
    rows = torch.from_numpy(np.random.default_rng(step).integers(0, 31, (4, 9)))
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        loss = loss_sum(model, rows) / 32
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


@pytest.mark.parametrize("preset", ["classic", "gpt2", "llama", "qwen3"])
def test_loss_and_gradients_are_autocasts_to_the_bit(preset: Preset) -> None:
    model = tiny(preset)
    network, copies = with_narrow_weights(model, torch.bfloat16)
    assert set(copies) == set(stacked_matrices(model))
    assert torch.equal(way_back(network), way_back(model.train()))
    own, shared = dict(network.named_parameters()), dict(model.named_parameters())
    for name, parameter in shared.items():
        assert (own[name] is parameter) == (name not in copies), name
    # What is shared has the gradients of both ways back.
    for name, copied in copies.items():
        assert copied.grad is not None
        assert copied.grad.dtype == torch.bfloat16
        expected = shared[name].grad
        assert expected is not None
        assert torch.equal(copied.grad.float(), expected), name


@pytest.mark.parametrize("preset", ["classic", "qwen3"])
def test_steps_are_autocasts_and_so_is_the_state_that_is_saved(preset: Preset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adamw, "update_on_a_card", update_plainly)
    narrow, wide = tiny(preset), tiny(preset).train()
    network, copies = with_narrow_weights(narrow, torch.bfloat16)
    mine, ordinary = Optimizer(narrow, SETTINGS, narrow=copies), Optimizer(wide, SETTINGS)
    mine.on_cuda = True  # where kernels clip as they read
    for step in range(3):
        # Whatever rounds the other way tells on all in the next step: so each begins with the same weights and moments.
        ordinary.load_state_tensors(mine.state_tensors())
        for other, one in zip(wide.parameters(), narrow.parameters(), strict=True):
            other.data.copy_(one.detach())
        norms = []
        for optimizer, model, learners in ((mine, network, trainable(network)), (ordinary, wide, trainable(wide))):
            optimizer.zero_grad()
            assert all(learner.grad is None for learner in learners)
            way_back(model, step)
            norms.append(gradient_norm(learners))
            optimizer.step(torch.tensor(1.0), torch.tensor(0.0), shrink=torch.tensor(0.25 if step else 1.0))
        torch.testing.assert_close(*norms, rtol=1e-6, atol=0)
        states = mine.state_tensors(), ordinary.state_tensors()
        assert set(states[0]) == set(states[1])
        for name, tensor in states[0].items():
            torch.testing.assert_close(tensor, states[1][name], rtol=1e-5, atol=1e-9)
        for one, other in zip(narrow.parameters(), wide.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "narrow"),
    [
        ({}, True),
        ({"optimizer": "muon"}, False),
        ({"precision": "fp32"}, False),
        ({"precision": "fp16"}, False),
        ({"accumulation_steps": 2}, False),  # sums of gradients in few bits
        ({"activation_checkpointing": True}, False),  # for whoever has no memory to spare
    ],
    ids=str,
)
def test_who_has_them(changed: dict[str, Any], narrow: bool) -> None:
    settings = TrainingSettings(**{"optimizer": "adamw", "precision": "bf16", "batch_size": 4, **changed})
    with pretended_card():
        model = Transformer(preset_config("qwen3", **SHAPE)).to("meta").to("cuda")
        machinery = prepare_machinery(bare_task(model, settings, lambda step: np.zeros((4, 9), dtype=np.int64)))
        assert bool(machinery.optimizer.matrices.names) == narrow
        pairs = list(zip(machinery.learners, machinery.parameters, trainable(model), strict=True))
        assert all(learner is own for learner, own, _ in pairs) == (not narrow)
        assert all(own is whole for _, own, whole in pairs)
        copied = sum(copy.numel() for copy in machinery.optimizer.matrices.copies if copy is not None)
        rank = Rank("cuda", 4 if machinery.dtype is None else 2)
        assert narrow_parameters(model.config, settings, rank, adapted=False) == copied  # what a plan counts


def test_adapters_a_cpu_several_processes_and_a_card_without_kernels_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    task = bare_task(tiny("qwen3"), SETTINGS, lambda step: np.zeros((4, 9), dtype=np.int64))
    card = torch.device("cuda")
    monkeypatch.setattr(token_loss_on_a_gpu, "loss_by", lambda device, dtype: abs)
    assert may_be_narrow(task, card, torch.bfloat16)
    assert not may_be_narrow(task, torch.device("cpu"), torch.bfloat16)
    assert not may_be_narrow(
        replace(task, ranks=Ranks(size=2)), card, torch.bfloat16
    )  # who send each other gradients in fp32
    # Where the loss's kernel could not be made this one couldn't either.
    monkeypatch.setattr(token_loss_on_a_gpu, "loss_by", lambda device, dtype: token_loss_on_a_gpu.loss_in_place)
    assert not may_be_narrow(task, card, torch.bfloat16)
    monkeypatch.setattr(token_loss_on_a_gpu, "loss_by", lambda device, dtype: abs)
    add_lora(task.model, LoraSettings(), seed=0)
    assert not may_be_narrow(task, card, torch.bfloat16)


def test_a_step_on_a_pretended_card_reads_and_writes_the_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TrainingSettings(optimizer="adamw", precision="bf16", batch_size=4)
    with pretended_card():
        model = Transformer(preset_config("qwen3", **SHAPE)).to("meta").to("cuda")
        task = bare_task(model, settings, lambda step: np.zeros((4, 9), dtype=np.int64))
        machinery = prepare_machinery(task)
        normed: list[Sequence[Tensor]] = []

        def seen(learners: Sequence[Tensor]) -> Tensor:
            normed.append(learners)
            return gradient_norm(learners)

        monkeypatch.setattr(training_step, "gradient_norm", seen)
        with machinery.shards:
            take_step(task, machinery, 0, 1.0)
        assert all(one is other for one, other in zip(normed[0], machinery.learners, strict=True))
        found = {learner.grad.dtype for learner in machinery.learners if learner.grad is not None}
        assert found == {torch.bfloat16, torch.float32}
        assert [p.grad is None for p in machinery.parameters] == [
            learner is not p for learner, p in zip(machinery.learners, machinery.parameters, strict=True)
        ]


def test_what_is_compiled_is_the_network_with_copies_and_it_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    """With dropout, though the model was last asked for a validation's loss."""
    given: list[torch.nn.Module] = []

    def compile_nothing(network: torch.nn.Module, device: torch.device) -> torch.nn.Module:
        given.append(network)
        return network

    monkeypatch.setattr(training_step, "compiled", compile_nothing)
    settings = TrainingSettings(optimizer="adamw", precision="bf16", batch_size=4, compile=True)
    with pretended_card():
        model = Transformer(preset_config("qwen3", **{**SHAPE, "dropout": 0.1})).to("meta").to("cuda").eval()
        machinery = prepare_machinery(bare_task(model, settings, lambda step: np.zeros((4, 9), dtype=np.int64)))
    (network,) = given
    assert machinery.shards.networks == [network]
    assert network is not model
    assert all(module.training for module in network.modules())
    assert all(one is other for one, other in zip(trainable(network), machinery.learners, strict=True))
