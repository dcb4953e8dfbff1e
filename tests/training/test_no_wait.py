"""A step never waits for the device: nothing in it asks for a number. Tried on PyTorch's meta device, which has none to give."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.bare_task import bare_task

from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.training import optimizers
from groundup.training.settings import TrainingSettings
from groundup.training.step import Machinery, Step, prepare_machinery, take_step

META = torch.device("meta")


@pytest.fixture(autouse=True)
def as_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is a card's alone: fused kernels; and what the meta device lacks: autocast."""
    monkeypatch.setattr(optimizers, "FUSED_DEVICES", ("meta",))
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)
    monkeypatch.setattr(torch, "autocast", lambda *arguments, **options: nullcontext())


def two_steps(vocab_size: int = 7, **changed: Any) -> tuple[Machinery, Step]:
    shape = {"vocab_size": vocab_size, "d_model": 16, "num_layers": 2, "num_heads": 2, "max_seq_len": 8}
    model = Transformer(preset_config("qwen3", dropout=0.1, **shape)).to(META)
    settings = TrainingSettings(**{"batch_size": 4, "precision": "fp32", "num_threads": 1, **changed})
    task = bare_task(model, settings, lambda step: np.arange(36).reshape(4, 9) % 7)
    machinery = prepare_machinery(task)
    with machinery.shards:
        steps = [take_step(task, machinery, step, 1.0) for step in range(2)]
    return machinery, steps[-1]


@pytest.mark.parametrize(
    "changed",
    [
        {"optimizer": "adamw"},
        {"optimizer": "muon"},
        {"optimizer": "adamw", "spike_sigmas": 3.0, "accumulation_steps": 2},
        {"optimizer": "adamw", "max_grad_norm": 0.0, "activation_checkpointing": True},
        {"optimizer": "adamw", "vocab_size": 70_000},  # the loss of some logits at a time
    ],
    ids=str,
)
def test_a_step_asks_the_device_for_nothing(changed: dict[str, Any]) -> None:
    machinery, step = two_steps(**changed)
    assert {tensor.device for tensor in (step.loss, step.grad_norm, machinery.guard.not_finite)} == {META}
    assert all(parameter.grad is not None and parameter.grad.device == META for parameter in machinery.parameters)


def test_who_asked_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device without fused kernels AdamW does ask."""
    monkeypatch.setattr(optimizers, "FUSED_DEVICES", ())
    with pytest.raises(RuntimeError, match="meta tensors"):
        two_steps(optimizer="adamw")
