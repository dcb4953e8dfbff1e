"""Low-rank adaptation (LoRA): a large matrix stays as it is, and two narrow ones beside it are trained.

Shapes, at the line ends: N any leading dimensions, I in, O out, R rank.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class LoRALinear(nn.Module):
    """W x + b + α/r · B A x, where only A and B are trained (Hu et al. 2021, §4.1, equation 3).

    What fine-tuning adds to W is written as the product B A, whose rank is at most r: r · (I + O) numbers instead of I · O.
    A begins at random and B at 0, so that the layer begins as it was. α/r keeps what is added about as large when r changes.
    """

    def __init__(self, linear: nn.Linear, rank: int = 16, alpha: float = 32.0, dropout: float = 0.1) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"rank = {rank}: use a whole number of at least 1.")
        self.linear = linear.requires_grad_(False)
        self.a = nn.Parameter(torch.empty(rank, linear.in_features))  # (R, I)
        self.b = nn.Parameter(torch.zeros(linear.out_features, rank))  # (O, R)
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))  # as nn.Linear draws its weights
        self.scale = alpha / rank
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, I) -> (N, O). B A is never built: x goes through the narrow A first, then through B."""
        narrow = self.dropout(x) @ self.a.T  # (N, R)
        return self.linear(x) + self.scale * narrow @ self.b.T  # type: ignore[no-any-return]  # (N, O)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """One plain layer that computes the same, at no more cost than before: W + α/r · B A."""
        self.linear.weight += self.scale * self.b @ self.a  # (O, I)
        return self.linear.requires_grad_(True)


def add_lora(
    model: nn.Module,
    targets: Iterable[str] = ("query_projection", "value_projection"),
    rank: int = 16,
    alpha: float = 32.0,
    dropout: float = 0.1,
) -> None:
    """Freeze a model and put narrow matrices beside each linear layer that has one of these names, in place.

    Raises `ValueError` if no layer has.
    """
    names, found = set(targets), False
    model.requires_grad_(False)
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if name in names and isinstance(layer, nn.Linear):
                setattr(parent, name, LoRALinear(layer, rank, alpha, dropout).train(model.training))
                found = True
    if not found:
        raise ValueError(f"No linear layer is named {' or '.join(sorted(names))}: see model.named_modules().")


def merge_lora(model: nn.Module) -> None:
    """Make a plain model of an adapted one, in place; all of it may be trained again."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, LoRALinear):
                setattr(parent, name, layer.merged())
    model.requires_grad_(True)


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """How many numbers are trained, and how many there are."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)
