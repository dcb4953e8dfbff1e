"""A training on machines that fail: how many days it takes, with a checkpoint every so often."""

from __future__ import annotations

import random

HOURS, SAVE, RESTART = 24.0 * 20, 0.05, 0.25  # of work to do; to write a checkpoint; to start again, in hours


def hours_taken(interval: float, between_failures: float, chance: random.Random) -> float:
    """Until the work is done. A failure takes back all since the last checkpoint."""
    taken = done = 0.0
    fails_at = chance.expovariate(1 / between_failures)
    while done < HOURS:
        stretch = min(interval, HOURS - done) + SAVE
        if taken + stretch <= fails_at:
            taken, done = taken + stretch, done + stretch - SAVE
        else:
            taken = fails_at + RESTART
            fails_at = taken + chance.expovariate(1 / between_failures)
    return taken


def lost(interval: float, between_failures: float, trainings: int = 60) -> float:
    """The share of all hours that was not training, over so many trainings."""
    chance = random.Random(1)
    taken = sum(hours_taken(interval, between_failures, chance) for _ in range(trainings))
    return 1 - HOURS * trainings / taken
