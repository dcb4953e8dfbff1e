"""Clip and noise: the gradient of a batch, from which nobody can tell whether any one text was in it.

`gradients` (B, N) has a row for each text that was drawn: its own gradient. (Abadi et al. 2016, algorithm 1.)

1. Clip: scale each row down to the length `clip_norm`, if it is longer. Shorter rows stay as they are, and a row of zeros
   stays one.
2. Sum the rows.
3. Add noise to the sum: normal numbers times `noise_multiplier` · `clip_norm`, one for each of the N.
4. Divide by `expected_size`, how many texts a batch has on average, and not by how many were drawn: that is a secret, too.

A batch may be empty, B = 0: then it is all noise. Draw with `generator`:
torch.randn(N, generator=generator). Then:  groundup learn check clip_and_noise
"""

from __future__ import annotations

import torch
from torch import Tensor


def private_gradient(
    gradients: Tensor, clip_norm: float, noise_multiplier: float, expected_size: float, generator: torch.Generator
) -> Tensor:
    """Rows (B, N) -> (N,)."""
    raise NotImplementedError
