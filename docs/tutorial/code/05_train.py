"""The textbook's training loop on the village: what it prints, and what the model writes afterwards."""

from __future__ import annotations

import torch
from practice import HELD_OUT_ROWS, TRAINING_ROWS, as_text, small_model, thanks_right
from torch import Tensor
from torch.utils.data import DataLoader
from village import FLOOR, LINES, TOKENS_A_LINE

from groundup.textbook import generate_tokens, train_language_model


def as_batch(rows: list[Tensor]) -> dict[str, Tensor]:
    return {"input_ids": torch.stack(rows)}


torch.manual_seed(0)
train_loader = DataLoader(list(TRAINING_ROWS), batch_size=8, shuffle=True, collate_fn=as_batch)  # 50 batches
val_loader = DataLoader(list(HELD_OUT_ROWS), batch_size=8, collate_fn=as_batch)
model = train_language_model(small_model(), train_loader, val_loader, num_epochs=6, learning_rate=0.01)

print(f"\nno honest loss is below {FLOOR:.4f}; thanks right {thanks_right(model):.0%}; it writes:")
written = generate_tokens(model, torch.zeros(200, 1, dtype=torch.long), TOKENS_A_LINE, eos_token_id=0)
lines = [as_text(ids) for ids in written.tolist()]
print("  " + "\n  ".join(lines[:3]))
print(f"{sum(line in LINES for line in lines) / len(lines):.0%} of 200 lines are right")
assert thanks_right(model) > 0.9
