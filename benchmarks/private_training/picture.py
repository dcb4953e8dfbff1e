"""The experiment's figures as an SVG: loss, exposure and membership of each model, one chart below the other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from benchmarks.chart import BOTTOM, ROW, TOP, WIDTH, Bar, BarChart, bar_chart

NAMES = {
    "control": "control: other documents",
    "none": "not private",
    "inf": "ε = ∞: clipped, no noise",
    "8": "ε = 8",
    "2": "ε = 2",
}
PRIVATE = ("8", "2")
CHANCE_BITS = math.log2(math.e)
GAP = 12.0


def charts(highest: float) -> dict[str, BarChart]:
    """The chart of each figure, where exposure ends at so many bits."""
    bits = f"bits; {highest:.1f} is all there is, the dashed line is what chance gives"
    area = "AUC; the dashed line is chance"
    return {
        "loss": BarChart("What it costs: loss on held-out documents", "nats a character; lower is better"),
        "exposure_1_copies": BarChart("Exposure of secrets that stand in one document", bits, CHANCE_BITS),
        "exposure_10_copies": BarChart("Exposure of secrets that stand in ten documents", bits, CHANCE_BITS),
        "auc_loss": BarChart("Who was trained on, told by the loss", area, 0.5),
        "auc_reference": BarChart("The same, told by how far the loss lies below the control's", area, 0.5),
    }


def picture(models: Mapping[str, Mapping[str, Any]]) -> str:
    """What each model costs and gives away, as the text of an SVG file; models by their names in `NAMES`."""
    parts, top = list[str](), 0.0
    for figure, chart in charts(max(model["highest_exposure"] for model in models.values())).items():
        bars = [
            Bar(NAMES[name], found["value"], (found["low"], found["high"]), name in PRIVATE)
            for name, model in models.items()
            if (found := model["figures"].get(figure))
        ]
        height = TOP + ROW * len(bars) + BOTTOM
        parts.append(bar_chart(chart, bars).replace("<svg ", f'<svg y="{top:g}" height="{height:g}" ', 1))
        top += height + GAP
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {top:g}" width="{WIDTH:g}">{"".join(parts)}</svg>\n'
