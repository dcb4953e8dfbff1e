"""Dropout: in training, a share of the activations is zero (Srivastava et al. 2014)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

QUERIES_AT_ONCE = 64  # of long texts, few enough that most of what lies after them is never computed


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
        kept = torch.ge(self._draws(shape), self._least, out=torch.empty(*shape))
        return kept.mul_(1 / (1 - self.share))

    def mask(self, shape: Sequence[int], device: torch.device) -> Tensor:
        """Which are kept, as booleans: a quarter of the memory. What is kept is yet to be scaled up by 1 / (1 - share)."""
        if self.generator is None:
            return torch.rand(*shape, device=device) >= self.share
        return self._draws(shape) >= self._least

    @property
    def _least(self) -> int:
        """The least draw that is kept."""
        return round(self.share * 2**16) - 2**15

    def _draws(self, shape: Sequence[int]) -> Tensor:
        """Each of -2^15 … 2^15 - 1 equally often."""
        assert self.generator is not None
        count = math.prod(shape)
        words = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None, generator=self.generator)
        return words.view(torch.int16)[:count].view(*shape)


def set_dropout(model: nn.Module, share: float, feed_forward: bool) -> None:
    """Change the share in a network; within its `feed_forward` parts too, or not, where the stock classes have none."""
    for name, module in model.named_modules():
        if isinstance(module, Dropout) and (feed_forward or not name.endswith("feed_forward.dropout")):
            module.share = share


def attention_with_dropout(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: Dropout) -> Tensor:
    """Attention (B, H, T, K) whose probabilities pass through `dropout`; arguments as PyTorch's SDPA takes them.

    Without a mask it is causal, T = S. Block by block of queries, each against the keys that it may see.
    """
    T, S = query.shape[2], key.shape[2]
    query = query * query.shape[3] ** -0.5
    mixed = []
    for start in range(0, T, QUERIES_AT_ONCE):
        end = min(start + QUERIES_AT_ONCE, T)
        seen = end if mask is None else S
        scores = query[:, :, start:end] @ key[:, :, :seen].mT  # (B, H, Q, S)
        if mask is None:
            later = torch.ones(end - start, seen, dtype=torch.bool, device=scores.device).triu(start + 1)
            scores = scores.masked_fill(later, -math.inf)
        else:
            scores = scores.masked_fill(~mask[:, :, start:end], -math.inf)
        mixed.append(dropout(scores.softmax(dim=-1)) @ value[:, :, :seen])
    return torch.cat(mixed, dim=2)
