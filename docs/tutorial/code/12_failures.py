"""How often to save: seldom loses work, often loses time. The formula's answer beside all others."""

from __future__ import annotations

from failures import SAVE, lost

from groundup.textbook.cost import best_interval

MACHINE = 24.0 * 365 * 3  # hours between two failures of one machine: three years
print("machines   a failure every   lost, saving every   quarter hour    hour   6 hours   day   best, by the formula")
for machines in (8, 128, 1024):
    between = MACHINE / machines
    best = best_interval(SAVE, between)
    shares = [lost(each, between) for each in (0.25, 1.0, 6.0, 24.0, best)]
    print(
        f"{machines:8,}{between:12,.0f} hours{shares[0]:36.0%}{shares[1]:8.0%}{shares[2]:10.0%}{shares[3]:6.0%}"
        f"{shares[4]:9.0%}, every {best:.1f} hours"
    )
    assert shares[4] <= min(shares[:4]) + 0.01
assert shares[3] > 0.2, "a day between two checkpoints, on a thousand machines"
