"""Draw how the loss after a short training depends on the learning rate, for a narrow and a wide model, as SVG."""

from __future__ import annotations

import math

import torch
from practice import mean_loss, practise, small_model

from groundup.report.charts import Chart, Series, line_chart

POWERS = (-3.5, -3.0, -2.5, -2.0, -1.5, -1.0)
series, best = [], {}
for color, width in enumerate((16, 64)):
    losses = []
    for power in POWERS:
        torch.manual_seed(0)
        model = small_model(d_model=width)
        practise(model, steps=80, learning_rate=10**power)
        losses.append(mean_loss(model))
    best[width] = POWERS[losses.index(min(losses))]
    series.append(Series(f"{width} wide", list(zip(POWERS, losses, strict=True)), color=color))
chart = Chart(
    "Loss after 80 steps, against the learning rate",
    "Two bowls. To the left too little is learned, to the right steps are too long. The wider model's lowest point lies further left.",
    "learning rate, as a power of ten",
    "held-out loss",
)
print(line_chart(series, chart))

assert best[64] < best[16], "the wider a model, the shorter its steps"
assert all(math.isfinite(y or 0.0) for one in series for _, y in one.points)
