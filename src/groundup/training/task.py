"""What a training works on: a model, its settings, and what differs between kinds of training, handed in as functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from groundup.model.transformer import Transformer
from groundup.run.directory import RunDirectory
from groundup.training.privacy.plan import PrivacyPlan
from groundup.training.ranks import ALONE, Ranks
from groundup.training.settings import TrainingSettings

LossSum = Callable[[nn.Module, Tensor], Tensor]
"""The summed loss of some rows: a scalar, or a vector whose first element it is, figures' sums (detached) behind it."""


SavePart = Callable[[Path, Mapping[str, Tensor], int, int], None]
"""Given a directory, tensors by name, which file this is (from 0), and of how many."""


def num_predicted(batch: np.ndarray) -> int:
    """Of rows that are nothing but ids, all but the first token of each."""
    return int(batch.shape[0] * (batch.shape[1] - 1))


def rows_read(batch: np.ndarray) -> tuple[int, int]:
    """How many rows the network reads, and how many tokens of each: of (B, …, T+1) B and T."""
    return int(batch.shape[0]), int(batch.shape[-1]) - 1


@dataclass(frozen=True)
class Task:
    """What the loop works on. The callables are composed by `recipe`, which knows text, evaluation and generation."""

    model: Transformer
    settings: TrainingSettings
    run: RunDirectory
    loss_sum: LossSum
    batch: Callable[[int], np.ndarray]
    """A step's whole batch, (B, T+1) ids or what else `loss_sum` reads: a pure function of the step, and so is its shape. With `privacy`
    neither: rows are drawn from the operating system's randomness, some more or fewer of them, or none."""
    evaluate: Callable[[], dict[str, float]]
    """Validation figures of the model as it stands; at least `loss`."""
    sample: Callable[[int], dict[str, Any]] | None
    """What the model writes at a step."""
    show: Callable[[], object]
    """Called after each validation, once what it led to is saved: there is something new to look at."""
    save_model: Callable[[Path], None]
    """Writes the model's and the tokenizer's files into a directory."""
    peak_flops: float
    """Floating-point operations a second that matrix products reached before training; MFU is measured against the best seen."""
    fingerprint: dict[str, str]
    """Hashes of recipe, tokenizer and data; they go into every checkpoint."""
    count_targets: Callable[[np.ndarray], int] = num_predicted
    """How many tokens of a batch carry loss."""
    count_terms: Callable[[np.ndarray], int] | None = None
    """What the sums of loss and figures are divided by, where it is not the tokens that carry loss: pairs, say."""
    figure_names: tuple[str, ...] = ()
    """What `loss_sum` gives behind the loss, in its order; their means are logged with it."""
    rows_read: Callable[[np.ndarray], tuple[int, int]] = rows_read
    """How many rows of a batch the network reads, and how many tokens of each."""
    ranks: Ranks = ALONE
    """Which of the processes that train together this one is. Batches are the same in all; each reads its rows of them."""
    shard_to: torch.device | None = None
    """With FSDP the device of this process, over which and the others' the weights are dealt out; the model stays where it is."""
    save_part: SavePart | None = None
    """Writes some of the model's weights, by name, as one of several files; with FSDP."""
    recordable: bool = False
    """Whether `loss_sum` is the same operations for all batches of one shape, whatever their numbers, and never waits for the device."""
    privacy: PrivacyPlan | None = None
    """How the gradient is made private. It asks for marked rows, (B, L+1), and for a `loss_sum` of all logits where all is trained."""
