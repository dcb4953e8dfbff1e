"""Three habits of the training loop, each switched off once: warm-up, clipping, decay."""

from __future__ import annotations

import torch
from practice import TRAINING_ROWS, mean_loss, small_model
from torch import nn

from groundup.textbook.next_token import next_token_loss


def train(
    off: str,
    *,
    num_layers: int = 1,
    learning_rate: float,
    steps: int,
    batch_size: int,
    faulty_step: int = -1,
    watched: int = 1,
) -> list[float]:
    """The held-out loss after each of the last `watched` steps of a training with one habit switched off, or nothing."""
    torch.manual_seed(1)
    model = small_model(num_layers)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    losses = []
    for step in range(steps):
        rising = 1.0 if off == "warm-up" else min(1.0, (step + 1) / 20)
        falling = 1.0 if off == "decay" else min(1.0, (steps - step) / (0.5 * steps))
        optimizer.param_groups[0]["lr"] = learning_rate * min(rising, falling)
        rows = TRAINING_ROWS[torch.randint(len(TRAINING_ROWS), (batch_size,))]
        summed, num_tokens = next_token_loss(model, {"input_ids": rows})
        loss = summed / num_tokens
        if step == faulty_step:
            loss = 1000 * loss  # one faulty batch, and a gradient a thousand times too long
        optimizer.zero_grad()
        loss.backward()
        if off != "clipping":
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
        if step >= steps - watched:
            losses.append(mean_loss(model))
    return losses


warm, cold = (
    train(off, num_layers=8, learning_rate=0.005, steps=40, batch_size=8)[-1] for off in ("nothing", "warm-up")
)
print(f"warm-up, in a model of 8 layers: loss {warm:.2f} with it, {cold:.2f} without")
clipped, unclipped = (
    train(off, learning_rate=0.01, steps=120, batch_size=32, faulty_step=40)[-1] for off in ("nothing", "clipping")
)
print(f"clipping, with one faulty batch: loss {clipped:.2f} with it, {unclipped:.2f} without")
calm, restless = (train(off, learning_rate=0.02, steps=150, batch_size=16, watched=20) for off in ("nothing", "decay"))
spread, wider = max(calm) - min(calm), max(restless) - min(restless)
print(f"decay, at a high learning rate: the last 20 losses differ by up to {spread:.2f} with it, {wider:.2f} without")

assert cold > 1.3 * warm
assert unclipped > 1.3 * clipped
assert wider > 2 * spread
