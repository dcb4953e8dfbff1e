"""Keep the best: with few lines the held-out loss falls, turns and rises, while the training loss only falls."""

from __future__ import annotations

import torch
from market import MARKET_HELD_OUT, MARKET_ROWS, village_model
from practice import mean_loss
from tuning import fine_tune

FEW = MARKET_ROWS[:12]
torch.manual_seed(1)
model = village_model()
tuned = fine_tune(model, FEW, MARKET_HELD_OUT, epochs=40, learning_rate=0.01, eval_steps=20)
print("step    " + "".join(f"{20 * number:6}" for number in range(len(tuned.losses))))
print("held out" + "".join(f"{loss:6.1f}" for loss in tuned.losses))
print(f"the best is that of step {20 * tuned.best}")
print("                 these 12 lines   held out")
for name, one in (("the last model", model), ("the best model", tuned.model)):
    print(f"{name:17}{mean_loss(one, FEW):14.1f}{mean_loss(one, MARKET_HELD_OUT):11.1f}")

torch.manual_seed(1)
stopped = fine_tune(village_model(), FEW, MARKET_HELD_OUT, 40, learning_rate=0.01, eval_steps=20, patience=3)
print(
    f"with a patience of 3 it stops after {len(stopped.losses) - 1} of {len(tuned.losses) - 1} evaluations, with the same model"
)

assert 0 < tuned.best < 4
assert tuned.losses[-1] > tuned.losses[tuned.best] + 0.05
assert stopped.best == tuned.best
assert mean_loss(model, FEW) < mean_loss(tuned.model, FEW)
