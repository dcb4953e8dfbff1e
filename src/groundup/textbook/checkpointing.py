"""Activation checkpointing: forget what lies between, and compute it a second time on the way back.

Shapes, at the line ends: whatever the layers take; B batch, T time, D d_model in a transformer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def checkpointed_forward(layers: Sequence[nn.Module], x: Tensor, every: int) -> tuple[Tensor, list[Tensor]]:
    """What the layers make of `x`, one after the other, and the input of each `every`-th of them: all that is kept.

    Without a graph PyTorch keeps nothing, so the memory between is free again after each layer.
    """
    kept = []
    with torch.no_grad():
        for number, layer in enumerate(layers):
            if number % every == 0:
                kept.append(x)  # (B, T, D)
            x = layer(x)
    return x, kept


def checkpointed_backward(layers: Sequence[nn.Module], kept: Sequence[Tensor], gradient: Tensor, every: int) -> Tensor:
    """Add each weight's gradient to its `grad`, given that of the last layer's output; the gradient of the first input.

    From the last stretch of `every` layers to the first: its input is there, so run it once more, this time with a graph, and
    go back through that (Chen et al. 2016, §3). One stretch's activations exist at a time. The layers have to do the second
    time what they did the first: dropout must draw the same numbers.
    """
    for place in reversed(range(len(kept))):
        start = kept[place].detach().requires_grad_()
        x = start
        for layer in layers[place * every : (place + 1) * every]:
            x = layer(x)
        torch.autograd.backward(x, gradient)
        assert start.grad is not None
        gradient = start.grad  # (B, T, D)
    return gradient
