"""What privacy costs, and what it hides: the same training with less and less of a budget."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from farms import (
    AFTER,
    BEFORE,
    CLIP,
    COUNTS,
    DOCUMENTS,
    REAL,
    Bigrams,
    held_out_loss,
    mean_exposure,
    noise_for,
    sum_of_clipped,
    trained,
)
from torch import Tensor, nn

from groundup.textbook.dp_sgd import clipped_gradient

print(f"{DOCUMENTS:,} documents; the number of a farm stands in one of them")
print("epsilon   noise   held-out loss   exposure of a number, bits")
found = {}
for epsilon in (math.inf, 64.0, 8.0, 2.0, 0.5, 0.125):
    found[epsilon] = held_out_loss(trained(epsilon)), mean_exposure(trained(epsilon))
    print(f"{epsilon:7}{noise_for(epsilon):8.1f}{found[epsilon][0]:16.2f}{found[epsilon][1]:29.1f}")
print(f"the most there can be: {math.log2(100):.1f} bits; of a number that nobody knows: {math.log2(math.e):.1f}")


def loss_of(model: nn.Module, line: Tensor) -> Tensor:
    """A document's mean loss."""
    place = int(line)
    real = REAL[place].bool()
    loss: Tensor = F.cross_entropy(model(BEFORE[place][real]), AFTER[place][real])
    return loss


some, scores = (
    torch.tensor([0, 1, 2, 400, 401]),
    trained(8.0),
)  # the textbook's loop, one document after the other, on five of them
plain = clipped_gradient(Bigrams(scores), loss_of, list(some), CLIP)[0]
fast = sum_of_clipped(scores, CLIP, torch.zeros_like(COUNTS).index_fill_(0, some, 1.0))
assert torch.allclose(fast, plain, atol=1e-6)
assert found[math.inf][1] > 6 > 3 > found[2.0][1]
assert found[2.0][0] < found[math.inf][0] + 0.05 < found[0.125][0]
