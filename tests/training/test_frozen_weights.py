"""Weights that are frozen: no gradient, no moments, no update, on any number of threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from groundup.errors import SettingError
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.run.checkpoints import OPTIMIZER_FILE, list_checkpoints
from groundup.run.directory import RunDirectory
from groundup.training.loop import train
from groundup.training.objectives.language_model import loss_sum
from groundup.training.optimizers import Optimizer, trainable
from groundup.training.settings import TrainingSettings
from groundup.training.shards import Shards
from groundup.training.step import Task, prepare_machinery, take_step

TRAINED = ("position_embedding.weight", "blocks.1.attention.qkv.weight", "blocks.1.attention.qkv.bias")
SETTINGS = TrainingSettings(
    optimizer="adamw", max_steps=4, batch_size=4, learning_rate=0.01, warmup_steps=1, eval_steps=2, save_steps=2
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
        threads.run(backward, rows, "1:0:0")
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
