"""How sure is a loss of a few letters? By drawing letters again, and by taking all tokens for independent; and who is right how often."""

from __future__ import annotations

import random

from letters import NEWCOMERS, loss_of_all_letters, token_losses, trained, write_letters
from sampling import measure

chance = random.Random(0)
truth = loss_of_all_letters(trained())

letters = write_letters(20, chance)
loss, by_letters, by_tokens = measure(letters, chance)
print(f"loss over 20 letters: {loss:.2f}, over all that could be written: {truth:.2f}")
for name, is_theirs in (("the newcomers", True), ("the others", False)):
    theirs = [letter for letter in letters if (letter.author in NEWCOMERS) == is_theirs]
    losses = [loss for letter in theirs for loss in token_losses(trained(), letter)]
    print(f"   {len(theirs):2} by {name:14} {sum(losses) / len(losses):.2f}")
print(f"interval over letters: {by_letters[0]:.2f} to {by_letters[1]:.2f}")
print(f"interval over tokens:  {by_tokens[0]:.2f} to {by_tokens[1]:.2f}")

print("\n            width, over       held the truth, of 100 samples")
print("letters   letters   tokens        over letters   over tokens")
held = {}
for count in (20, 80):
    samples = [measure(write_letters(count, chance), chance) for _ in range(100)]
    widths = [sum(each[way][1] - each[way][0] for each in samples) / len(samples) for way in (1, 2)]
    held[count] = [sum(each[way][0] <= truth <= each[way][1] for each in samples) for way in (1, 2)]
    print(f"{count:7}{widths[0]:10.2f}{widths[1]:9.2f}{held[count][0]:19}%{held[count][1]:13}%")

assert held[80][0] > 85 > 75 > held[80][1]
