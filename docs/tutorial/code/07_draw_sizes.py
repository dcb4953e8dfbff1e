"""Draw how many bytes a token holds on average, by the size of the vocabulary, as SVG."""

from __future__ import annotations

from pathlib import Path

from groundup.report.charts import Chart, Series, line_chart
from groundup.textbook import BytePairTokenizer

text = (Path(__file__).parents[3] / "LICENSE").read_text(encoding="utf-8")
cut = int(0.8 * len(text))
learned_from, held_out = text[:cut], text[cut:]
tokenizer = BytePairTokenizer(learned_from, vocab_size=1000)
all_merges = list(tokenizer.merges.items())  # a smaller vocabulary is the beginning of a larger one

series = []
for color, (name, part) in enumerate({"the text it learned from": learned_from, "held-out text": held_out}.items()):
    points = []
    for count in range(0, len(all_merges) + 1, 60):
        tokenizer.merges = dict(all_merges[:count])
        points.append((257 + count, len(part.encode()) / len(tokenizer.encode(part))))
    series.append(Series(name, points, style="dots", color=color))

chart = Chart(
    "Bytes a token, by vocabulary size",
    "Both rise; on held-out text it flattens early.",
    "tokens in the vocabulary",
    "bytes a token",
    from_zero=True,
)
print(line_chart(series, chart))
