"""One way's steps, as `groundup train` takes them; it tells the memory that they took beyond the imports'."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch._dynamo  # which `torch.utils.checkpoint` and `F.linear_cross_entropy` would load: no memory of theirs
import torch.nn.functional as F
from benchmarks.bare_task import bare_task
from benchmarks.throughput.protocol import peak_rss, serve, shape
from torch import Tensor, nn

import groundup.training.step as training_step
from groundup.device import pick_device
from groundup.model.lora import add_lora
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.tokens.plan import make_plan, training_batch
from groundup.training.objectives import language_model
from groundup.training.settings import TrainingSettings


def rss() -> int:
    """What this process holds now, in bytes."""
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0]) * 1024


def pytorch_loss_sum(model: nn.Module, batch: Tensor) -> Tensor:
    """The loss by PyTorch's own function, which goes in chunks as ours does."""
    output: nn.Linear = model.output_projection  # type: ignore[assignment]
    hidden, options = model(batch[:, :-1], project=False).flatten(0, 1), nn.LinearCrossEntropyOptions()
    return F.linear_cross_entropy(hidden, output.weight, batch[:, 1:].flatten(), reduction="sum", options=options)


S = shape()
device, before = pick_device(S["device"]), rss()


def peak() -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return peak_rss() - before


torch.manual_seed(1)
data = np.random.default_rng(0).integers(0, S["shape"]["vocab_size"], 100_000).astype(np.uint16)
fields: dict[str, Any] = {"optimizer": "adamw", "precision": "fp32", **S["settings"]}
settings = TrainingSettings(batch_size=S["batch_size"], max_steps=1_000_000, **fields)
model = Transformer(preset_config(S["preset"], dropout=0.0, **S["shape"]))
if S["lora"]:
    add_lora(model, LoraSettings(rank=16, dropout=0.0), seed=0)
if S["loss"] == "whole":
    vars(language_model)["FEW_LOGITS"] = 2**62
length = S["shape"]["max_seq_len"]
batch = partial(training_batch, data, make_plan(len(data), length), 1, batch_size=S["batch_size"])
task = bare_task(model.to(device), settings, batch)
if S["loss"] == "pytorch":
    task = replace(task, loss_sum=pytorch_loss_sum)
machinery = training_step.prepare_machinery(task)
steps = iter(range(settings.max_steps))


def step() -> None:
    training_step.take_step(task, machinery, next(steps), 1.0).loss.item()


with machinery.shards:
    serve(step, peak)
