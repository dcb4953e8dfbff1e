"""Draw one look-up step by step, as SVG: how well each key fits, what the softmax makes of it, and what is handed over."""

from __future__ import annotations

import torch
from drawing import BLUE, ORANGE, box, sheet, text

from groundup.textbook import scaled_dot_product_attention

WORDS = ["Mia", "lent", "Ben", "a", "kite", "."]
ROLES = torch.tensor([0, 3, 1, 3, 2, 3])  # lender, other, borrower, other, thing, other
ROW, TOP, BAR = 34, 84, 150
keys = torch.eye(4)[ROLES] + 0.25  # (6, 4)
query = torch.tensor([6.0, 1.5, 0.0, 0.0])  # who lent?
scores = keys @ query / 4**0.5  # (6,)
weights = scaled_dot_product_attention(query[None], keys, torch.eye(6))[0]  # (6,)

body = [text(20, 26, "query: who lent?", bold=True)]
for x, said in ((90, "query · key / √K"), (280, "softmax: the weights"), (480, "value, times weight")):
    body.append(text(x, 62, said))
for row, (word, score, weight) in enumerate(zip(WORDS, scores.tolist(), weights.tolist(), strict=True)):
    y = TOP + row * ROW
    body += [text(70, y + 15, word, "end", bold=True), box(90, y, BAR * score / float(scores.max()), 20, BLUE, 0.35)]
    body += [
        text(94, y + 15, f"{score:.2f}"),
        box(280, y, BAR * weight, 20),
        text(284 + BAR * weight, y + 15, f"{weight:.2f}"),
    ]
    body += [
        box(480, y, 130, 20, ORANGE, 0.8 * weight),
        text(545, y + 15, f"what {word!r} says" if word.isalpha() else "—", "middle"),
    ]
bottom = TOP + len(WORDS) * ROW
body += [
    text(280, bottom + 14, f"sum {float(weights.sum()):.0f}"),
    text(640, bottom + 14, "their sum: mostly what 'Mia' says", "end"),
]
print(
    sheet(
        660,
        bottom + 34,
        "One look-up",
        "Mia's key fits the query best, so most of the weight, and of the result, is hers.",
        body,
    )
)

assert abs(float(weights.sum()) - 1) < 1e-6
assert weights.argmax() == 0
assert weights[0] > 0.5 > scores.softmax(dim=0)[1]
