"""A step never waits for the card: nothing in it asks for a number. Tried on a pretended one, which has none to give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.bare_task import bare_task
from benchmarks.memory.pretended_card import CARD, pretended_card

from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.training import optimizers
from groundup.training.settings import TrainingSettings
from groundup.training.step import Machinery, Step, prepare_machinery, take_step


def two_steps(vocab_size: int = 7, **changed: Any) -> tuple[Machinery, Step]:
    shape = {"vocab_size": vocab_size, "d_model": 16, "num_layers": 2, "num_heads": 2, "max_seq_len": 8}
    settings = TrainingSettings(**{"batch_size": 4, "precision": "bf16", "num_threads": 1, **changed})
    with torch.device("meta"):
        model = Transformer(preset_config("qwen3", dropout=0.1, **shape))
    task = bare_task(model.to("cuda"), settings, lambda step: np.arange(36).reshape(4, 9) % 7)
    machinery = prepare_machinery(task)
    with machinery.shards:
        steps = [take_step(task, machinery, step, 1.0) for step in range(2)]
    return machinery, steps[-1]


@pytest.mark.parametrize(
    "changed",
    [
        {"optimizer": "adamw"},
        {"optimizer": "muon"},
        {"optimizer": "adamw", "precision": "fp32"},
        {"optimizer": "adamw", "precision": "tf32"},
        {"optimizer": "adamw", "spike_sigmas": 3.0, "accumulation_steps": 2},
        {"optimizer": "adamw", "max_grad_norm": 0.0, "activation_checkpointing": True},
        {"optimizer": "adamw", "vocab_size": 70_000},  # the loss of some logits at a time
    ],
    ids=str,
)
def test_a_step_asks_the_card_for_nothing(changed: dict[str, Any]) -> None:
    with pretended_card():
        machinery, step = two_steps(**changed)
        assert {tensor.device for tensor in (step.loss, step.grad_norm, machinery.guard.not_finite)} == {CARD}
        assert all(learner.grad is not None and learner.grad.device == CARD for learner in machinery.learners)


def test_who_asked_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device without fused kernels AdamW does ask."""
    monkeypatch.setattr(optimizers, "FUSED_DEVICES", ())
    with pretended_card(), pytest.raises(RuntimeError, match="meta tensors"):
        two_steps(optimizer="adamw")
