"""Where the weights begin decides whether a short training gets anywhere."""

from __future__ import annotations

import torch
from practice import mean_loss, practise, small_model, thanks_right

print("start              loss before   loss after   thanks right")
results = {}
for name, wide_start in ("N(0, 0.02)", False), ("N(0, 1/√d_model)", True):
    torch.manual_seed(0)
    model = small_model(wide_start=wide_start).eval()
    before = mean_loss(model)
    practise(model)
    results[name] = mean_loss(model)
    print(f"{name:18}{before:12.2f}{results[name]:13.2f}{thanks_right(model):14.0%}")

assert results["N(0, 0.02)"] > 1.3 * results["N(0, 1/√d_model)"]
