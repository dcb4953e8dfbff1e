"""What a checkpoint must hold: stop a training half-way, take it up again, and compare with one that never stopped."""

from __future__ import annotations

import copy

import torch
from practice import TRAINING_ROWS, small_model
from torch import nn
from torch.optim import AdamW

from groundup.textbook import SimpleLanguageModel
from groundup.textbook.next_token import next_token_loss


def train(model: SimpleLanguageModel, optimizer: AdamW, steps: range) -> None:
    """Which rows a step reads follows from its number alone."""
    for step in steps:
        chance = torch.Generator().manual_seed(step)
        rows = TRAINING_ROWS[torch.randint(len(TRAINING_ROWS), (16,), generator=chance)]
        summed, num_tokens = next_token_loss(model, {"input_ids": rows})
        optimizer.zero_grad()
        (summed / num_tokens).backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()


torch.manual_seed(0)
model = small_model()
optimizer = AdamW(model.parameters(), lr=0.01)
train(model, optimizer, range(60))
weights, averages = copy.deepcopy(model.state_dict()), copy.deepcopy(optimizer.state_dict())  # the checkpoint
train(model, optimizer, range(60, 80))  # this one never stopped

print("kept in the checkpoint      largest difference of a weight, 20 steps later")
differences = []
for kept, steps in (
    ("weights, averages, step", range(60, 80)),
    ("weights, averages", range(20)),
    ("weights, step", range(60, 80)),
):
    resumed = small_model()
    resumed.load_state_dict(weights)
    optimizer = AdamW(resumed.parameters(), lr=0.01)
    if "averages" in kept:
        optimizer.load_state_dict(averages)
    train(resumed, optimizer, steps)
    pairs = zip(model.parameters(), resumed.parameters(), strict=True)
    differences.append(max(float((one - other).detach().abs().max()) for one, other in pairs))
    print(f"{kept:28}{differences[-1]:.1f}")

assert differences[0] == 0.0  # bit for bit
assert min(differences[1:]) > 0.01
