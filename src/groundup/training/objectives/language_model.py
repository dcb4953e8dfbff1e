"""Language modelling: predict each next token."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from groundup.training.objectives.token_loss import cross_entropy_sum

NO_LOSS = -1
FEW_LOGITS = 2**18  # up to so many, all at once is as fast, and nothing to save


def loss_sum(model: nn.Module, batch: Tensor) -> Tensor:
    """The summed cross-entropy, in nats, of every token of `batch` (B, T+1) but the first of each row, given those before it.

    -Σ log P(w_t | w_1 … w_{t-1}) (Bengio et al. 2003, §1). Divide by B·T for the mean.
    """
    inputs, targets = batch[:, :-1], batch[:, 1:]  # the targets are the inputs, one place on
    if _few_logits(model, targets):
        return _of_logits(model(inputs), targets)
    return _of_hidden(model, model(inputs, project=False).flatten(0, 1), targets.flatten())


def marked_loss_sum(model: nn.Module, batch: Tensor, all_logits: bool = False) -> Tensor:
    """The same over tokens that carry loss, of rows that say which do: (B, T+1), or (B, 2, T+1) with the document of each token below it.

    `~id`, a negative number, is a token that is read but not predicted. With documents, attention stays within them. With `all_logits`
    they are made row by row by the network's own layer, whatever memory it takes.
    """
    ids, segment_ids = (batch, None) if batch.ndim == 2 else (batch[:, 0], batch[:, 1, :-1])
    inputs = torch.where(ids < 0, ~ids, ids)[:, :-1]  # (B, T)
    targets = ids[:, 1:].clamp(min=NO_LOSS)
    if all_logits or _few_logits(model, targets):
        return _of_logits(model(inputs, segment_ids=segment_ids), targets)
    hidden, learned = model(inputs, segment_ids=segment_ids, project=False), targets != NO_LOSS
    return _of_hidden(model, hidden[learned], targets[learned])


def _few_logits(model: nn.Module, targets: Tensor) -> bool:
    output: nn.Linear = model.output_projection  # type: ignore[assignment]  # of a compiled network, too
    return targets.numel() * len(output.weight) <= FEW_LOGITS


def _of_logits(logits: Tensor, targets: Tensor) -> Tensor:
    """Of all logits (B, T, V) at once, those of the targets (B, T) that carry loss."""
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=NO_LOSS, reduction="sum")


def _of_hidden(model: nn.Module, hidden: Tensor, targets: Tensor) -> Tensor:
    """Of hidden states (N, D) where something is learned, and their targets (N): some logits at a time."""
    output: nn.Linear = model.output_projection  # type: ignore[assignment]
    return cross_entropy_sum(hidden, output.weight, output.bias, targets)


def count_targets(batch: NDArray[np.int64]) -> int:
    """How many tokens of a batch are predicted: all but each row's first and those without loss."""
    ids = batch if batch.ndim == 2 else batch[:, 0]
    return int(np.count_nonzero(ids[:, 1:] >= 0))
