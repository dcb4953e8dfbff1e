"""An answer that nobody can hold against you: a coin decides whether it is true. And what all answers together still tell."""

from __future__ import annotations

import math
import random

chance = random.Random(0)
PEOPLE, KEPT = 10_000, 0.2  # one in five has kept a thing that was lent, and nobody would say so

print("true answers   epsilon   sure of one who says yes, at most   estimate of 20 %, from 10,000 people")
estimates = []
for truthful in (1.0, 0.9, 0.75, 0.6, 0.51):
    says_yes = 0
    for _ in range(PEOPLE):
        kept = chance.random() < KEPT
        says_yes += kept if chance.random() < truthful else not kept
    epsilon = math.log(truthful / (1 - truthful)) if truthful < 1 else math.inf
    certainty = 1 / (1 + math.exp(-epsilon))  # for somebody who would have bet on neither
    estimates.append((says_yes / PEOPLE - (1 - truthful)) / (2 * truthful - 1))
    print(f"{truthful:12.0%}{epsilon:10.2f}{certainty:33.0%}{estimates[-1]:27.1%}")

assert estimates[0] != KEPT
assert abs(estimates[2] - KEPT) < 0.03
