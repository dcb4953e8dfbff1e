"""One optimizer step as the peers' own scripts take it: loss, gradient, clipping, update. Needs PyTorch only."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def plain_step(loss_of_a_batch: Callable[[], Tensor], model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Draw a batch and learn from it; wait for the loss, as a script that prints it does."""
    loss = loss_of_a_batch()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    loss.item()
