"""Language modelling: predict each next token."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def loss_sum(model: nn.Module, batch: Tensor) -> Tensor:
    """The summed cross-entropy, in nats, of every token of `batch` (B, T+1) but the first of each row, given those before it.

    -Σ log P(w_t | w_1 … w_{t-1}) (Bengio et al. 2003, §1). Divide by B·T for the mean.
    """
    inputs, targets = batch[:, :-1], batch[:, 1:]  # (B, T) each: the targets are the inputs, one place on
    logits = model(inputs)  # (B, T, V)
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="sum")
