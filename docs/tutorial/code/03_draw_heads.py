"""Draw where the two heads of a trained model look, as SVG. Nobody told them."""

from __future__ import annotations

import torch
from practice import HELD_OUT_ROWS, practise, small_model
from torch import Tensor
from village import TOKENS

from groundup.textbook import MultiHeadAttention

CELL, LEFT, TOP, GAP = 26, 82, 92, 60


@torch.no_grad()
def head_weights(attention: MultiHeadAttention, x: Tensor, mask: Tensor) -> Tensor:
    """softmax(Q Kᵀ / √K + mask) of each head: (1, T, D) -> (H, T, T)."""
    shape = x.shape[1], attention.num_heads, attention.head_dim
    query = attention.query_projection(x).view(shape).transpose(0, 1)  # (H, T, K)
    key = attention.key_projection(x).view(shape).transpose(0, 1)  # (H, T, K)
    return (query @ key.transpose(1, 2) / attention.head_dim**0.5 + mask).softmax(dim=-1)


torch.manual_seed(0)
model = small_model()
practise(model)
ids = HELD_OUT_ROWS[:1, :-1]  # (1, T)
words, seq_len = [TOKENS[index] for index in ids[0].tolist()], ids.shape[1]
x = model.token_embedding(ids) + model.position_embedding(torch.arange(seq_len))  # (1, T, D)
heads = head_weights(model.transformer_blocks[0].attention, x, model.causal_mask)  # (H, T, T)

width, height = LEFT + 2 * CELL * seq_len + GAP + 10, TOP + CELL * seq_len + 10
print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"')
print(' font-family="system-ui, sans-serif" font-size="13" fill="#55606e">')
print("<title>Attention weights of two trained heads</title>")
print("<desc>Each row is a word that looks, each column one that it looks at; dark cells are large weights.</desc>")
print(f'<rect width="{width}" height="{height}" fill="#ffffff"/>')
for head, weights in enumerate(heads.tolist()):
    left = LEFT + head * (CELL * seq_len + GAP)
    print(f'<text x="{left + CELL * seq_len / 2:g}" y="18" text-anchor="middle">head {head + 1}</text>')
    for row, word in enumerate(words):
        middle = (row + 0.5) * CELL + 5
        if head == 0:
            print(f'<text x="{LEFT - 8}" y="{TOP + middle:g}" text-anchor="end">{word.strip("<>")}</text>')
        turn = f"rotate(-90 {left + middle:g} {TOP - 8})"
        print(f'<text x="{left + middle:g}" y="{TOP - 8}" transform="{turn}">{word.strip("<>")}</text>')
        for column, weight in enumerate(weights[row]):
            place = f'x="{left + column * CELL}" y="{TOP + row * CELL}" width="{CELL - 1}" height="{CELL - 1}"'
            print(
                f'<rect {place} fill="#0b6bb5" fill-opacity="{max(weight, 0.05):.1f}"/>' if column <= row else "",
                end="",
            )
        print()
print("</svg>")

assert heads.triu(diagonal=1).max() == 0  # nobody looks ahead
assert heads[:, 6, 3].max() > 0.8  # one head looks from the full stop to the borrower, ...
assert heads[:, 8, 1].max() > 0.8  # ... and one from "thanked" to the lender
