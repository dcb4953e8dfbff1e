"""Weights that are frozen: no gradient, no moments, no update, on any number of threads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from groundup.errors import SettingError, TrainingError
from groundup.model.adapter import load_adapter, save_adapter, weights_sha256
from groundup.model.lora import add_lora
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.run.checkpoints import OPTIMIZER_FILE, list_checkpoints
from groundup.run.directory import RunDirectory
from groundup.training.loop import train
from groundup.training.objectives.language_model import loss_sum
from groundup.training.optimizers import Optimizer, trainable
from groundup.training.settings import TrainingSettings
from groundup.training.shards import Shards
from groundup.training.step import prepare_machinery, take_step
from groundup.training.task import Task

TRAINED = ("position_embedding.weight", "blocks.1.attention.qkv.weight", "blocks.1.attention.qkv.bias")
SETTINGS = TrainingSettings(
    optimizer="adamw",
    max_steps=4,
    batch_size=4,
    learning_rate=0.01,
    warmup_steps=1,
    eval_steps=2,
    save_steps=2,
    precision="fp32",
)


def partly_frozen() -> Transformer:
    torch.manual_seed(0)
    shape = {"vocab_size": 11, "d_model": 16, "num_layers": 3, "num_heads": 2, "max_seq_len": 8}
    model = Transformer(preset_config("gpt2", **shape, initialization="normal", dropout=0.0))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in TRAINED)
    return model.train()


def batch(step: int) -> np.ndarray:
    return np.random.default_rng(step).integers(0, 11, (4, 9))


def make_task(folder: Path, model: Transformer, settings: TrainingSettings = SETTINGS) -> Task:
    folder.mkdir(exist_ok=True)
    run = RunDirectory(folder)
    run.write_manifest({"checkpoints": {}})
    return Task(
        model=model,
        settings=settings,
        run=run,
        loss_sum=loss_sum,
        batch=batch,
        evaluate=lambda: {"loss": 1.0},
        sample=None,
        show=lambda: None,
        save_model=lambda directory: None,
        peak_flops=1e12,
        fingerprint={},
    )


@pytest.mark.parametrize("shards", [1, 3])
def test_only_what_is_trained_has_a_gradient_the_one_of_a_network_that_is_trained_whole(shards: int) -> None:
    def backward(network: nn.Module, rows: Tensor) -> Tensor:
        loss = loss_sum(network, rows)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    model, rows = partly_frozen(), torch.from_numpy(batch(0))
    with Shards(model, model, shards, shards) as threads:
        threads.run(backward, rows)
        for network in threads.networks[1:]:
            assert isinstance(network, Transformer)
            assert network.token_embedding.weight is model.token_embedding.weight  # frozen: the very same
            assert network.output_projection.weight is model.token_embedding.weight  # and tied
            assert network.position_embedding is not None
            assert network.position_embedding.weight is not model.position_embedding.weight  # type: ignore[union-attr]
    found = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert set(found) == set(TRAINED)
    whole = partly_frozen().requires_grad_(True)
    backward(whole, rows)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, whole.get_parameter(name).grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("threads", [1, 2])
def test_training_leaves_what_is_frozen_as_it_was_and_keeps_no_moments_for_it(tmp_path: Path, threads: int) -> None:
    settings = TrainingSettings(**{**vars(SETTINGS), "num_threads": threads})
    model = partly_frozen()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    machinery = prepare_machinery(make_task(tmp_path, model, settings))
    assert machinery.parameters == trainable(model)
    assert machinery.adapter_parameters == sum(before[name].numel() for name in TRAINED)
    train(make_task(tmp_path, model, settings))
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert changed == set(TRAINED)
    moments = sum(2 * 4 * before[name].numel() for name in TRAINED)
    assert moments < (list_checkpoints(tmp_path)[-1] / OPTIMIZER_FILE).stat().st_size < moments + 2000


def test_a_resumed_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = partly_frozen()
    states = {}

    def keep(folder: Path) -> None:
        states[folder.name] = {name: tensor.clone() for name, tensor in whole.state_dict().items()}

    task = make_task(tmp_path, whole)
    train(Task(**{**vars(task), "save_model": keep}))
    first = list_checkpoints(tmp_path)[0]
    resumed = partly_frozen()
    resumed.load_state_dict(next(iter(states.values())))
    train(make_task(tmp_path, resumed), first)
    for ours, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_matrices_decay_and_nothing_else_and_muon_leaves_what_is_frozen() -> None:
    model = partly_frozen()
    groups = Optimizer(model, TrainingSettings(weight_decay=0.1, optimizer="adamw")).adamw_groups
    assert {name: group.weight_decay for group in groups for name in group.names} == {
        "position_embedding.weight": 0.0,
        "blocks.1.attention.qkv.weight": 0.1,
        "blocks.1.attention.qkv.bias": 0.0,
    }
    assert Optimizer(model, TrainingSettings(optimizer="muon")).muon_names == ["blocks.1.attention.qkv.weight"]
    for parameter in model.blocks.parameters():
        parameter.requires_grad_(False)
    none_left = Optimizer(model, TrainingSettings(optimizer="muon"))
    assert none_left.muon_names == []
    loss_sum(model, torch.from_numpy(batch(0))).backward()  # type: ignore[no-untyped-call]
    none_left.step(1.0, torch.zeros(()))


def test_steps_of_frozen_weights_count_fewer_operations(tmp_path: Path) -> None:
    frozen, whole = partly_frozen(), partly_frozen().requires_grad_(True)
    steps = []
    for model in (frozen, whole):
        task = make_task(tmp_path, model)
        machinery = prepare_machinery(task)
        with machinery.shards:
            steps.append(take_step(task, machinery, 0, 1.0))
    assert 0.6 < steps[0].flops / steps[1].flops < 0.85


def test_adapters_and_muon_do_not_go_together() -> None:
    with pytest.raises(
        SettingError, match=r'training\.optimizer = .*muon.*: use "adamw" with training\.method = "lora"'
    ):
        TrainingSettings(method="lora", optimizer="muon")
    assert TrainingSettings(method="lora", optimizer="adamw").method == "lora"


def with_adapters(dropout: float = 0.0) -> Transformer:
    model = partly_frozen().requires_grad_(True)
    add_lora(model, LoraSettings(rank=2, targets="all-linear", dropout=dropout), seed=1)
    return model.train()


def test_threads_give_adapters_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    gradients = []
    for threads in (1, 2, 3):
        model = with_adapters()
        task = make_task(tmp_path, model, TrainingSettings(**{**vars(SETTINGS), "num_threads": threads}))
        machinery = prepare_machinery(task)
        with machinery.shards:
            take_step(task, machinery, 0, 0.0)
        gradients.append([parameter.grad for parameter in machinery.parameters])
        assert all(parameter.grad is None for parameter in model.parameters() if not parameter.requires_grad)
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(gradients[0], gradients[2], atol=1e-6, rtol=1e-4)


def test_adapters_dropout_follows_from_the_seed_on_every_thread(tmp_path: Path) -> None:
    losses: list[float] = []
    for seed in (1, 1, 2):
        model = with_adapters(dropout=0.5)
        for name, parameter in model.named_parameters():
            if ".lora_b." in name:
                nn.init.normal_(parameter, generator=torch.Generator().manual_seed(3))
        torch.manual_seed(len(losses))  # nothing hangs on the default generator
        settings = TrainingSettings(**{**vars(SETTINGS), "num_threads": 2, "seed": seed})
        task = make_task(tmp_path, model, settings)
        machinery = prepare_machinery(task)
        with machinery.shards:
            losses.append(float(take_step(task, machinery, 0, 0.0).loss))
    assert losses[0] == losses[1] != losses[2]


def test_all_of_an_adapter_decays() -> None:
    optimizer = Optimizer(with_adapters(), TrainingSettings(optimizer="adamw", weight_decay=0.1))
    groups = {name: group.weight_decay for group in optimizer.adamw_groups for name in group.names}
    assert set(groups.values()) == {0.1}
    assert len(groups) == 3 * 4 * 2, "layers, matrices, A and B"


def test_a_nan_never_reaches_an_adapter(tmp_path: Path) -> None:
    def broken(model: nn.Module, rows: Tensor) -> Tensor:
        return loss_sum(model, rows) * torch.nan

    model = with_adapters(dropout=0.1)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    with pytest.raises(TrainingError, match=r"not finite \(NaN or Inf\) at step 1; no such update reached the weights"):
        train(replace(make_task(tmp_path, model), loss_sum=broken))
    assert all(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())
    assert list_checkpoints(tmp_path) == []


def test_patience_and_the_best_with_adapters(tmp_path: Path) -> None:
    """The best checkpoint's adapter, put back on the base, is the model that the loop had then."""
    model, directory = with_adapters(), tmp_path / "run"
    settings, losses = LoraSettings(rank=2, targets="all-linear"), iter([5.0, 2.0, 1.0, 1.5, 1.4])
    seen: list[Tensor] = []

    def evaluate() -> dict[str, float]:
        with torch.no_grad():
            seen.append(model(torch.from_numpy(batch(9))[:, :8]))
        return {"loss": next(losses)}

    changed = {"max_steps": 50, "eval_steps": 2, "save_steps": 50, "patience": 2, "keep_checkpoints": 1}
    task = make_task(directory, model, TrainingSettings(**{**vars(SETTINGS), **changed}))
    base = partly_frozen().requires_grad_(True)
    hashed = weights_sha256(base)
    outcome = train(
        replace(task, evaluate=evaluate, save_model=lambda path: save_adapter(model, path, "base", hashed, settings))
    )
    assert (outcome.stopped_because, outcome.progress.step, outcome.progress.best_step) == ("patience", 8, 4)
    best = list_checkpoints(directory)[0]
    assert best.name == "step-000004"
    load_adapter(base, best, hashed)
    torch.testing.assert_close(base.eval()(torch.from_numpy(batch(9))[:, :8]), seen[2], atol=1e-5, rtol=1e-5)
