"""A batch on one, two and four machines: the same gradient, if each is divided by what all have. And how it gets around."""

from __future__ import annotations

import random

import torch
from practice import TOKENS_A_LINE, TRAINING_ROWS, small_model

from groundup.textbook.data_parallel import rank_gradient, ring_all_reduce

torch.manual_seed(0)
model = small_model(num_layers=2)
chance = random.Random(0)
rows = TRAINING_ROWS[:16]
lengths = torch.tensor(
    sorted(chance.randint(2, TOKENS_A_LINE) for _ in rows)
)  # texts of unequal length, the short ones first
mask = (torch.arange(rows.shape[1]) < lengths[:, None]).long()
targets = int((mask.sum(dim=1) - 1).sum())
whole = rank_gradient(model, rows, mask, targets)

print(f"{len(whole):,} weights, 16 rows, {targets} tokens to predict")
print("\nmachines   off by, divided by all tokens   by its own, then the mean   numbers sent by each")
for world in (1, 2, 4, 8):
    parts = list(zip(rows.tensor_split(world), mask.tensor_split(world), strict=True))
    right, sent = ring_all_reduce([rank_gradient(model, *part, targets) for part in parts])
    own = [int((each.sum(dim=1) - 1).sum()) for _, each in parts]
    means = torch.stack([rank_gradient(model, *part, count) for part, count in zip(parts, own, strict=True)]).mean(
        dim=0
    )
    error, wrong = (float((found - whole).norm() / whole.norm()) for found in (right[-1], means))
    said = "less than 0.001%" if error < 1e-5 else f"{error:.1%}"
    print(f"{world:8}{said:>32}{wrong:28.0%}{sent:23,}")
    assert error < 1e-5
assert wrong > 0.2
