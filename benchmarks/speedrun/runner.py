"""One training run of the ladder: tiny Shakespeare, a number of steps, and the loss on all of its validation text.

The text is 1,115,394 characters of 65 kinds; the first 90 % are trained on. The loss is the mean over every one of the last
111,540 characters but the first, in non-overlapping windows: of the model's own context, and of 64.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.bare_task import bare_task

from groundup.language_model.token_losses import Window, window_losses
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.tokens.plan import cut_rows, make_plan, training_batch
from groundup.training.optimizers import Optimizer
from groundup.training.schedules import learning_rate_factor
from groundup.training.settings import TrainingSettings
from groundup.training.step import Machinery, prepare_machinery, take_step
from groundup.training.task import Task

SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"

Batches = Callable[[np.ndarray, int, TrainingSettings], Callable[[int], np.ndarray]]
"""(ids, context, settings) -> the batch (B, T+1) of a step."""


@dataclass(frozen=True)
class Rung:
    """A recipe that differs from the base in one thing."""

    name: str
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    trick: Callable[[Transformer], None] | None = None
    """Changes the network into one that no stock class has."""
    optimizer_trick: Callable[[Optimizer], None] | None = None
    batches: Batches | None = None
    """Batches other than rows of one length and number."""
    stock: bool = True


def load_text(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The ids of tiny Shakespeare's training and validation parts."""
    if not path.is_file():
        raise SystemExit(f"{path} is no file: give tiny Shakespeare's text")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SystemExit(f"{path} is not tiny Shakespeare (sha256 {SHA256})")
    text = content.decode()
    table = {character: number for number, character in enumerate(sorted(set(text)))}
    ids = np.array([table[character] for character in text], np.uint16)
    cut = int(0.9 * len(ids))
    return ids[:cut], ids[cut:]


def plain_batches(ids: np.ndarray, context: int, settings: TrainingSettings) -> Callable[[int], np.ndarray]:
    """What `groundup train` does."""
    plan = make_plan(len(ids), context)

    def batch(step: int) -> np.ndarray:
        rows = training_batch(ids, plan, settings.seed, step, settings.batch_size)
        return cut_rows(rows) if step < settings.length_warmup_fraction * settings.max_steps else rows

    return batch


def build(base: Rung, rung: Rung, train_ids: np.ndarray, seed: int, max_steps: int) -> tuple[Task, Machinery]:
    """A task whose steps can be taken one by one."""
    fields = {"vocab_size": 65, **base.model, **rung.model}
    settings = TrainingSettings(
        **{"num_threads": 1, **base.training, **rung.training, "seed": seed, "max_steps": max_steps}
    )
    torch.manual_seed(seed)
    model = Transformer(preset_config(fields.pop("preset", "qwen3"), **fields))
    if rung.trick is not None:
        rung.trick(model)
    batches = (rung.batches or plain_batches)(train_ids, model.config.max_seq_len, settings)
    task = bare_task(model, settings, batches)
    machinery = prepare_machinery(task)
    if rung.optimizer_trick is not None:
        rung.optimizer_trick(machinery.optimizer)
    return task, machinery


def train(base: Rung, rung: Rung, text: tuple[np.ndarray, np.ndarray], seed: int, max_steps: int) -> dict[str, float]:
    """Take the steps; the losses at the end, and the seconds of training."""
    task, machinery = build(base, rung, text[0], seed, max_steps)
    start = time.perf_counter()
    with machinery.shards:
        for step in range(max_steps):
            take_step(task, machinery, step, learning_rate_factor(step, task.settings))
    seconds = time.perf_counter() - start
    context = task.model.config.max_seq_len
    return {
        "loss": validation_loss(task.model, text[1], context),
        "loss_64": validation_loss(task.model, text[1], min(64, context)),
        "seconds": seconds,
    }


def validation_loss(model: Transformer, ids: np.ndarray, window: int) -> float:
    """Nats a character over all of `ids` but the first, each predicted from those before it in its window."""
    starts = range(0, len(ids) - 1, window)
    windows = [Window(ids, start, start + 1, min(start + window, len(ids) - 1)) for start in starts]
    return sum(window_losses(model, windows, 64)) / (len(ids) - 1)


def evenly_spread(count: int, max_steps: int) -> list[int]:
    """The middle steps of `count` equal parts of a run: what holds for a share of the run holds for that share of them."""
    return [(2 * part + 1) * max_steps // (2 * count) for part in range(count)]


def cost_a_step(base: Rung, rung: Rung, text: tuple[np.ndarray, np.ndarray]) -> float:
    """What a run's steps cost, relative to the base's: both take the same steps in turn, from all parts of the run, since
    batches may change on the way. Each counts as the quicker of two, and costs add up."""
    pairs = [build(base, one, text[0], 1, 1200) for one in (base, rung)]
    seconds = [0.0, 0.0]
    for place, step in enumerate([0, *evenly_spread(12, 1200)]):
        for who, (task, machinery) in enumerate(pairs):
            clock = time.thread_time if task.settings.num_threads == 1 else time.perf_counter
            tries = []
            for _ in range(2):
                start = clock()
                take_step(task, machinery, step, 1.0)
                tries.append(clock() - start)
            if place:  # the first one warms up
                seconds[who] += min(tries)
    return seconds[1] / seconds[0]
