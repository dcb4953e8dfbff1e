"""Draw how likely a pair is to be compared, by its similarity: from the formula, and counted, as SVG."""

from __future__ import annotations

from groundup.report.charts import Chart, Series, line_chart
from groundup.textbook.minhash import chance_to_be_compared, signature

BANDS, ROWS, PAIRS, WORDS = 14, 8, 100, 20


def counted(similarity: float) -> float:
    """The share of made-up pairs that agree in all rows of a band."""
    found = 0
    for pair in range(PAIRS):
        shared, own = round(WORDS * similarity), round(WORDS * (1 - similarity) / 2)
        both, left, right = (
            {f"{pair} {part} {i}" for i in range(n)} for part, n in (("b", shared), ("l", own), ("r", own))
        )
        one, other = signature(both | left, seed=pair), signature(both | right, seed=pair)
        bands = (slice(band * ROWS, (band + 1) * ROWS) for band in range(BANDS))
        found += any(one[band] == other[band] for band in bands)
    return 100 * found / PAIRS


curve = [(step / 50, 100 * chance_to_be_compared(step / 50, BANDS, ROWS)) for step in range(51)]
one_band = [(step / 50, 100 * chance_to_be_compared(step / 50, 1, ROWS)) for step in range(51)]
measured = [(step / 20, counted(step / 20)) for step in (8, 10, 12, 14, 16, 18)]
chart = Chart(
    "The S-curve",
    "Low up to a similarity of about 0.5, then steeply up; the counted points lie on it. With one band it rises late.",
    "similarity of two texts",
    "compared, %",
    from_zero=True,
)
print(
    line_chart(
        [
            Series("14 bands of 8 numbers", curve, color=0),
            Series("one band of 8", one_band, color=2),
            Series("counted, 14 bands", measured, style="dots", color=1),
        ],
        chart,
    )
)
