"""Draw how sure two models were against how often they were right, as SVG."""

from __future__ import annotations

from confidence import MODELS, answers, bins

from groundup.report.charts import Chart, Series, line_chart

chart = Chart(
    "Confidence, and what came of it",
    "A diagonal for a model that means what it says. The dots of 200 lines lie near it, those of 30 lines far below.",
    "how sure it was, %",
    "how often it was right, %",
    from_zero=True,
)
series = [Series("as right as sure", [(0.0, 0.0), (100.0, 100.0)], style="faint", color=2)]
for color, (name, model) in enumerate(MODELS.items()):
    confidence, right, _ = answers(model)
    points: list[tuple[float, float | None]] = []
    for sure, came, count in bins(confidence, right, 10):
        points += [(100 * sure, 100 * came), (100 * sure, None)] if count >= 20 else []
    series.append(Series(f"read {name}", points, style="dots", color=color))
print(line_chart(series, chart))
