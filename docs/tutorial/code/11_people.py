"""What people's votes are worth: strengths out of pairs, a rater who likes the left side, and raters who don't agree."""

from __future__ import annotations

import itertools
import random

import numpy as np

from groundup.evaluation.human.statistics import krippendorff_alpha as library_alpha
from groundup.textbook.judgement import bradley_terry, krippendorff_alpha

STRENGTH = {"A": 4.0, "B": 2.0, "C": 1.0}  # which nobody knows: A beats C four times of five
MODELS = list(STRENGTH)
VOTES, ANSWERS = 400, 200


def vote(left: str, right: str, chance: random.Random, for_left: float = 1.0) -> str:
    """Whom a person prefers; one who likes the left side counts it `for_left` times as strong."""
    one, other = STRENGTH[left] * for_left, STRENGTH[right]
    return left if chance.random() < one / (one + other) else right


def study(shuffled: bool, for_left: float, chance: random.Random) -> tuple[list[float], float]:
    """The models' strengths out of so many votes on each pair, and how often the left one was taken."""
    wins, lefts = [[0.0] * 3 for _ in MODELS], 0
    for one, other in itertools.combinations(MODELS, 2):
        for _ in range(VOTES):
            left, right = (one, other) if not shuffled or chance.random() < 0.5 else (other, one)
            winner = vote(left, right, chance, for_left)
            loser = right if winner == left else left
            wins[MODELS.index(winner)][MODELS.index(loser)] += 1
            lefts += winner == left
    return bradley_terry(wins), lefts / (3 * VOTES)


print("                                            A      B      C   took the left one")
print("true strengths, of sum 1        " + "".join(f"{each / 7:7.2f}" for each in STRENGTH.values()))
found = {}
for name, shuffled, for_left in (
    ("fair raters, sides shuffled", True, 1.0),
    ("like the left, sides shuffled", True, 3.0),
    ("like the left, A always there", False, 3.0),
):
    found[name] = study(shuffled, for_left, random.Random(1))
    print(f"{name:32}" + "".join(f"{each:7.2f}" for each in found[name][0]) + f"{found[name][1]:20.0%}")

chance = random.Random(2)
print("\ntwo raters on 200 answers, good or bad               agree   alpha")
alphas = []
for name, share_good, careful in (
    ("careful nine times of ten", 0.5, 0.9),
    ("careless, say good or bad by a coin", 0.5, 0.5),
    ("careless, say good nine times of ten", 0.9, 0.5),
):
    items = []
    for _ in range(ANSWERS):
        is_good = chance.random() < share_good
        mistaken = [careful == 0.5 or chance.random() > careful for _ in range(2)]  # and then they say what is usual
        items.append([is_good if not wrong else chance.random() < share_good for wrong in mistaken])
    alphas.append(krippendorff_alpha(items))
    print(f"{name:46}{sum(one == other for one, other in items) / ANSWERS:12.0%}{alphas[-1]:8.2f}")
    table = np.array(items, float).T
    assert abs(library_alpha(table, "nominal") - alphas[-1]) < 1e-9

assert alphas[0] > 0.4 > max(alphas[1:])
assert found["like the left, A always there"][0][0] > found["fair raters, sides shuffled"][0][0] + 0.1
