"""Draw how the loss after a short training depends on the learning rate, for a narrow and a wide model, as SVG."""

from __future__ import annotations

import math

import torch
from practice import mean_loss, practise, small_model

from groundup.report.charts import Chart, Series, line_chart

POWERS = {
    16: (-3.0, -2.5, -2.0, -1.5, -1.0),
    64: (-3.5, -3.0, -2.5, -2.0, -1.5),
}  # far beyond the lowest point chance decides
series, best = [], {}
for color, (width, powers) in enumerate(POWERS.items()):
    losses = []
    for power in powers:
        torch.manual_seed(0)
        torch.set_default_dtype(torch.float64)  # long steps make rounding grow; in 64 bits it stays out of sight
        model = small_model(d_model=width)
        torch.set_default_dtype(torch.float32)
        practise(model, steps=80, learning_rate=10**power)
        losses.append(mean_loss(model))
    best[width] = powers[losses.index(min(losses))]
    series.append(Series(f"{width} wide", list(zip(powers, losses, strict=True)), color=color))
chart = Chart(
    "Loss after 80 steps, against the learning rate",
    "Two bowls. To the left too little is learned, to the right steps are too long. The wider model's lowest point lies further left.",
    "learning rate, as a power of ten",
    "held-out loss",
)
print(line_chart(series, chart))

assert best[64] < best[16], "the wider a model, the shorter its steps"
assert all(math.isfinite(y or 0.0) for one in series for _, y in one.points)
