"""Fine-tuning on our loop against the plain loop over transformers' class: after ten steps the weights are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel

from groundup.model.adapter import ADAPTER_FILE, save_adapter
from groundup.model.directory import load_model
from groundup.model.families import to_hf_tensors
from groundup.model.lora import add_lora
from groundup.model.lora_settings import LoraSettings
from groundup.model.transformer import Transformer
from groundup.run.directory import RunDirectory
from groundup.training.loop import train
from groundup.training.objectives.language_model import count_targets, loss_sum, marked_loss_sum
from groundup.training.settings import TrainingSettings
from groundup.training.task import LossSum, Task, num_predicted

STEPS, RATE, DECAY, WARMUP = 10, 2e-3, 0.1, 3
BETAS, MOST_NORM = (0.9, 0.999), 0.5


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every weight random, so that none is forgotten; no dropout, which each draws in its own way."""
    torch.manual_seed(0)
    off = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    config = GPT2Config(vocab_size=31, n_embd=16, n_layer=2, n_head=4, n_positions=12, **off)
    model = GPT2LMHeadModel(config)
    for parameter in model.parameters():
        nn.init.normal_(parameter, mean=float(parameter.ndim == 1) / 2, std=0.2)
    folder = tmp_path_factory.mktemp("pretrained")
    model.save_pretrained(folder)
    return folder


def batch(step: int) -> np.ndarray:
    return np.random.default_rng(step).integers(0, 31, (4, 9))


def marked_batch(step: int) -> np.ndarray:
    """Rows of which a part is read but not learned, of another size in each."""
    rows = batch(step)
    for row, start in enumerate(np.random.default_rng(step).integers(1, 8, 4)):
        rows[row, :start] = ~rows[row, :start]
    return rows


def ours(
    folder: Path,
    model: Transformer,
    loss: LossSum,
    rows: Callable[[int], np.ndarray],
    counted: Callable[[np.ndarray], int],
    **changed: Any,
) -> None:
    run = RunDirectory(folder)
    run.write_manifest({"checkpoints": {}})
    settings: dict[str, Any] = {
        "optimizer": "adamw",
        "max_steps": STEPS,
        "batch_size": 4,
        "learning_rate": RATE,
        "schedule": "linear",
        "warmup_steps": WARMUP,
        "weight_decay": DECAY,
        "beta1": BETAS[0],
        "beta2": BETAS[1],
        "max_grad_norm": MOST_NORM,
        "precision": "fp32",
        "num_threads": 1,
    }
    task = Task(
        model=model,
        settings=TrainingSettings(**{**settings, **changed}),
        run=run,
        loss_sum=loss,
        batch=rows,
        evaluate=lambda: {"loss": 1.0},
        sample=None,
        show=lambda: None,
        save_model=lambda directory: None,
        peak_flops=1e12,
        fingerprint={},
        count_targets=counted,
    )
    train(task)


def theirs(model: Any, rows: Callable[[int], np.ndarray]) -> None:
    """The loop as a textbook has it: the mean loss over what is learned, clipping, AdamW on two groups, a line up and down."""
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    spared = ("wte", "wpe", "ln_", "bias")
    decayed = [parameter for name, parameter in trained.items() if not any(part in name for part in spared)]
    others = [parameter for name, parameter in trained.items() if any(part in name for part in spared)]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=BETAS)
    model.train()
    for step in range(STEPS):
        ids = torch.from_numpy(rows(step))
        inputs, labels = torch.where(ids < 0, ~ids, ids), torch.where(ids < 0, -100, ids)
        rise, fall = (step + 1) / (WARMUP + 1), (STEPS - step) / (STEPS - WARMUP)
        for group in optimizer.param_groups:
            group["lr"] = RATE * (rise if step < WARMUP else fall)
        optimizer.zero_grad()
        model(inputs, labels=labels).loss.backward()
        nn.utils.clip_grad_norm_(list(trained.values()), MOST_NORM)
        optimizer.step()


def assert_moved_alike(before: dict[str, Tensor], found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Within a thousandth of how far each tensor moved. The keys' bias aside: it shifts all scores of a query alike, which softmax
    doesn't see, so its gradient is rounding alone, and Adam makes full steps of that."""
    for name, tensor in found.items():
        counts = torch.ones_like(tensor)
        if name.endswith("c_attn.bias"):
            counts.chunk(3)[1].zero_()
        moved = ((expected[name] - before[name]) * counts).abs().max()
        assert moved > 1e-3, name
        assert ((tensor - expected[name]) * counts).abs().max() <= 1e-3 * moved, name


@pytest.mark.parametrize("changed", [{}, {"num_threads": 2}, {"accumulation_steps": 2}], ids=str)
@pytest.mark.parametrize("marked", [False, True])
def test_full_fine_tuning(tmp_path: Path, pretrained: Path, marked: bool, changed: dict[str, int]) -> None:
    model, stock = load_model(pretrained), GPT2LMHeadModel.from_pretrained(pretrained)
    before = {name: tensor.clone() for name, tensor in stock.state_dict().items()}
    if marked:
        ours(tmp_path, model, marked_loss_sum, marked_batch, count_targets, **changed)
        theirs(stock, marked_batch)
    else:
        ours(tmp_path, model, loss_sum, batch, num_predicted, **changed)
        theirs(stock, batch)
    assert_moved_alike(before, to_hf_tensors(model.config, model.state_dict()), stock.state_dict())


@pytest.mark.filterwarnings("ignore")  # between peft and transformers: names that will go
@pytest.mark.parametrize("targets", ["attention", "all-linear"])
@pytest.mark.parametrize("changed", [{}, {"num_threads": 2}], ids=str)
def test_low_rank_fine_tuning(tmp_path: Path, pretrained: Path, targets: str, changed: dict[str, int]) -> None:
    """Against PEFT, both from the same narrow matrices."""
    from peft import PeftModel

    model, settings = load_model(pretrained), LoraSettings(rank=4, alpha=8.0, dropout=0.0, targets=targets)
    add_lora(model, settings, seed=0)
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    save_adapter(model, begun, str(pretrained), "", settings)
    adapted = PeftModel.from_pretrained(GPT2LMHeadModel.from_pretrained(pretrained), begun, is_trainable=True)
    ours(tmp_path, model, marked_loss_sum, marked_batch, count_targets, **changed)
    theirs(adapted, marked_batch)
    save_adapter(model, ended, str(pretrained), "", settings)
    expected = {name.replace(".default", ""): tensor for name, tensor in adapted.state_dict().items()}
    assert_moved_alike(load_file(begun / ADAPTER_FILE), load_file(ended / ADAPTER_FILE), expected)
