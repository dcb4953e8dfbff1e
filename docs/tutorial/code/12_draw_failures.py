"""Draw what is lost against how often a checkpoint is written, as SVG."""

from __future__ import annotations

from failures import SAVE, lost

from groundup.report.charts import Chart, Series, line_chart
from groundup.textbook.cost import best_interval

INTERVALS = (0.15, 0.25, 0.4, 0.6, 0.9, 1.3, 2.0, 3.0, 4.5, 6.5, 9.0, 12.0)
series = []
for color, machines in enumerate((128, 1024)):
    between = 24.0 * 365 * 3 / machines
    points = [(hours, 100 * lost(hours, between, 100)) for hours in INTERVALS]
    series.append(Series(f"{machines:,} machines", points, color=color))
    best = best_interval(SAVE, between)
    series.append(Series("by the formula", [(best, 100 * lost(best, between, 100))], style="dots", color=color))
chart = Chart(
    "Time lost to failures and to saving",
    "Two curves that fall steeply and rise slowly. The dots, where the formula says, lie at their lowest points.",
    "hours between two checkpoints",
    "lost, %",
    from_zero=True,
)
print(line_chart(series, chart))
