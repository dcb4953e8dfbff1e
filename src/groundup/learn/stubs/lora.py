"""LoRA: a layer stands still, and two narrow matrices beside it learn.

    W x + b + (α / r) B A x        (Hu et al. 2021, §4.1)

`linear` is a trained layer, I numbers in and O out. It is frozen: none of its parameters gets a gradient. Beside it A (r, I)
begins at random, and B (O, r) at zero, so that the new layer begins as the old one was, and still can learn. α / r keeps the
size of the change when another rank is tried.

`merged()` gives one plain nn.Linear that computes the same; your layer and the old one stay as they are.

Call the two matrices A and B. Then:  groundup learn check lora
"""

from __future__ import annotations

from torch import Tensor, nn


class LoraLinear(nn.Module):
    """A frozen linear layer with an adapter beside it."""

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """x (…, I) -> (…, O)."""
        raise NotImplementedError

    def merged(self) -> nn.Linear:
        """One layer with the weight W + (α / r) B A."""
        raise NotImplementedError
