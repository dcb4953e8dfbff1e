"""Why some lines are held out: a model that learns its lines by heart looks better and better, and gets worse."""

from __future__ import annotations

import torch
from practice import TRAINING_ROWS, mean_loss, practise, small_model

torch.manual_seed(0)
few_rows, all_rows = TRAINING_ROWS[:30], TRAINING_ROWS
few_model, all_model = small_model(), small_model()

print("         trained on 30 lines        trained on 400 lines")
print("steps   these lines   held out     these lines   held out")
held_out = []
for steps in range(50, 251, 50):
    practise(few_model, few_rows, steps=50)
    practise(all_model, all_rows, steps=50)
    held_out.append(mean_loss(few_model))
    few = f"{mean_loss(few_model, few_rows):11.2f}{held_out[-1]:12.2f}"
    print(f"{steps:5}{few}{mean_loss(all_model, all_rows):15.2f}{mean_loss(all_model):12.2f}")

assert mean_loss(few_model, few_rows) < mean_loss(all_model, all_rows)  # by its own lines it seems the better one, ...
assert held_out[-1] > 1.8 * mean_loss(all_model)  # ... by new ones it is far the worse, ...
assert held_out[-1] > min(held_out) + 0.1  # ... and it had been better earlier
