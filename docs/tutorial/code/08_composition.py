"""What a text is made of, and what a model makes of that: shares come back as shares, and the likeliest as everything."""

from __future__ import annotations

import random
import re
from collections import Counter

from noticeboard import USUAL, make_pile

from groundup.textbook import NgramModel

texts = [notice.text for notice in make_pile()]
words = Counter(word for text in texts for word in re.findall(r"\w+", text.lower()))
print(f"{len(texts)} documents, {sum(map(len, texts)):,} characters, {len(words):,} different words")
she, he = words["she"] + words["her"], words["he"] + words["his"]
print(f"women are spoken of {she:,} times, men {he:,} times: as good as equal")

vocabulary = {word: number for number, word in enumerate(sorted({w for text in texts for w in text.split()}))}
model = NgramModel([[vocabulary[word] for word in text.split()] for text in texts], len(vocabulary), order=5)

print("\n          in the text        P(she) of the model        of 100 drawn    of 100 likeliest")
chance = random.Random(0)
drawn = {}
for trade in USUAL:
    said = Counter(re.findall(rf"The {trade} says that (she|he)", " ".join(texts)))
    before = [vocabulary[word] for word in f"The {trade} says that".split()]
    p_she, p_he = (model.probability(before, vocabulary[word]) for word in ("she", "he"))
    drawn[trade] = sum(chance.random() < p_she / (p_she + p_he) for _ in range(100))
    likeliest = 100 * (p_she > p_he)
    print(
        f"{trade:9} {said['she']:3} she, {said['he']:3} he {p_she / (p_she + p_he):20.2f} {drawn[trade]:16} she {likeliest:15} she"
    )

assert abs(she - he) < 0.05 * (she + he)
assert drawn["smith"] < 30 < 70 < drawn["nurse"]
