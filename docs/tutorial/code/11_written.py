"""What a loss does not see: the same model writes well, or the same line over and over."""

from __future__ import annotations

import torch
from letters import trained
from practice import as_text
from village import LINES, TOKENS_A_LINE

from groundup.evaluation.diversity import distinct, mean_repetition
from groundup.textbook import generate_tokens

model = trained()
start = torch.zeros(100, 1, dtype=torch.long)
print("temperature   right lines   different lines   distinct-2   repetition")
found = {}
for temperature in (0.0, 0.5, 1.0, 2.0):
    torch.manual_seed(0)
    lines = [as_text(ids) for ids in generate_tokens(model, start, TOKENS_A_LINE, temperature, eos_token_id=0).tolist()]
    texts = [" ".join(lines[first : first + 10]) for first in range(0, 100, 10)]  # ten texts of ten lines
    different, repeated = distinct(texts, 2), mean_repetition(texts)
    assert different is not None
    assert repeated is not None
    right = sum(line in LINES for line in lines)
    found[temperature] = right, different.value
    print(f"{temperature:11}{right:13}%{len(set(lines)):17}%{different.value:13.2f}{repeated.value:13.2f}")

assert found[0.0][1] < 0.2 * found[1.0][1]
assert found[2.0][0] < found[1.0][0] - 20
