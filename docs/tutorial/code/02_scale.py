"""Why the scores are divided by the root of d_k: without it, wide heads start out deaf to learning."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def start(width: int, scale: bool) -> tuple[float, float, float]:
    """Random queries and keys: the scores' standard deviation; a query's largest weight and its weights' slopes, on average."""
    torch.manual_seed(0)
    query, key = torch.randn(500, width), torch.randn(16, width)
    scores = query @ key.T / (math.sqrt(width) if scale else 1.0)  # (500, 16)
    weights = F.softmax(scores, dim=-1)  # (500, 16)
    slope: Tensor = weights * (1 - weights)  # the softmax's own derivative, d weight / d score
    return float(scores.std()), float(weights.amax(dim=-1).mean()), float(slope.sum(dim=-1).mean())


print("          with the scale               without it")
print(" d_k   scores  largest  slope      scores  largest  slope")
for width in (4, 16, 64, 256, 1024):
    cells = [f"{a:8.2f}{b:9.2f}{c:8.3f}" for a, b, c in (start(width, True), start(width, False))]
    print(f"{width:4} " + "   ".join(cells))

assert start(1024, True)[2] > 0.7  # as able to learn as a narrow head
assert start(1024, False)[2] < 0.1  # one weight is 1, the others 0, and hardly any gradient gets through
