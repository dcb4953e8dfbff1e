"""Our own training loop's steps: batch, gradients, guard, update, as `groundup train` takes them.

By environment: LAYOUT names the preset (gpt2 by default, nanoGPT's network), OPTIMIZER the optimizer, THREADS how many threads.
PART=rows leaves out all but the rows' passes through the network: what a step can't be faster than while they are as they are.
SPLIT=operations splits every operation over the threads, PyTorch's way, and not the batch; MEMORY=system lets freed memory go
back to it. PRECISION is the number format of the matrix products (fp32 by default, as nanoGPT's on a CPU).
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from benchmarks.bare_task import bare_task
from benchmarks.throughput.protocol import serve, shape
from torch import nn

import groundup.training.step as training_step
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer
from groundup.tokens.plan import make_plan, training_batch
from groundup.training.settings import TrainingSettings

S = shape()
torch.manual_seed(1337)
data = np.random.default_rng(0).integers(0, S["vocab_size"], 1_000_000).astype(np.uint16)
layout = cast(Preset, os.environ.get("LAYOUT", "gpt2"))
fields: dict[str, Any] = {name: S[name] for name in ("vocab_size", "num_layers", "num_heads", "d_model", "dropout")}
if layout == "gpt2":
    fields["activation"] = "gelu"  # nanoGPT's
if os.environ.get("SPLIT") == "operations":
    vars(training_step)["num_shards"] = lambda settings, device, num_threads: 1
if os.environ.get("MEMORY") == "system":
    vars(training_step)["keep_freed_memory"] = lambda: None
settings = TrainingSettings(
    batch_size=S["batch_size"],
    optimizer=cast(Any, os.environ.get("OPTIMIZER", "adamw")),
    num_threads=int(os.environ.get("THREADS", "0")),
    precision=cast(Any, os.environ.get("PRECISION", "fp32")),
    max_steps=1_000_000,
)
plan = make_plan(len(data), S["context"])
batch = partial(training_batch, data, plan, 1, batch_size=S["batch_size"])
task = bare_task(Transformer(preset_config(layout, max_seq_len=S["context"], **fields)), settings, batch)
machinery = training_step.prepare_machinery(task)
steps = iter(range(settings.max_steps))


def step() -> None:
    training_step.take_step(task, machinery, next(steps), 1.0).loss.item()


rows = torch.from_numpy(batch(0))


def rows_alone() -> None:
    """Forward and back on every thread; the gradients are thrown away."""
    for parameters in machinery.shards.parameters:
        for parameter in parameters:
            parameter.grad = None

    def backward(part: tuple[nn.Module, torch.Tensor]) -> None:
        task.loss_sum(*part).backward()  # type: ignore[no-untyped-call]

    networks = machinery.shards.networks
    machinery.shards.each(backward, list(zip(networks, rows.tensor_split(len(networks)), strict=True)))


with machinery.shards:
    serve(rows_alone if os.environ.get("PART") == "rows" else step)
