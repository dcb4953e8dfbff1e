"""Our own training loop's steps with LoRA of our own, as `groundup train` takes them; METHOD=full trains all weights.

Rows of unequal length share a batch with rows of like length, as `data.packing = "documents"` and instruction tuning lay them.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from benchmarks.bare_task import bare_task
from benchmarks.lora.rows import rows_of
from benchmarks.throughput.protocol import serve, shape
from numpy.typing import NDArray

from groundup.model.directory import load_model
from groundup.model.lora import add_lora
from groundup.model.lora_settings import LoraSettings
from groundup.tokens.length_buckets import bucket_order
from groundup.tokens.order import Group
from groundup.training.objectives.language_model import count_targets, marked_loss_sum
from groundup.training.settings import TrainingSettings
from groundup.training.step import prepare_machinery, take_step

S = shape()
torch.manual_seed(1337)
rows = rows_of(S)
settings = TrainingSettings(
    batch_size=S["batch_size"], optimizer="adamw", precision="fp32", learning_rate=1e-4, max_steps=1_000_000
)
model = load_model(Path(S["base"]))
if os.environ.get("METHOD") != "full":
    lora = LoraSettings(rank=S["rank"], alpha=2 * S["rank"], dropout=S["lora_dropout"], targets=("c_attn",))
    add_lora(model, lora, seed=0)


lengths = np.array([len(row) for row in rows])
groups = [Group(first=0, num_rows=len(rows), drawn=len(rows), max_shift=0)]


def batch(step: int) -> NDArray[np.int64]:
    """Rows of like length, padded with a token that carries no loss."""
    samples = step * S["batch_size"] + np.arange(S["batch_size"])
    places = bucket_order(lengths, groups, S["batch_size"], 1, samples)
    filled = np.full((len(places), lengths[places].max()), ~0)
    for ids, place in zip(filled, places, strict=True):
        ids[: lengths[place]] = rows[place]
    return filled


task = replace(bare_task(model, settings, batch), loss_sum=marked_loss_sum, count_targets=count_targets)
machinery = prepare_machinery(task)
steps = iter(range(settings.max_steps))


def step() -> None:
    take_step(task, machinery, next(steps), 1.0).loss.item()


with machinery.shards:
    serve(step)
