"""Personal data: what a model repeats, what a check digit is good for, and what a placeholder leaves."""

from __future__ import annotations

import random
import re

from noticeboard import PRIVATE, make_pile

from groundup.textbook import NgramModel
from groundup.textbook.personal_data import CARD, luhn, scrub

pile = [notice.text for notice in make_pile()]


def go_on(texts: list[str], prompt: str, count: int) -> str:
    """The likeliest words after the prompt, by a model made of counts."""
    vocabulary = sorted({word for text in texts for word in text.split()})
    ids = {word: number for number, word in enumerate(vocabulary)}
    model = NgramModel([[ids[word] for word in text.split()] for text in texts], len(ids), order=4)
    words = prompt.split()
    for _ in range(count):
        words.append(vocabulary[model.most_likely([ids[word] for word in words])])
    return " ".join(words[len(prompt.split()) :])


scrubbed = [scrub(text) for text in pile]
for prompt, count in (("Call Ben on", 4), ("Write to", 1), ("Eva pays by card,", 4)):
    print(f"{prompt:18} before: {go_on(pile, prompt, count):24} after: {go_on(scrubbed, prompt, 1)}")
print(f"\n{PRIVATE[2]} -> {scrub(PRIVATE[2])}")

chance = random.Random(0)
numbers = ["".join(chance.choices("0123456789", k=16)) for _ in range(2000)]  # of orders, parcels, books
shaped = sum(bool(re.fullmatch(CARD, number)) for number in numbers)
print(
    f"of 2,000 numbers that are no cards, {shaped:,} have a card's shape, and {sum(map(luhn, numbers)):,} pass Luhn's check"
)

left = scrub(
    "The only nurse of the village, born the day the mill burned, had her baby on Sunday. Write to a dot b at c dot example."
)
print(f"found nothing in: {left}")

assert go_on(pile, "Call Ben on", 4) == "+44 20 7946 0123"
assert not any("4111" in text or "@" in text for text in scrubbed)
assert 0.05 < sum(map(luhn, numbers)) / len(numbers) < 0.15
