"""Draw the exposure of each code by its number of copies, as SVG."""

from __future__ import annotations

import math

from codes import COPIES, exposures, trained

from groundup.report.charts import Chart, Series, line_chart

found = exposures(trained(duplicates=True))
points: list[tuple[float, float | None]] = []
for copies in COPIES:
    for number, (bits, _) in enumerate(found[copies]):
        place = copies + (number - 2.5) / 12  # side by side
        points += [(place, bits), (place, None)]
means = [(float(copies), sum(bits for bits, _ in found[copies]) / len(found[copies])) for copies in COPIES]
chart = Chart(
    "Exposure by number of copies",
    "Low without copies, steeply up for the first few, then near the highest that there can be, ten bits.",
    "copies in the training text",
    "exposure, bits",
    from_zero=True,
    reference=(math.log2(1000), "the likeliest of a thousand"),
)
print(line_chart([Series("each code", points, style="dots", color=0), Series("mean", means, color=1)], chart))
