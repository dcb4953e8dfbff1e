"""What a trained model brings along: tune it on a few lines of the market, or train a new one on the same lines."""

from __future__ import annotations

import torch
from market import MARKET_HELD_OUT, MARKET_ROWS, village_model, with_room
from practice import mean_loss, small_model, thanks_right
from tuning import fine_tune

print("                      the village's model               a new model")
print("lines of the market   loss   thanks right      loss   thanks right")
losses, right = {}, {}
for num_lines in (0, 8, 40, 100):
    row = f"{num_lines:19}"
    for name in ("village", "new"):
        model = village_model() if name == "village" else with_room(small_model())
        torch.manual_seed(1)
        if num_lines:
            model = fine_tune(
                model, MARKET_ROWS[:num_lines], MARKET_HELD_OUT, epochs=8, learning_rate=0.01, eval_steps=1000
            ).model
        losses[name, num_lines] = mean_loss(model, MARKET_HELD_OUT)
        right[name, num_lines] = thanks_right(model, MARKET_HELD_OUT)
        row += f"{losses[name, num_lines]:7.1f}{right[name, num_lines]:15.0%}   "
    print(row.rstrip())

assert right["village", 0] > 0.95  # before it has seen a line of the market, ...
assert losses["village", 0] > 1.5  # ... whose words it doesn't expect
assert losses["village", 8] < losses["new", 40] + 0.1
