"""What each filter leaves of the next word's distribution: at an open place, and at one that is settled."""

from __future__ import annotations

import torch
from torch import Tensor

from groundup.generation.sampling import keep_min_p, keep_top_k, keep_top_p, scale_temperature

# Scores of 40 words (1, V). At the open place eight words fit about equally well, at the settled place only one does.
open_place, settled_place = torch.linspace(0.0, -4.0, 40)[None], torch.linspace(0.0, -4.0, 40)[None]
open_place[0, :8] = torch.linspace(5.5, 5.0, 8)
settled_place[0, 0] = 8.0


def describe(logits: Tensor, num_right: int) -> tuple[int, float]:
    """How many words are left, and the probability of one that does not fit."""
    probabilities = logits.softmax(dim=-1)[0]  # (V,)
    return int((probabilities > 0).sum()), float(probabilities[num_right:].sum())


print("                          open place            settled place")
print("                     words left   wrong     words left   wrong")
results = {}
for name, change in {
    "temperature 0.5": lambda logits: scale_temperature(logits, 0.5),
    "temperature 1": lambda logits: logits,
    "temperature 2": lambda logits: scale_temperature(logits, 2.0),
    "  then top-k 3": lambda logits: keep_top_k(scale_temperature(logits, 2.0), 3),
    "  then top-p 0.9": lambda logits: keep_top_p(scale_temperature(logits, 2.0), 0.9),
    "  then min-p 0.3": lambda logits: keep_min_p(scale_temperature(logits, 2.0), 0.3),
}.items():
    results[name] = *describe(change(open_place), 8), *describe(change(settled_place), 1)
    print("{:18}{:13}{:8.2f}{:15}{:8.2f}".format(name, *results[name]))

assert results["temperature 1"][3] < results["temperature 2"][3]
assert results["  then top-k 3"][:3:2] == (3, 3)  # too few here, too many there
assert results["  then min-p 0.3"][:3:2] == (8, 1)
