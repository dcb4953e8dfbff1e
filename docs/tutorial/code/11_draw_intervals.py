"""Draw the intervals of thirty samples, over letters and over tokens, beside the loss that they should hold, as SVG."""

from __future__ import annotations

import random

from letters import loss_of_all_letters, trained, write_letters
from sampling import measure

from groundup.report.charts import Chart, Series, line_chart

chance = random.Random(1)
bars: dict[int, list[tuple[float, float | None]]] = {1: [], 2: []}
for number in range(1, 31):
    sample = measure(write_letters(20, chance), chance)
    for way, place in ((1, number - 0.15), (2, number + 0.15)):
        bars[way] += [(place, sample[way][0]), (place, sample[way][1]), (place, None)]
chart = Chart(
    "Thirty samples of twenty letters",
    "Upright bars, two for each sample. Most that were made over letters cross the dashed line; of those over tokens, many miss it.",
    "sample",
    "loss",
    from_zero=True,
    reference=(loss_of_all_letters(trained()), "of all letters"),
)
print(line_chart([Series("over letters", bars[1], color=0), Series("over tokens", bars[2], color=1)], chart))
