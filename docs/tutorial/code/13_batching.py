"""Twelve requests and four rows: one after another, batches that wait for their longest text, and texts that come and go."""

from __future__ import annotations

from collections import deque
from string import ascii_uppercase

import torch
from torch import nn

from groundup.textbook import SimpleLanguageModel, generate_tokens
from groundup.textbook.continuous_batching import ContinuousBatch, Text

torch.manual_seed(0)  # nothing was learned: steps are counted here, and they don't depend on what is written
model = SimpleLanguageModel(50, d_model=32, num_heads=2, num_layers=2, d_ff=128, max_seq_len=32).eval()
for parameter in model.parameters():
    if parameter.ndim == 2:
        nn.init.normal_(parameter, std=0.3)
PROMPTS = ([1, 2], [3, 4, 5], [6, 7, 8, 9, 10], [11])
LENGTHS = (14, 3, 5, 2, 9, 2, 16, 4, 3, 12, 2, 6)  # how much each of them wants
ASKED = [(PROMPTS[i % 4], length) for i, length in enumerate(LENGTHS)]


def serve(num_rows: int, wait_for_all: bool) -> tuple[list[Text], list[str], list[int]]:
    """Each text; who was in each row, a letter a step; and after how many steps each text had its first new word."""
    batch, coming = ContinuousBatch(model, num_rows), deque(ASKED)
    texts, rows, first = list[Text](), [""] * num_rows, dict[str, int]()
    while coming or batch.running or batch.waiting:
        may_come = len(ASKED) if not wait_for_all else 0 if batch.running else num_rows
        texts += [batch.add(*coming.popleft()) for _ in range(min(may_come, len(coming)))]
        before = dict(batch.running)
        batch.step()
        there = {**batch.running, **before}  # those who came in this step, and those who left in it
        for row in range(num_rows):
            letter = ascii_uppercase[texts.index(there[row])] if row in there else "."
            rows[row] += letter
            if letter != "." and len(there[row].ids) > len(ASKED[texts.index(there[row])][0]):
                first.setdefault(letter, len(rows[row]))
    return texts, rows, list(first.values())


results = {}
print("                                      steps   first word after   rows at work")
for name, num_rows, wait in (
    ("one after another", 1, True),
    ("four, waiting for the longest", 4, True),
    ("four that come and go", 4, False),
):
    _, rows, first = results[name] = serve(num_rows, wait)
    at_work = 1 - "".join(rows).count(".") / len("".join(rows))
    print(f"{name:36}{len(rows[0]):7}{sum(first) / len(first):13.0f} steps{at_work:15.0%}")
for name in list(results)[1:]:
    print(f"\n{name}: who is in which row, step by step")
    print("\n".join(results[name][1]))

alone = [generate_tokens(model, torch.tensor([ids]), length, temperature=0.0)[0].tolist() for ids, length in ASKED]
same = [[text.ids for text in texts] == alone for texts, _, _ in results.values()]
print(f"\nin {sum(same)} of {len(same)} cases, all texts are what each of them is alone")

assert all(same)
assert len(results["four that come and go"][1][0]) < 0.75 * len(results["four, waiting for the longest"][1][0])
