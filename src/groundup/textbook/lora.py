"""Low-rank adaptation: a large model learns something new in a few small matrices, while its own weights stand still.

Shapes, at the line ends: I in, O out, R rank.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LoraLinear(nn.Module):
    """W x + b + (α / r) B A x: a linear layer that stands still, and beside it two narrow matrices that learn (Hu et al. 2021, §4.1).

    To tune a layer fully is to add some ΔW (O, I) to its weight. The bet is that this change, unlike the weight itself, has a
    low rank: that a product of B (O, R) and A (R, I), which has rank R at most, comes close to it. These are R (I + O) numbers in
    place of I · O, and only they need gradients, an optimizer's moments, and room on the disk.

    - B begins at zero, so that the model begins as it was; A begins at random, or neither would ever get a gradient.
    - α / r keeps the size of the change about the same when another rank is tried, so the learning rate can stay.
    - Dropout is on the way into A only: what the layer had learned before is never disturbed.
    """

    def __init__(self, linear: nn.Linear, rank: int = 16, alpha: float = 32.0, dropout: float = 0.1) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.scale = alpha / rank
        self.dropout = dropout
        self.A = nn.Parameter(torch.empty(rank, linear.in_features))  # (R, I)
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank))  # (O, R)
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))  # as nn.Linear begins: evenly within ±1/√I

    def forward(self, x: Tensor) -> Tensor:
        """x (…, I) -> (…, O)."""
        change = F.dropout(x, self.dropout, self.training) @ self.A.T @ self.B.T  # (…, O), by way of (…, R)
        return self.linear(x) + self.scale * change  # type: ignore[no-any-return]

    def merged(self) -> nn.Linear:
        """One plain layer that computes the same: W + (α / r) B A. Nothing is left of the cost of two."""
        merged = nn.Linear(self.linear.in_features, self.linear.out_features, bias=self.linear.bias is not None)
        with torch.no_grad():
            merged.weight.copy_(self.linear.weight + self.scale * self.B @ self.A)
            if self.linear.bias is not None:
                merged.bias.copy_(self.linear.bias)
        return merged


def add_lora(
    model: nn.Module, names: tuple[str, ...], rank: int = 16, alpha: float = 32.0, dropout: float = 0.1
) -> None:
    """Freeze the model, and put a `LoraLinear` in the place of each linear layer whose name ends in one of `names`."""
    model.requires_grad_(False)
    for parent, name, layer in list(_children(model)):
        if isinstance(layer, nn.Linear) and name in names:
            setattr(parent, name, LoraLinear(layer, rank, alpha, dropout))


def merge_lora(model: nn.Module) -> None:
    """Put a plain layer that computes the same in the place of each `LoraLinear`."""
    for parent, name, layer in list(_children(model)):
        if isinstance(layer, LoraLinear):
            setattr(parent, name, layer.merged())


def _children(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """Each module below the model: the one that it stands in, its name there, and itself."""
    for parent in model.modules():
        for name, child in parent.named_children():
            yield parent, name, child
