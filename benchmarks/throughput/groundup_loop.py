"""Our own training loop's steps: batch, gradients, guard, update, as `groundup train` takes them.

LAYOUT names the preset (gpt2 by default, nanoGPT's network), OPTIMIZER the optimizer, THREADS how many threads.
"""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from protocol import serve, shape

from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer
from groundup.run.directory import RunDirectory
from groundup.tokens.plan import make_plan, training_batch
from groundup.training.loop import Task, prepare_machinery, take_step
from groundup.training.objectives.language_model import loss_sum
from groundup.training.settings import TrainingSettings

S = shape()
batch_size, context = S["batch_size"], S["context"]
torch.manual_seed(1337)
data = np.random.default_rng(0).integers(0, S["vocab_size"], 1_000_000).astype(np.uint16)
layout = cast(Preset, os.environ.get("LAYOUT", "gpt2"))
fields: dict[str, Any] = {name: S[name] for name in ("vocab_size", "num_layers", "num_heads", "d_model", "dropout")}
if layout == "gpt2":
    fields["activation"] = "gelu"  # nanoGPT's
model = Transformer(preset_config(layout, max_seq_len=context, **fields))
settings = TrainingSettings(
    batch_size=batch_size,
    optimizer=cast(Any, os.environ.get("OPTIMIZER", "adamw")),
    num_threads=int(os.environ.get("THREADS", "0")),
    max_steps=1_000_000,
)
plan = make_plan(len(data), context)
task = Task(
    model=model,
    settings=settings,
    run=RunDirectory(Path(tempfile.mkdtemp())),
    loss_sum=loss_sum,
    batch=partial(training_batch, data, plan, 1, batch_size=batch_size),
    evaluate=dict,
    sample=None,
    show=lambda: None,
    save_model=lambda path: None,
    peak_flops=1.0,
    fingerprint={},
)
machinery = prepare_machinery(task)
steps = iter(range(settings.max_steps))


def step() -> None:
    loss, _, _ = take_step(task, machinery, next(steps), 1.0)
    loss.item()


with machinery.shards:
    serve(step)
