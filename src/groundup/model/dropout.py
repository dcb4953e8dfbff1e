"""Dropout: in training, a share of the activations is zero (Srivastava et al. 2014)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Dropout(nn.Module):
    """Zero a share of what passes and scale up the rest, so that the mean stays. Only in training.

    Without a `generator`, PyTorch's own. With one, the choice follows from it alone, as threads that train side by side need;
    it is drawn from 16 bits an activation, which on a CPU takes a fifth of the time (the share is exact to 1/65536).
    """

    generator: torch.Generator | None = None

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    @property
    def on(self) -> bool:
        return self.training and self.share > 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.on:
            return x
        return x * self.kept(x.shape).to(x.dtype) if self.generator is not None else F.dropout(x, self.share)

    def kept(self, shape: Sequence[int]) -> Tensor:
        """What to multiply with: 0, or 1 / (1 - share)."""
        return self.factors(self.draws(shape))

    def draws(self, shape: Sequence[int], device: torch.device | None = None) -> Tensor:
        """What `factors` follow from: of -2^15 … 2^15 - 1 each equally often. Half the memory of the factors."""
        if self.generator is None:
            return torch.empty(*shape, dtype=torch.int16, device=device).random_(-(2**15), 2**15)
        count = math.prod(shape)
        words = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None, generator=self.generator)
        return words.view(torch.int16)[:count].view(*shape)

    def factors(self, draws: Tensor) -> Tensor:
        """What to multiply with: 0, or 1 / (1 - share)."""
        factors = torch.empty(draws.shape, device=draws.device)
        return torch.ge(draws, round(self.share * 2**16) - 2**15, out=factors).mul_(1 / (1 - self.share))


def set_dropout(model: nn.Module, share: float, feed_forward: bool) -> None:
    """Change the share in a network; within its `feed_forward` parts too, or not, where the stock classes have none."""
    for name, module in model.named_modules():
        if isinstance(module, Dropout) and (feed_forward or not name.endswith("feed_forward.dropout")):
            module.share = share
