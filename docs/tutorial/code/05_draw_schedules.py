"""Draw the schedules that `training.schedule` knows, as SVG."""

from __future__ import annotations

from groundup.report.charts import Chart, Series, line_chart
from groundup.training.schedules import learning_rate_factor
from groundup.training.settings import TrainingSettings

series = []
for color, schedule in enumerate(("trapezoid", "cosine", "linear")):
    settings = TrainingSettings(max_steps=1000, warmup_steps=50, schedule=schedule)
    points = [(step, learning_rate_factor(step, settings)) for step in range(0, 1000, 10)]
    series.append(Series(schedule, points, color=color))

chart = Chart(
    "Learning-rate schedules", "All rise over 50 steps and end near 0.", "step", "share of the peak", from_zero=True
)
print(line_chart(series, chart))
