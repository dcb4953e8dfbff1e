"""How large a step: what is learned of the market, and what is forgotten of the village; and a remedy."""

from __future__ import annotations

import torch
from market import MARKET_HELD_OUT, MARKET_ROWS, VILLAGE_HELD_OUT, VILLAGE_ROWS, village_model
from practice import mean_loss
from tuning import fine_tune

LINES = MARKET_ROWS[:32]
before = village_model()
print("32 lines of the market, read eight times     market   village")
print(f"before{mean_loss(before, MARKET_HELD_OUT):44.1f}{mean_loss(before, VILLAGE_HELD_OUT):10.1f}")

market, village = {}, {}
for name, learning_rate, rows in (
    ("learning rate 0.0001", 1e-4, LINES),
    ("learning rate 0.001", 1e-3, LINES),
    ("learning rate 0.01", 1e-2, LINES),
    ("0.01, and 32 lines of the village among them", 1e-2, torch.cat([LINES, VILLAGE_ROWS[:32]])),
):
    torch.manual_seed(1)
    model = village_model()
    fine_tune(model, rows, MARKET_HELD_OUT, epochs=8, learning_rate=learning_rate, eval_steps=1000)  # the last model
    market[name], village[name] = mean_loss(model, MARKET_HELD_OUT), mean_loss(model, VILLAGE_HELD_OUT)
    print(f"{name:44}{market[name]:6.1f}{village[name]:10.1f}")

assert market["learning rate 0.01"] < 0.5 * market["learning rate 0.0001"]  # steps too small learn little, ...
assert village["learning rate 0.01"] > village["learning rate 0.001"] + 0.5  # ... larger ones forget, ...
assert village["0.01, and 32 lines of the village among them"] < 0.8
