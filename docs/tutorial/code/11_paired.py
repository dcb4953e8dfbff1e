"""Two models on the same letters: what two intervals hide, and what a coin for each letter shows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import fmean as mean

from letters import token_losses, trained, write_letters

from groundup.evaluation.intervals import paired
from groundup.textbook import SimpleLanguageModel
from groundup.textbook.bootstrap import bootstrap_interval, paired_p_value

chance = random.Random(3)
letters = write_letters(40, chance)


def losses(model: SimpleLanguageModel) -> list[float]:
    """One for each letter."""
    return [mean(token_losses(model, letter)) for letter in letters]


def shown(values: Sequence[float]) -> str:
    low, high = bootstrap_interval(values, mean, chance)
    return f"{mean(values):5.2f} ({low:.2f} to {high:.2f})"


first, shorter = losses(trained()), losses(trained(100))
print(f"150 steps             {shown(first)}")
p_values = []
for name, other in (("100 steps", shorter), ("150, another seed", losses(trained(seed=1)))):
    differences = [a - b for a, b in zip(other, first, strict=True)]
    p_values.append(paired_p_value(other, first, chance))
    chances = "p < 0.01" if p_values[-1] < 0.01 else "p > 0.1" if p_values[-1] > 0.1 else "p near 0.05"
    print(f"{name:22}{shown(other)}   more than the first: {shown(differences)}, {chances}")

library = paired(shorter, first)
assert abs(library.p - p_values[0]) < 0.02
assert p_values[0] < 0.05
